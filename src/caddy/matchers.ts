/**
 * Caddy's matchers → what our routes ask of a request. Paths are matched in any case, as Caddy does,
 * and without what has been taken off them. What a route cannot ask is thrown as {@link Unsayable}.
 */
import { Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { ALWAYS, bothOf, noneOf, ofMethods, type RequestMatch } from "../import/request_match.ts";
import { anyOf, literal, type TextTest } from "../import/text_tests.ts";
import { hasPlaceholder } from "./placeholders.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { PRIVATE_RANGES } from "./globals.ts";

/** Addresses of clients, which access control asks, and no route. */
export interface AddressTest {
  readonly networks: readonly string[];
  readonly isNegative: boolean;
}

export interface Matcher {
  /** Whether every request is meant. */
  readonly isAlways: boolean;
  readonly matches: (state: SiteState) => readonly RequestMatch[];
  readonly address?: AddressTest | undefined;
  readonly file?: { readonly isNegative: boolean; readonly tries: readonly string[] } | undefined;
  /** The one path of a matcher of one path. */
  readonly path?: string | undefined;
}

const EVERYTHING: Matcher = { isAlways: true, matches: () => [ALWAYS] };

/** The matcher of a directive, and the arguments behind it. */
export function matcherOf(
  directive: Directive,
  context: SiteContext,
): { readonly matcher: Matcher; readonly args: readonly string[] } {
  const [first = "", ...args] = directive.args;
  if (first === "*") return { matcher: EVERYTHING, args };
  if (first.startsWith("/")) return { matcher: pathMatcher([first]), args };
  if (!first.startsWith("@")) return { matcher: EVERYTHING, args: directive.args };
  const definition = context.matchers.get(first);
  if (definition === undefined) throw new Unsayable(directive, `there is no matcher "${first}"`);
  context.notes.take(definition, ...definition.block ?? []);
  return { matcher: namedMatcher(definition, context), args };
}

function namedMatcher(definition: Directive, context: SiteContext): Matcher {
  const lines = definition.block ?? [];
  const [name, ...args] = definition.args;
  const inline = name === undefined ? [] : [{ ...definition, name, args, block: undefined }];
  // `@x not { … }` has its block behind it.
  const isBlockOfInline = inline.length > 0 && definition.block !== undefined;
  const parts = isBlockOfInline
    ? [{ ...inline[0]!, block: definition.block }]
    : [...inline, ...lines];
  return all(mergedLines(parts).map((part) => single(part, definition, context)));
}

/** Lines of one name are one list, of which one fits is enough; of fields those of one field. */
function mergedLines(parts: readonly Directive[]): readonly Directive[] {
  const merged = new Map<string, Directive>();
  for (const [index, part] of parts.entries()) {
    const { name, args } = part;
    const isList = ["path", "method", "host", "remote_ip", "client_ip", "query"].includes(name);
    const isField = name === "header" && args.length > 1;
    const key = isList ? name : isField ? `${name} ${args[0]!.toLowerCase()}` : `${index}`;
    const before = merged.get(key);
    const more = isField ? args.slice(1) : args;
    merged.set(key, before === undefined ? part : { ...before, args: [...before.args, ...more] });
  }
  return [...merged.values()];
}

function all(matchers: readonly Matcher[]): Matcher {
  const [only] = matchers;
  if (matchers.length === 1 && only !== undefined) return only;
  return {
    isAlways: matchers.every(({ isAlways }) => isAlways),
    matches: (state) => matchers.map(({ matches }) => matches(state)).reduce(bothOf, [ALWAYS]),
    address: matchers.find(({ address }) => address)?.address,
    file: matchers.find(({ file }) => file)?.file,
  };
}

function single(part: Directive, definition: Directive, context: SiteContext): Matcher {
  const { name, args } = part;
  const unsayable = (reason: string) => new Unsayable(definition, reason);
  if (args.some(hasPlaceholder) && !["file", "path", "path_regexp"].includes(name)) {
    throw unsayable("a placeholder in a matcher has no counterpart");
  }
  switch (name) {
    case "path":
      return pathMatcher(args);
    case "path_regexp": {
      const expression = args.at(-1) ?? "";
      return fixed((state) => [{ path: [regexTest(expression, state)] }]);
    }
    case "method":
      return fixed(() => ofMethods(args.map((it) => it.toUpperCase())));
    case "protocol":
      if (args[0] !== "http" && args[0] !== "https") {
        throw unsayable("the protocol is not looked at");
      }
      return fixed(() => [{ scheme: args[0] as "http" | "https" }]);
    case "host":
      return fixed(() => [{ host: [hostTest(args)] }]);
    case "header":
      return fixed(() => [headerMatch(args)]);
    case "header_regexp": {
      const [field = "", expression = ""] = args.slice(-2);
      const test = { ...caseOf(expression), isNegative: false };
      return fixed(() => [{ named: { [`headers ${field}`]: [test] } }]);
    }
    case "query":
      return fixed(() => queryMatches(args));
    case "remote_ip":
    case "client_ip":
      return addressMatcher(args.filter((it) => it !== "forwarded"));
    case "file":
      return fileMatcher(part);
    case "not":
      return not(part, definition, context);
    case "expression":
      return expressionMatcher(args.join(" "), definition);
  }
  throw unsayable(`no route asks what matcher "${name}" asks`);
}

function fixed(matches: Matcher["matches"]): Matcher {
  return { isAlways: false, matches };
}

function not(part: Directive, definition: Directive, context: SiteContext): Matcher {
  const [name = "", ...args] = part.args;
  const inner = part.block === undefined
    ? [{ ...part, name, args }]
    : part.block.length > 0
    ? part.block
    : [];
  const matcher = all(mergedLines(inner).map((it) => single(it, definition, context)));
  if (matcher.address !== undefined || matcher.file !== undefined) {
    if (inner.length > 1) throw new Unsayable(definition, "no route asks for all of it at once");
    const { address, file } = matcher;
    return {
      isAlways: false,
      matches: () => [ALWAYS],
      address: address && { ...address, isNegative: !address.isNegative },
      file: file && { ...file, isNegative: !file.isNegative },
    };
  }
  return fixed((state) => noneOf(matcher.matches(state)));
}

function addressMatcher(args: readonly string[]): Matcher {
  const networks = args.flatMap((it) => it === "private_ranges" ? PRIVATE_RANGES : [it]);
  return { isAlways: false, matches: () => [ALWAYS], address: { networks, isNegative: false } };
}

function fileMatcher(part: Directive): Matcher {
  const said = part.block?.find(({ name }) => name === "try_files")?.args;
  const tries = said ?? (part.args.length > 0 ? part.args : ["{path}"]);
  return { isAlways: false, matches: () => [ALWAYS], file: { isNegative: false, tries } };
}

/** The few expressions that are as plain as a matcher. */
function expressionMatcher(text: string, definition: Directive): Matcher {
  const method = /^\{method\}\s*==\s*["'](\w+)["']$/.exec(text.trim())?.[1];
  if (method !== undefined) return fixed(() => ofMethods([method]));
  const path = /^path\(\s*((?:["'][^"']*["']\s*,?\s*)+)\)$/.exec(text.trim())?.[1];
  if (path !== undefined) {
    return pathMatcher([...path.matchAll(/["']([^"']*)["']/g)].map((it) => it[1]!));
  }
  throw new Unsayable(definition, "an expression has no counterpart");
}

/** Paths in any case, as Caddy matches them, or in the one that is written. */
export function pathMatcher(patterns: readonly string[], anyCase = true): Matcher {
  return {
    isAlways: patterns.includes("*"),
    path: patterns.length === 1 ? patterns[0] : undefined,
    matches: (state) => {
      if (patterns.includes("*")) return [ALWAYS];
      const tests = patterns.map((pattern) => pathTest(pattern, state.prefix, anyCase));
      return ofPath(tests, state);
    },
  };
}

/** Where a request has got a path that is known, the test is made now. */
function ofPath(tests: readonly TextTest[], { rewrite }: SiteState): readonly RequestMatch[] {
  const test = anyOf(tests);
  if (rewrite === undefined) {
    return test === undefined ? tests.map((it) => ({ path: [it] })) : [{ path: [test] }];
  }
  const path = rewrite.replace(/\?.*$/, "");
  const isKnown = !path.includes("${");
  const passes = tests.some(({ source, ignoreCase }) =>
    new RegExp(source, ignoreCase ? "is" : "s").test(path)
  );
  if (isKnown) return passes ? [ALWAYS] : [];
  // What stands behind the last reference is known, too.
  const isEnding = tests.every(({ source }) => /^[^^]*\$$/.test(source));
  const ending = path.slice(path.lastIndexOf("}") + 1);
  if (isEnding && ending.length > 4) return passes ? [ALWAYS] : [];
  throw new RewrittenPath();
}

/** A path is asked for that a rewrite has made of the client's. */
export class RewrittenPath extends Error {
  override readonly name = "RewrittenPath";

  constructor() {
    super("it asks for a path that a rewrite has made");
  }
}

function pathTest(pattern: string, prefix: string, anyCase: boolean): TextTest {
  const ignoreCase = anyCase && /[a-z]/i.test(prefix + pattern);
  const base = { ignoreCase, isNegative: false };
  const stars = pattern.split("*").length - 1;
  const canBeSimple = !ignoreCase && prefix === "";
  if (stars === 0 && pattern.startsWith("/") && !/[?[\\]/.test(pattern)) {
    const whole = prefix + pattern;
    return {
      ...base,
      source: `^${literal(whole)}$`,
      prefix: whole,
      ...(!ignoreCase && { exact: whole }),
      ...(canBeSimple && { simple: pattern }),
    };
  }
  if (stars === 1 && pattern.endsWith("*") && pattern.startsWith("/")) {
    const begin = prefix + pattern.slice(0, -1);
    return { ...base, source: `^${literal(begin)}`, prefix: begin };
  }
  if (stars === 1 && pattern.startsWith("*")) {
    return { ...base, source: `${literal(pattern.slice(1))}$` };
  }
  if (stars === 2 && pattern.startsWith("*") && pattern.endsWith("*")) {
    return { ...base, source: literal(pattern.slice(1, -1)) };
  }
  const inner = pattern.split(/([*?])/).map((part) =>
    part === "*" ? "[^/]*" : part === "?" ? "[^/]" : literal(part)
  );
  return { ...base, source: `^${literal(prefix)}${inner.join("")}$` };
}

function caseOf(expression: string): { readonly source: string; readonly ignoreCase: boolean } {
  const ignoreCase = expression.startsWith("(?i)");
  const source = (ignoreCase ? expression.slice("(?i)".length) : expression)
    .replaceAll("(?P<", "(?<");
  return { source, ignoreCase };
}

function regexTest(expression: string, { prefix, rewrite }: SiteState): TextTest {
  if (rewrite !== undefined) throw new RewrittenPath();
  const { source, ignoreCase } = caseOf(expression);
  const captures = source.includes("(");
  const begin = `^${literal(prefix)}`;
  const within = source.startsWith("^") ? begin + source.slice(1) : `${begin}.*?${source}`;
  return {
    source: prefix === "" ? source : within,
    ignoreCase,
    isNegative: false,
    ...(captures && { captures }),
  };
}

function hostTest(hosts: readonly string[]): TextTest {
  const [only = ""] = hosts;
  const sources = hosts.map((host) =>
    host.split(".").map((label) => label === "*" ? "[^.]+" : literal(label)).join("\\.")
  );
  return {
    source: `^(?:${sources.join("|")})$`,
    ignoreCase: true,
    isNegative: false,
    ...(hosts.length === 1 && !only.includes("*") && { simple: only.toLowerCase() }),
  };
}

function valueTest(value: string): TextTest {
  const source = value.split("*").map(literal).join(".*");
  return { source: `^${source}$`, ignoreCase: false, isNegative: false, simple: value };
}

const PRESENT: TextTest = { source: "", ignoreCase: false, isNegative: false, simple: "*" };

function headerMatch([field = "", ...values]: readonly string[]): RequestMatch {
  if (field.startsWith("!")) {
    return { named: { [`headers ${field.slice(1)}`]: [{ ...PRESENT, isNegative: true }] } };
  }
  const [value] = values;
  const test = value === undefined || value === "*"
    ? PRESENT
    : anyOf(values.map(valueTest)) ?? valueTest(value);
  return { named: { [`headers ${field}`]: [test] } };
}

function queryMatches(args: readonly string[]): readonly RequestMatch[] {
  const byName = new Map<string, TextTest[]>();
  for (const arg of args) {
    const [name = "", ...rest] = arg.split("=");
    const value = rest.join("=");
    const test = value === "*" || !arg.includes("=") ? PRESENT : valueTest(value);
    byName.set(name, [...byName.get(name) ?? [], test]);
  }
  const named = [...byName].map(([name, tests]) => {
    const test = tests.includes(PRESENT) ? PRESENT : anyOf(tests) ?? tests[0]!;
    return [`query ${name}`, [test]] as const;
  });
  return [{ named: Object.fromEntries(named) }];
}
