/**
 * What routes ask of a request beside its path, and how two such lists are one: a key that both have
 * with other values has no counterpart, except that texts may be asked for under two names.
 */

/** Keys of a route that are conditions; `root` and `strip_prefix` say where `exists` looks. */
export interface Conditions {
  readonly methods?: readonly string[];
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly scheme?: "http" | "https";
  readonly host?: readonly string[];
  readonly when?: Readonly<Record<string, unknown>>;
  readonly exists?: unknown;
  readonly rewritten?: boolean;
  readonly root?: string;
  readonly strip_prefix?: string;
}

/** "never": no request fulfils both. Undefined: it cannot be said. */
export function bothOf(one: Conditions, other: Conditions): Conditions | "never" | undefined {
  const joined: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const known = joined[key];
    if (known === undefined || isSame(known, value)) {
      joined[key] = value;
    } else if (key === "scheme" || key === "rewritten") {
      return "never";
    } else if (key === "methods") {
      const methods = (known as string[]).filter((method) => (value as string[]).includes(method));
      if (methods.length === 0) return "never";
      joined[key] = methods;
    } else if (key === "when" || key === "headers") {
      const both = bothMaps(known as Values, value as Values);
      if (both === undefined) return undefined;
      joined[key] = both;
    } else return undefined;
  }
  return joined as Conditions;
}

type Values = Readonly<Record<string, unknown>>;

function bothMaps(one: Values, other: Values): Values | undefined {
  const joined: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const known = joined[key];
    if (known === undefined || isSame(known, value)) {
      joined[key] = value;
      continue;
    }
    // None of these and none of those is none of all.
    const [before, behind] = [noneOf(known), noneOf(value)];
    if (before === undefined || behind === undefined) return undefined;
    joined[key] = { not: [...before, ...behind] };
  }
  return joined;
}

function noneOf(value: unknown): readonly string[] | undefined {
  const not = (value as { readonly not?: string | readonly string[] } | undefined)?.not;
  return not === undefined ? undefined : typeof not === "string" ? [not] : not;
}

export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export function isEmpty(conditions: Conditions): boolean {
  return Object.keys(conditions).length === 0;
}
