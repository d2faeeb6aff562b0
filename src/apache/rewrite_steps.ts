/**
 * Rules of `mod_rewrite` → steps. In a directory they go by the path below it, and what they lead to
 * meets all routes again, as it meets all rules again in Apache. A rule for paths without a file
 * first leaves what there is to the handlers of files.
 */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { placeOf, textOf } from "../import/notes.ts";
import { both, bothOf, type RequestMatch } from "../import/request_match.ts";
import { literal, type TextTest } from "../import/text_tests.ts";
import type { ApacheState, VhostContext } from "./state.ts";
import { fileRoutes, scriptRoutes } from "./file_routes.ts";
import { proxyTargetRoutes } from "./proxy_pass.ts";
import { redirectRoutes } from "./redirects.ts";
import { type ReadConditions, readConditions } from "./rewrite_conditions.ts";
import type { RewriteRule, RewriteRules } from "./rewrite_rule.ts";
import { rewriteTo, type TargetGroups, targetTemplate } from "./rewrite_target.ts";
import { patternTest, type RewritePlace } from "./rewrite_pattern.ts";

type Steps = readonly Step<ApacheState>[];

export function rewriteSteps(
  { rules, base }: RewriteRules,
  place: RewritePlace,
  context: VhostContext,
): Steps {
  const group = {};
  return rules.flatMap((rule, index): Steps => {
    const { notes } = context;
    notes.take(rule.directive, ...rule.conditions.map(({ directive }) => directive));
    if (isOfScriptThatIsThere(rule) && rules.slice(index + 1).every(isForMissing)) return [];
    if (setsOnly(rule)) {
      notes.add(
        "unneeded",
        rule.directive,
        "what it sets for later is known here, or not asked for",
      );
      return [];
    }
    try {
      return guardedBy(ruleSteps(rule, base, place, group, context), group);
    } catch (error) {
      if (!(error instanceof Unsayable)) throw error;
      return refusedRule(rule, error, place, group, context);
    }
  });
}

/** `^index\.php$ - [L]`, which others go around anyway if they are for what is not there. */
function isOfScriptThatIsThere({ pattern, to, conditions, flags }: RewriteRule): boolean {
  return to === "-" && flags.has("L") && flags.size === 1 && conditions.length === 0 &&
    /^\^[\w/-]+\\\.php\$$/.test(pattern);
}

function isForMissing(rule: RewriteRule): boolean {
  return setsOnly(rule) || isRefusal(rule) ||
    rule.conditions.some(({ pattern, isNegative }) => pattern === "-f" && isNegative);
}

/** A rule that changes nothing of where a request goes. */
function setsOnly({ to, flags }: RewriteRule): boolean {
  const leads = ["L", "END", "F", "G", "R", "P", "S", "C", "H"].some((flag) => flags.has(flag));
  return to === "-" && !leads;
}

function guardedBy(steps: Steps, group: object): Steps {
  return steps.map((step): Step<ApacheState> => {
    const isDone = (state: ApacheState) => state.done.has(group);
    if (step.kind === "branch") {
      const branches = step.branches.map((branch) => ({
        ...branch,
        when: (state: ApacheState) => isDone(state) ? [] : branch.when(state),
      }));
      return { ...step, branches };
    }
    return { ...step, when: (state) => isDone(state) ? [] : step.when(state) };
  });
}

/**
 * What cannot be said is refused, for what its pattern and its other conditions are for. A look for
 * a cached file, and what only leads a client elsewhere whoever it is, is left out.
 */
function refusedRule(
  rule: RewriteRule,
  error: Unsayable,
  place: RewritePlace,
  group: object,
  { notes, spaces }: VhostContext,
): Steps {
  const { conditions } = rule;
  const looksForFile = conditions.some(({ pattern, isNegative }) =>
    pattern === "-f" && !isNegative
  );
  const goesByClient = conditions.some(({ test }) => /REMOTE|ENV:|SSL/i.test(test));
  if ((looksForFile && !isRefusal(rule)) || (isRedirect(rule) && !goesByClient)) {
    notes.add("lost", rule.directive, error.message);
    return [];
  }
  const test = patternTest(rule, place, false);
  const own = test === undefined ? {} : { path: [test] };
  const documentRoot = spaces[0]?.directory ?? "";
  const matches = conditions.map((condition) => {
    try {
      return readConditions([{ ...condition, isOr: false }], { documentRoot }, false).matches;
    } catch (caught) {
      if (!(caught instanceof Unsayable)) throw caught;
      return [{}];
    }
  });
  // Conditions of which one is enough narrow nothing down.
  const narrowed = conditions.some(({ isOr }) => isOr) ? [own] : matches.reduce(bothOf, [own]);
  return guardedBy([{
    kind: "end",
    when: () => narrowed,
    comment: commentOf(rule.directive),
    routes: () => {
      throw error;
    },
  }], group);
}

