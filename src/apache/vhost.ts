/** One virtual host → one site: its spaces, each with what Apache does in it, in Apache's order. */
import { ChainTooLong, routesOf, type Step, Unsayable } from "../import/chain.ts";
import { placeOf, textOf } from "../import/notes.ts";
import type { Part } from "../import/yaml_writer.ts";
import { accessSteps, guardOf } from "./access_steps.ts";
import { type Alias, aliasesOf } from "./aliases.ts";
import { fileRoutes } from "./file_routes.ts";
import { handlerSteps } from "./handlers.ts";
import type { Htaccess } from "./htaccess.ts";
import { optionChanges } from "./options.ts";
import type { ApacheDirective } from "./parser.ts";
import { isScriptPass, type ProxyParts, proxyStep, scriptPass } from "./proxy_pass.ts";
import { redirectStep } from "./redirects.ts";
import { type RewriteRules, rewriteRulesOf } from "./rewrite_rule.ts";
import { rewriteSteps } from "./rewrite_steps.ts";
import { type Section, sectionsOf } from "./sections.ts";
import { belowUrl, caseOf, type Space } from "./spaces.ts";
import type { ApacheState, VhostContext } from "./state.ts";

type Steps = readonly Step<ApacheState>[];

export interface VhostParts {
  readonly context: VhostContext;
  /** Of the server, and of the virtual host. */
  readonly layers: readonly (readonly ApacheDirective[])[];
  /** By the directory of the space. */
  readonly htaccess: ReadonlyMap<string, readonly Htaccess[]>;
  readonly proxy: ProxyParts;
}

/** Keys of the site, from what the server and the virtual host say for all. */
export function commonKeys({ layers, context }: VhostParts): Readonly<Record<string, unknown>> {
  const state = layers.flatMap((directives) => optionChanges(ofServer(directives), context))
    .reduce((before, change) => change(before), emptyState({ url: "", directory: "" }));
  const { headers, compression, limits } = state.keys as Record<string, unknown>;
  return {
    ...(headers !== undefined && { headers }),
    ...(compression !== undefined && { compression }),
    ...(limits !== undefined && { limits }),
  };
}

function ofServer(directives: readonly ApacheDirective[]): readonly ApacheDirective[] {
  return directives.filter(({ block }) => block === undefined);
}

function emptyState(space: Space): ApacheState {
  return {
    space,
    existence: "any",
    countsDirectories: true,
    scripts: undefined,
    keys: {},
    listing: false,
    index: ["index.html"],
    fallback: undefined,
    params: {},
    fields: {},
    cacheControl: {},
    isGuarded: () => false,
    done: new Set(),
  };
}

export interface VhostRoutes {
  readonly routes: readonly Part[];
  readonly isRefused: boolean;
}

export function vhostRoutes(parts: VhostParts, by: ApacheDirective): VhostRoutes {
  const { context, layers } = parts;
  const { notes } = context;
  let isRefused = false;
  const root = context.spaces[0] ?? { url: "", directory: NOWHERE };
  const aliases = layers.toReversed().flatMap((directives) =>
    aliasesOf(directives, context.isFile)
  );
  const steps: Steps = [
    ...aliasSteps(aliases, parts),
    ...spaceSteps(root, parts),
  ];
  try {
    const routes = routesOf(steps, emptyState(root), {
      last: (state) =>
        state.space.directory === NOWHERE
          ? [{ ...state.keys, respond: { status: 404 } }]
          : fileRoutes(state, context),
      onRefusal: ({ directive, message }) => {
        isRefused = true;
        notes.add("refused", directive, message);
      },
    });
    return { routes: withoutEnd(withFrontControllers(routes)), isRefused };
  } catch (error) {
    if (!(error instanceof ChainTooLong)) throw error;
    notes.add("refused", by, `${error.message}, so the site is closed`);
    return { routes: [{ comment: "", value: { respond: { status: 403 } } }], isRefused: true };
  }
}

/** The directory of a virtual host without one. */
const NOWHERE = "/dev/null";

