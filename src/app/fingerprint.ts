/**
 * A text for options that is the same exactly when they say the same: what a reload compares to find
 * out what has not changed. The order of keys does not count, nor keys whose value is undefined; that
 * of lists does. A function is only ever the same as itself.
 */

/** Two options with the same fingerprint may stand for each other. */
export function fingerprint(value: unknown): string {
  if (typeof value === "function") return `function ${numberOf(value)}`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || value === undefined) return String(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(fingerprint).join(",")}]`;
  if (value instanceof RegExp) return `/${value.source}/${value.flags}`;
  if (value instanceof Map) return `map ${fingerprint([...value])}`;
  if (value instanceof Set) return `set ${fingerprint([...value])}`;
  if (ArrayBuffer.isView(value)) return `bytes ${fingerprint([...value as Uint8Array])}`;
  const prototype = Object.getPrototypeOf(value);
  // Of what has a class of its own nobody can see here what it holds.
  if (prototype !== Object.prototype && prototype !== null) return `object ${numberOf(value)}`;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
    .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([key, each]) => `${JSON.stringify(key)}:${fingerprint(each)}`);
  return `{${entries.join(",")}}`;
}

const numbers = new WeakMap<object, number>();
let last = 0;

function numberOf(value: object): number {
  const known = numbers.get(value) ?? ++last;
  numbers.set(value, known);
  return known;
}