function ruleSteps(
  rule: RewriteRule,
  base: string | undefined,
  place: RewritePlace,
  group: object,
  context: VhostContext,
): Steps {
  const { directive, to, flags } = rule;
  for (const flag of ["S", "C", "N"]) {
    if (flags.has(flag)) throw new Unsayable(directive, `the flag ${flag} has no counterpart`);
  }
  const wantsRule = /\$[1-9]/.test(to);
  const wantsCondition = /%[1-9]/.test(to);
  const read = readConditions(rule.conditions, {
    documentRoot: context.spaces[0]?.directory ?? "",
  }, wantsCondition);
  const isOfHost = wantsCondition && !read.hasGroups && read.hostPattern !== undefined;
  if (wantsCondition && !read.hasGroups && !isOfHost) {
    throw new Unsayable(directive, "what a condition has found is not known to a route");
  }
  if (wantsRule && read.hasGroups) {
    throw new Unsayable(directive, "groups of a rule and of a condition are not known together");
  }
  // What goes on to other steps leaves the groups to them.
  const goesOn = read.files.some(({ ending }) => ending !== "");
  const test = patternTest(rule, place, wantsRule && !goesOn);
  const all = test === undefined
    ? read.matches
    : read.matches.flatMap((match) => both(match, { path: [test] }) ?? []);
  const own = { ofRule: wantsRule, ofCondition: read.hasGroups, base: baseUrl(context) };
  if (!isOfHost) {
    return stepsFor(rule, all, read, { ...own, ofHost: undefined }, {
      base,
      place,
      group,
      context,
    });
  }
  // Each host of the site has its own groups.
  const { source } = read.hostPattern!;
  return context.names.flatMap((host) => {
    const found = new RegExp(source, "i").exec(host);
    if (found === null) return [];
    const only: TextTest = {
      source: `^${literal(host)}$`,
      ignoreCase: false,
      isNegative: false,
      simple: host,
      exact: host,
    };
    const matches = all.flatMap(({ host: _pattern, ...match }) =>
      both(match, { host: [only] }) ?? []
    );
    const groups = { ...own, ofHost: found.map((text) => text ?? "") };
    return stepsFor(rule, matches, read, groups, { base, place, group, context });
  });
}

/** What Symfony's rules work out as BASE: where the application is. */
function baseUrl(_context: VhostContext): string {
  return "";
}

interface StepParts {
  readonly base: string | undefined;
  readonly place: RewritePlace;
  readonly group: object;
  readonly context: VhostContext;
}

function stepsFor(
  rule: RewriteRule,
  matches: readonly RequestMatch[],
  read: ReadConditions,
  groups: TargetGroups,
  parts: StepParts,
): Steps {
  const { address, files } = read;
  const when = () => matches;
  const ending = files.find((it) => it.ending !== "");
  if (ending !== undefined) return endingSteps(rule, ending.ending, when, parts);
  const action = actionSteps(rule, address === undefined ? when : always, groups, parts);
  if (address !== undefined) return addressSteps(rule, address, when, action, parts);
  if (files.length === 0) return action;
  const isNegative = files.every((it) => it.isNegative);
  const isPositive = files.every((it) => !it.isNegative);
  if (!isNegative && !isPositive) {
    throw new Unsayable(rule.directive, "this combination of conditions has no counterpart");
  }
  const countsDirectories = files.some(({ kind }) => kind === "directory") || files.length === 0;
  const countsFiles = files.some(({ kind }) => kind === "file");
  const there: Step<ApacheState> = {
    kind: "set",
    when: always,
    apply: (state) => ({ ...state, existence: "there", countsDirectories }),
  };
  const missing: Step<ApacheState> = {
    kind: "set",
    when: always,
    apply: (state) => ({ ...state, existence: "missing" }),
  };
  const ifAny = (state: ApacheState) => state.existence === "any" ? matches : [];
  if (isNegative) {
    const unlessThere = (state: ApacheState) => state.existence === "there" ? [] : matches;
    const inner = actionSteps(rule, always, groups, parts);
    return [{
      kind: "branch",
      branches: [
        { when: ifAny, steps: [there], isPartial: true },
        { when: unlessThere, steps: [missing, ...inner] },
      ],
    }];
  }
  if (rule.to === "-" && (rule.flags.has("L") || rule.flags.has("END"))) {
    return [{
      kind: "branch",
      branches: [
        { when: ifAny, steps: [there, doneStep(parts.group)], isPartial: true },
        ...countsFiles ? [{ when: ifAny, steps: [missing] }] : [],
      ],
    }];
  }
  // A directory gets its slash by itself.
  if (!countsFiles && isRedirect(rule) && /\/$/.test(rule.to)) {
    parts.context.notes.add(
      "unneeded",
      rule.directive,
      "a directory is redirected to its slash anyway",
    );
    return [];
  }
  if (isRefusal(rule)) return action;
  throw new Unsayable(rule.directive, "it would depend on whether there is a file");
}

const always = () => [{}];

function doneStep(group: object): Step<ApacheState> {
  return {
    kind: "set",
    when: always,
    apply: (state) => ({ ...state, done: new Set([...state.done, group]) }),
  };
}

function isRedirect({ to, flags }: RewriteRule): boolean {
  return (flags.has("R") && !/^[45]/.test(flags.get("R")!)) ||
    /^https?:\/\//i.test(to) && !flags.has("P");
}