function aliasSteps(aliases: readonly Alias[], parts: VhostParts): Steps {
  const { context } = parts;
  const branches = aliases.map((alias) => {
    const { directive, space, isFile, expression, isOfPrograms } = alias;
    const comment = `${placeOf(directive)}: ${textOf(directive)}`;
    context.notes.take(directive);
    const test = space === undefined
      ? { ...caseOf(expression ?? ""), isNegative: false }
      : belowUrl(space.url);
    const when = () => test === undefined ? [{}] : [{ path: [test] }];
    if (isFile && space !== undefined) {
      const name = space.directory.replace(/^.*\//, "");
      const root = space.directory.slice(0, -name.length - 1);
      const routes = () => [
        { root, rewrite: `/${name}`, static: { index: [] } },
        { respond: { status: 404 } },
      ];
      return { when, steps: [{ kind: "end", when: () => [{}], comment, routes }] satisfies Steps };
    }
    if (space === undefined || isOfPrograms) {
      const reason = isOfPrograms
        ? "nothing here runs programs of CGI (put fcgiwrap before them)"
        : "its directory depends on the path in a way that has no counterpart";
      const routes = () => {
        throw new Unsayable(directive, reason);
      };
      // A handler that is said for its directory does run them.
      const handler = space === undefined ? [] : handlersWithin(space, parts);
      if (handler.length > 0) return { when, steps: [...handler, NO_PROGRAM] };
      return {
        when,
        steps: [...handler, { kind: "end", when: () => [{}], comment, routes }] satisfies Steps,
      };
    }
    return { when, steps: [...spaceSteps(space, parts), filesEnd(comment, context)] };
  });
  return branches.length > 0 ? [{ kind: "branch", branches }] : [];
}

function handlersWithin(space: Space, parts: VhostParts): Steps {
  const sections = sectionsOf(space, parts.layers, parts.htaccess.get(space.directory) ?? []);
  const handlers = handlerSteps(sections, parts.context);
  if (handlers.length === 0) return [];
  return [setSpace(space), ...accessSteps(sections, parts.context), ...handlers];
}

const NO_PROGRAM: Step<ApacheState> = {
  kind: "end",
  when: () => [{}],
  comment: "",
  routes: ({ keys }) => [{ ...keys, respond: { status: 404 } }],
};

/** The way through an alias ends in its own directory. */
function filesEnd(comment: string, context: VhostContext): Step<ApacheState> {
  return {
    kind: "branch",
    branches: [
      {
        when: ({ existence }) => existence === "there" ? [{}] : [],
        steps: [{
          kind: "end",
          when: () => [{}],
          comment,
          routes: (state) => fileRoutes(state, context),
        }],
      },
      {
        when: () => [{}],
        steps: [{
          kind: "end",
          when: () => [{}],
          comment,
          routes: (state) => fileRoutes(state, context),
        }],
      },
    ],
  };
}

function setSpace(space: Space): Step<ApacheState> {
  return { kind: "set", when: () => [{}], apply: (state) => ({ ...state, space }) };
}

function spaceSteps(space: Space, parts: VhostParts): Steps {
  const { context, layers, htaccess, proxy } = parts;
  const { notes } = context;
  const sections = sectionsOf(space, layers, htaccess.get(space.directory) ?? []);
  const ofFiles = sections.filter(({ by }) => by !== undefined);
  const locations = sections.filter((it) => it.isOfLocation || it.by === undefined);
  const server = serverRules(layers);
  const passes = [
    ...layers.toReversed().flatMap((directives) =>
      directives.filter(({ key }) => /^proxypass(?:match)?$/.test(key))
        .map((directive) => ({ directive, location: undefined }))
    ),
    ...sections.flatMap(({ directives, by, isOfLocation }) =>
      isOfLocation
        ? directives.filter(({ key }) => /^proxypass(?:match)?$/.test(key))
          .map((directive) => ({ directive, location: by?.args.at(-1) }))
        : []
    ),
  ];
  const scriptPasses = passes.filter(({ directive }) => isScriptPass(directive));
  const others = passes.filter(({ directive }) => !isScriptPass(directive));
  const redirects = layers.toReversed().flatMap((directives) =>
    directives.flatMap((directive) => {
      const step = redirectStep(directive);
      if (step !== undefined) notes.take(directive);
      return step ?? [];
    })
  );
  return [
    setSpace(space),
    {
      kind: "set",
      when: () => [{}],
      apply: (state) => ({ ...state, isGuarded: guardOf(sections) }),
    },
    ...handlerSteps(sections, context),
    ...scriptPasses.flatMap(({ directive }) => scriptPass(directive, context)),
    // Options that rules and handlers go by, such as the names of an index.
    ...optionSteps(sections.filter(({ by }) => by === undefined), context, true),
    ...rewriteSteps(server, { directoryUrl: undefined }, context),
    ...proxyBranches(others, locations, proxy),
    ...redirects,
    ...optionSteps(ofFiles, context, false),
    ...accessSteps(sections, context),
    ...proxyBranches(scriptPasses, [], proxy),
    ...directoryRedirects(sections, context),
    ...directoryRewrites(sections, context),
  ];
}

/** The rules of the virtual host, else those of the server where it inherits them. */
function serverRules(layers: readonly (readonly ApacheDirective[])[]): RewriteRules {
  const read = layers.map((directives) => rewriteRulesOf(ofServer(directives)));
  const own = read.at(-1)!;
  if (own.isOn !== true) return { ...own, rules: [] };
  const outer = own.inherits && read.length > 1 ? read[0]!.rules : [];
  return { ...own, rules: [...own.rules, ...outer] };
}

function optionSteps(
  sections: readonly Section[],
  context: VhostContext,
  isCommon: boolean,
): Steps {
  return sections.flatMap((section): Steps => {
    const changes = optionChanges(section.directives, context);
    if (changes.length === 0) return [];
    if (section.isConditional) {
      for (const directive of section.directives) {
        context.notes.add("lost", directive, "no route asks what <If> asks");
      }
      return [];
    }
    return [{
      kind: "set",
      when: () => [section.match],
      apply: (state) => {
        const after = changes.reduce((before, change) => change(before), state);
        // What is said for all is the site's.
        return isCommon ? { ...after, keys: state.keys } : after;
      },
    }];
  });
}

function proxyBranches(
  passes: readonly { readonly directive: ApacheDirective; readonly location: string | undefined }[],
  sections: readonly Section[],
  proxy: ProxyParts,
): Steps {
  if (passes.length === 0) return [];
  const { context } = proxy;
  const guards = accessSteps(sections.filter(({ by }) => by !== undefined), context);
  const options = optionSteps(sections.filter(({ by }) => by !== undefined), context, false);
  const branches = passes.map(({ directive, location }) => {
    const { when, steps } = proxyStep(directive, location, proxy);
    return { when, steps: steps.length === 0 ? [] : [...guards, ...options, ...steps] };
  });
  return [{ kind: "branch", branches }];
}

function directoryRedirects(sections: readonly Section[], { notes }: VhostContext): Steps {
  return sections.filter(({ by }) => by !== undefined).toReversed().flatMap((
    { match, directives },
  ) =>
    directives.flatMap((directive): Steps => {
      const step = redirectStep(directive);
      if (step === undefined) return [];
      notes.take(directive);
      return [{ kind: "branch", branches: [{ when: () => [match], steps: [step] }] }];
    })
  );
}

/** Of several directories the innermost has its way. */
function directoryRewrites(sections: readonly Section[], context: VhostContext): Steps {
  const { notes } = context;
  let isOn = false;
  const branches = sections.filter(({ by, isOfLocation }) => by !== undefined && !isOfLocation)
    .flatMap((section) => {
      const rules = rewriteRulesOf(section.directives);
      notes.take(
        ...section.directives.filter(({ key }) => /^rewrite(?:engine|base|options)$/.test(key)),
      );
      const said = rules.isOn;
      if (section.directoryUrl !== undefined && said !== undefined) isOn = said;
      if (said === undefined && rules.rules.length === 0) return [];
      const isActive = said ?? isOn;
      if (!isActive) notes.take(...section.directives.filter(({ key }) => /^rewrite/.test(key)));
      const place = { directoryUrl: section.directoryUrl ?? "/" };
      const steps = isActive ? rewriteSteps(rules, place, context) : [];
      return [{ when: () => [section.match], steps }];
    }).toReversed();
  return branches.length > 0 ? [{ kind: "branch", branches }] : [];
}

/**
 * What there is, files, and a front controller for the rest, which three routes say, is one `php`
 * route with all that it tries, and the files.
 */
function withFrontControllers(routes: readonly Part[]): readonly Part[] {
  const joined: Part[] = [];
  for (let index = 0; index < routes.length; index++) {
    const [there, files, missing] = routes.slice(index, index + 3);
    const merged = there && files && missing && joinedFront(there, files, missing);
    if (merged === undefined) {
      joined.push(routes[index]!);
      continue;
    }
    joined.push(...merged);
    index += 2;
  }
  return joined;
}

function joinedFront(there: Part, files: Part, missing: Part): readonly Part[] | undefined {
  const [first, last] = [there.value["php"], missing.value["php"]] as {
    readonly try?: readonly string[];
  }[];
  const statics = files.value["static"] as { readonly listing?: boolean } | undefined;
  if (first?.try === undefined || last?.try === undefined || statics === undefined) {
    return undefined;
  }
  if (!first.try.includes("file") || statics.listing) return undefined;
  const without = (part: Part, key: string) => {
    const { [key]: _handler, ...others } = part.value;
    return JSON.stringify(others);
  };
  const isSame = without(there, "php") === without(missing, "php") &&
    without(there, "php") === without(files, "static") &&
    JSON.stringify({ ...first, try: [], index: [] }) ===
      JSON.stringify({ ...last, try: [], index: [] });
  if (!isSame) return undefined;
  const php = {
    ...first,
    try: [...first.try, ...last.try.filter((it) => !first.try!.includes(it))],
  };
  return [
    { comment: there.comment || missing.comment, value: { ...there.value, php } },
    { ...files, comment: there.comment === "" ? files.comment : "" },
  ];
}

/** What nobody gets is 404 by itself. */
function withoutEnd(routes: readonly Part[]): readonly Part[] {
  const last = routes.at(-1);
  const isNothing = last !== undefined && routes.length > 1 &&
    JSON.stringify(last.value) === JSON.stringify({ respond: { status: 404 } });
  return isNothing ? routes.slice(0, -1) : routes;
}
