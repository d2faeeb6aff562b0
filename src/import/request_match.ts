/**
 * Which requests something is for, in what a route of ours can ask: path, methods, scheme, host,
 * fields, cookies, parameters of the query. All of it must hold.
 */
import { expressionOf, literal, negated, type TextTest, together } from "./text_tests.ts";

export interface RequestMatch {
  readonly path?: readonly TextTest[];
  readonly host?: readonly TextTest[];
  readonly methods?: readonly string[];
  readonly scheme?: "http" | "https";
  /** By kind and name: `headers x-beta`, or `when ${request.query}` for the query as it came. */
  readonly named?: Readonly<Record<string, readonly TextTest[]>>;
}

/** Every request. */
export const ALWAYS: RequestMatch = {};

/** Requests that both are for; undefined for none. */
export function both(one: RequestMatch, other: RequestMatch): RequestMatch | undefined {
  const path = together([...one.path ?? [], ...other.path ?? []]);
  const host = together([...one.host ?? [], ...other.host ?? []]);
  if (path === undefined || host === undefined) return undefined;
  const methods = one.methods && other.methods
    ? one.methods.filter((method) => other.methods!.includes(method))
    : one.methods ?? other.methods;
  if (methods?.length === 0) return undefined;
  const scheme = one.scheme ?? other.scheme;
  if (other.scheme !== undefined && scheme !== other.scheme) return undefined;
  const named: Record<string, readonly TextTest[]> = { ...one.named };
  for (const [name, tests] of Object.entries(other.named ?? {})) {
    const joined = together([...named[name] ?? [], ...tests]);
    if (joined === undefined) return undefined;
    named[name] = joined;
  }
  return {
    ...(path.length > 0 && { path }),
    ...(host.length > 0 && { host }),
    ...(methods && { methods }),
    ...(scheme && { scheme }),
    ...(Object.keys(named).length > 0 && { named }),
  };
}

export function isAlways(match: RequestMatch): boolean {
  return Object.keys(match).length === 0;
}

/** The keys of a route that is for these requests. */
export function matchKeys(match: RequestMatch): Record<string, unknown> {
  const keys: Record<string, unknown> = {};
  if (match.path !== undefined) keys["path"] = patternOf(match.path);
  if (match.methods !== undefined) keys["methods"] = match.methods;
  if (match.scheme !== undefined) keys["scheme"] = match.scheme;
  if (match.host !== undefined) keys["host"] = patternOf(match.host);
  for (const [name, tests] of Object.entries(match.named ?? {})) {
    const [kind = "", ...rest] = name.split(" ");
    keys[kind] = { ...keys[kind] as object, [rest.join(" ")]: valueOf(tests) };
  }
  return keys;
}

function patternOf(tests: readonly TextTest[]): string {
  const [only] = tests;
  const isPlain = tests.length === 1 && !only!.isNegative && only!.simple !== undefined;
  return isPlain ? only!.simple! : expressionOf(tests);
}

/** One that only says what is not allowed holds for a field that is not there, too. */
function valueOf(tests: readonly TextTest[]): unknown {
  const [only] = tests;
  if (tests.length === 1 && only!.simple === "*") return !only!.isNegative;
  if (tests.every(({ isNegative }) => isNegative)) {
    const texts = tests.map((test) => patternOf([{ ...test, isNegative: false }]));
    return { not: texts.length === 1 ? texts[0] : texts };
  }
  return patternOf(tests);
}

/** Requests of these methods; none for those that are never let in. */
export function ofMethods(methods: readonly string[]): readonly RequestMatch[] {
  const said = methods.filter((method) => method !== "TRACE" && method !== "CONNECT");
  return said.length > 0 ? [{ methods: said }] : [];
}

/** Requests of all methods but these, whatever else there may be. */
export function exceptMethods(methods: readonly string[]): RequestMatch {
  const tests = methods.map((method): TextTest => {
    return { source: `^${literal(method)}$`, ignoreCase: false, isNegative: true, simple: method };
  });
  return { named: { [METHOD]: tests } };
}

/** The method as a text, of which an expression may be asked. */
export const METHOD = "when ${request.method}";

/** Requests that one of these is for, and one of those. */
export function bothOf(
  some: readonly RequestMatch[],
  others: readonly RequestMatch[],
): readonly RequestMatch[] {
  return some.flatMap((one) => others.flatMap((other) => both(one, other) ?? []));
}

/** Requests that none of these is for. */
export function noneOf(matches: readonly RequestMatch[]): readonly RequestMatch[] {
  return matches.map(negationsOf).reduce(bothOf, [ALWAYS]);
}

/** Requests that it is not for: those that miss one of its tests. */
function negationsOf(match: RequestMatch): readonly RequestMatch[] {
  const named = Object.entries(match.named ?? {}).flatMap(([name, tests]) =>
    tests.map((test): RequestMatch => ({ named: { [name]: [negated(test)] } }))
  );
  return [
    ...(match.path ?? []).map((test): RequestMatch => ({ path: [negated(test)] })),
    ...(match.host ?? []).map((test): RequestMatch => ({ host: [negated(test)] })),
    ...(match.methods ? [exceptMethods(match.methods)] : []),
    ...(match.scheme ? [{ scheme: match.scheme === "http" ? "https" : "http" } as const] : []),
    ...named,
  ];
}