function isRefusal({ flags }: RewriteRule): boolean {
  return flags.has("F") || flags.has("G") || /^[45]\d\d$/.test(flags.get("R") ?? "");
}

function refusalStatus({ flags }: RewriteRule): number {
  if (flags.has("F")) return 403;
  return flags.has("G") ? 410 : Number(flags.get("R"));
}

function actionSteps(
  rule: RewriteRule,
  when: (state: ApacheState) => readonly RequestMatch[],
  groups: TargetGroups,
  { base, place, group, context }: StepParts,
): Steps {
  const { directive, to, flags } = rule;
  const comment = commentOf(directive);
  const end = (
    routes: (state: ApacheState, match: RequestMatch) => readonly RouteValue[],
  ): Steps => [
    {
      kind: "end",
      when,
      comment,
      routes: (state, match) => {
        if (state.existence === "there") {
          throw new Unsayable(directive, "it would depend on whether there is a file");
        }
        return routes(state, match);
      },
    },
  ];
  if (isRefusal(rule)) {
    const status = refusalStatus(rule);
    // What there is and what there is not is refused alike.
    return [{
      kind: "end",
      when,
      comment,
      routes: ({ keys }) => [{ ...keys, respond: { status } }],
    }];
  }
  if (to === "-") return [{ kind: "branch", branches: [{ when, steps: [doneStep(group)] }] }];
  // A path of the file system below the root is one of the site.
  const said = targetTemplate(to.replace(/^%\{DOCUMENT_ROOT\}/i, ""), rule, groups, context);
  if (flags.has("P")) return end((state) => proxyTargetRoutes(said, rule, state, context));
  const isAbsolute = /^https?:\/\//i.test(said) || /^http\$\{protossl\}:/.test(said);
  const directory = base ?? place.directoryUrl ?? "/";
  const path = isAbsolute || said.startsWith("/") || said.startsWith("${request.path}")
    ? said
    : directory + said;
  if (isAbsolute || flags.has("R")) {
    const status = Number(flags.get("R") || 302);
    const keepsQuery = !path.includes("?") ? !flags.has("QSD") : flags.has("QSA");
    return end((state, match) => redirectRoutes(path, status, keepsQuery, match, state, directive));
  }
  const target = rewriteTo(path, rule);
  return end((state) => {
    const isScript = /^[^?$]+$/.test(target) &&
      state.scripts?.endings?.some((it) => target.endsWith(it));
    if (isScript) return scriptRoutes(state, [target], context);
    // What it leads to meets all routes again; what is led to itself is looked for.
    const itself = fileRoutes({ ...state, existence: "any", fallback: undefined }, context);
    return [{ ...state.keys, rewrite: target }, ...itself];
  });
}

/** `%{REQUEST_FILENAME}.php -f` with `$1.php`. */
function endingSteps(
  rule: RewriteRule,
  ending: string,
  when: () => readonly RequestMatch[],
  { context, group }: StepParts,
): Steps {
  const leadsThere = rule.to.replace(/\?.*$/, "").endsWith(ending) &&
    /^(?:\/?\$[01]|%\{REQUEST_(?:URI|FILENAME)\})$/.test(rule.to.slice(0, -ending.length));
  if (!leadsThere) {
    throw new Unsayable(rule.directive, "it would depend on whether there is a file");
  }
  return guardedBy([{
    kind: "end",
    when: (state) => state.existence === "there" ? [] : when(),
    comment: commentOf(rule.directive),
    passesOn: true,
    routes: (state) => {
      if (state.scripts?.endings?.includes(ending)) {
        return scriptRoutes(state, [`\${path}${ending}`], context);
      }
      return [{ ...state.keys, rewrite: `\${request.path}${ending}`, static: { index: [] } }];
    },
  }], group);
}

/** Clients by their address: who is refused or led elsewhere is kept out. */
function addressSteps(
  rule: RewriteRule,
  address: NonNullable<ReadConditions["address"]>,
  when: () => readonly RequestMatch[],
  action: Steps,
  { context }: StepParts,
): Steps {
  if (!isRefusal(rule) && !isRedirect(rule)) {
    const isClosing = address.isNegative;
    if (!isClosing) throw new Unsayable(rule.directive, "no rewrite depends on a client's address");
  }
  void action;
  if (!isRefusal(rule)) {
    context.notes.add("differs", rule.directive, "these clients get 403");
  }
  return [{
    kind: "set",
    when,
    apply: (state) => {
      const said = (state.keys["ip_restriction"] ?? {}) as Record<string, readonly string[]>;
      if (address.isNegative && said["allow"] !== undefined) {
        throw new Unsayable(rule.directive, "only one list of addresses can be let in");
      }
      const ip_restriction = address.isNegative
        ? { ...said, allow: address.networks }
        : { ...said, deny: [...said["deny"] ?? [], ...address.networks] };
      return { ...state, keys: { ...state.keys, ip_restriction } };
    },
  }];
}

function commentOf(directive: Directive): string {
  return `${placeOf(directive)}: ${textOf(directive)}`;
}
