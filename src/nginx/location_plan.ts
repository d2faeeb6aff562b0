/**
 * What a location does, before it is known by which paths it is said: its rules, then for each case
 * that they leave access control and what is there.
 */
import { type AccessWay, accessWays, restricts } from "./access.ts";
import { type Content, contentOf } from "./content.ts";
import { groupsOf } from "./expressions.ts";
import { rewrittenWhole } from "./fallback.ts";
import { type FilePlace, placeOf } from "./file_place.ts";
import type { Location } from "./locations.ts";
import { type Directive, flatten } from "./parser.ts";
import { isScriptFile } from "./script_file.ts";
import { type Case, type Phase, runPhase, type Step } from "./rewrite_phase.ts";
import type { Conditions } from "./route_conditions.ts";
import type { ServerContext } from "./server_context.ts";
import { variablesIn } from "./variables.ts";

export interface LocationPlan {
  readonly location: Location;
  readonly phase: Phase;
  readonly cases: readonly PlannedCase[];
  readonly context: ServerContext;
}

export interface PlannedCase {
  readonly location: Location;
  readonly conditions: Conditions;
  readonly context: ServerContext;
  readonly ways: readonly AccessWay[];
  readonly content: Content;
  readonly place: FilePlace;
}

export function planOf(
  location: Location,
  cases: readonly Case[],
  outer: ServerContext,
): LocationPlan {
  const [one] = cases;
  const known = {
    ...outer,
    values: { ...outer.values, ...(one && cases.length === 1 && { set: one.set }) },
  };
  const context = contextIn(location, known);
  const place = placeOf(location, context);
  const files = "refused" in place ? { root: undefined, keys: {} } : place;
  const values = { ...context.values, root: files.root ?? context.values.root };
  const whole = "refused" in place || cases.length > 1
    ? undefined
    : rewrittenWhole(location, place, {
      ...context,
      guards: accessWays(location, context).map(({ guards }) => guards),
    });
  const phase = whole !== undefined
    ? { steps: [], cases }
    : runPhase(location.scope.directives.filter((it) => !asksForScript(it, location)), cases, {
      notes: context.notes,
      values,
      place: {
        root: files.root,
        keys: files.keys,
        path: "${request.path}",
        isDirectory: context.isDirectory,
        scope: location.scope,
      },
      isUsed: context.isUsed,
      scope: location.scope,
    });
  const planned = phase.cases.map((one): PlannedCase => {
    const within: Location = one.scope === undefined
      ? location
      : { ...location, scope: one.scope, within: location, isCase: true };
    const asked = { ...context, values: { ...values, set: one.set } };
    const ways = accessWays(within, asked);
    const inCase = { ...asked, guards: ways.map(({ guards }) => guards) };
    const { content, place } = contentOf(within, inCase, whole);
    if (content.kind === "refused") {
      context.notes.add("refused", content.directive, content.reason);
      // Nothing in it has a meaning any more.
      context.notes.take(
        ...flatten(within.scope.directives.filter(({ name }) => name !== "location")),
      );
    }
    return { location: within, conditions: one.conditions, context: inCase, ways, content, place };
  });
  context.notes.take(location.directive, ...location.scope.own("internal"));
  for (const it of location.scope.directives) {
    if (asksForScript(it, location)) context.notes.take(it, ...it.block ?? []);
  }
  return { location, phase, cases: merged(planned), context: { ...context, values } };
}

/** That a script has to be there is so here anyway. */
function asksForScript({ name, args, block = [] }: Directive, location: Location): boolean {
  return name === "if" && isScriptFile(location) &&
    args.join(" ") === "(!-f $document_root$fastcgi_script_name)" &&
    block.length === 1 && block[0]!.name === "return" && block[0]!.args.join() === "404";
}

/** Cases that come to the same are one, where together they are all there is. */
function merged(cases: readonly PlannedCase[]): readonly PlannedCase[] {
  const [first, ...others] = cases;
  if (first === undefined || others.length === 0) return cases;
  const textOf = ({ ways, content, place, location }: PlannedCase) =>
    JSON.stringify([
      ways,
      content,
      place,
      location.isCase === true ? location.scope.directives : 0,
    ]);
  const isOne = others.every((other) => textOf(other) === textOf(first));
  return isOne ? [{ ...first, conditions: {} }] : cases;
}

/** The groups of its expression may be named in it. */
function contextIn(location: Location, context: ServerContext): ServerContext {
  if (location.kind !== "regex") return context;
  const groups = groupsOf({ source: location.text, anyCase: location.ignoreCase });
  const hasGroup = (name: string) =>
    groups !== undefined && (groups.names.includes(name) ||
      (/^[1-9]$/.test(name) && Number(name) <= groups.count));
  return { ...context, values: { ...context.values, hasGroup } };
}

export function namesGroups({ kind, text, ignoreCase, scope }: Location): boolean {
  if (kind !== "regex") return false;
  const names = groupsOf({ source: text, anyCase: ignoreCase })?.names ?? [];
  return flatten(scope.directives).some(({ name, args }) =>
    name !== "location" &&
    args.flatMap(variablesIn).some((it) => /^[1-9]$/.test(it) || names.includes(it))
  );
}

export function guardsSomebody({ phase, cases }: LocationPlan): boolean {
  const isClosing = ({ content }: Step) =>
    content.kind === "refused" || (content.kind === "respond" && content.status >= 400);
  return phase.steps.some(isClosing) ||
    cases.some(({ content, ways }) => content.kind === "refused" || restricts(ways));
}
