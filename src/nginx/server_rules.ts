/** What a server decides about every request, before its locations → routes before all others. */
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { type Case, runPhase, type Step } from "./rewrite_phase.ts";
import { bothOf } from "./route_conditions.ts";
import type { Scope } from "./scope.ts";
import type { RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { stepAt } from "./step_routes.ts";
import { toExpression } from "./expressions.ts";
import { withConditions } from "./conditioned.ts";

export interface ServerRules {
  readonly routes: readonly { readonly directive: Directive; readonly route: RouteValue }[];
  /** What is left for locations; none where every request has its response. */
  readonly cases: readonly Case[];
}

export function serverRules(scope: Scope, context: ServerContext): ServerRules {
  const { siteRoot, notes, isUsed, values, isDirectory } = context;
  const start: Case = { conditions: {}, set: new Map(), scope: undefined };
  const { steps, cases } = runPhase(scope.directives, [start], {
    notes,
    values,
    place: { root: siteRoot, keys: {}, path: "${request.path}", isDirectory, scope },
    isUsed,
    scope,
  });
  let goesOn = false;
  const routes = steps.flatMap((step) => {
    const { content, directive } = step;
    // What a location has rewritten is not asked again; what a rule here has is, by those behind it.
    const isFirst = content.kind === "rewrite" && !goesOn;
    if (content.kind === "rewrite" && content.goesOn) goesOn = true;
    return ruleRoutes(step, isFirst, context).map((route) => ({ directive, route }));
  });
  return { routes, cases };
}

function ruleRoutes(step: Step, isFirst: boolean, context: ServerContext): RouteValue[] {
  const { notes } = context;
  const path = step.path && toExpression(step.path);
  const asked = isFirst ? bothOf(step.conditions, { rewritten: false }) : step.conditions;
  if ((step.path !== undefined && path === undefined) || asked === undefined || asked === "never") {
    notes.add("refused", step.directive, "it decides before all locations, so the site is closed");
    return [{ respond: { status: 403 } }];
  }
  const content = step.content.kind === "rewrite"
    ? { ...step.content, isBreak: false }
    : step.content;
  return stepAt(path, { ...step, content }, pseudo(step, context), context)
    .map((route) => withConditions(route, asked));
}

/** The server as the location of every path. */
function pseudo({ directive }: Step, { locations }: ServerContext): Location {
  const [first] = locations;
  return { ...first!, kind: "named", text: "", directive };
}
