/**
 * A table of the configuration from a value of the request to another text (`${map.NAME}`): the
 * entry that is equal, else the first pattern that fits, else the default.
 */
import { textOfBytes } from "../runtime/raw_bytes.ts";
import { compileValuePattern } from "../routing/value_pattern.ts";
import type { RequestText } from "./request_text.ts";

export interface ValueMapOptions {
  /** What is looked up; a template. */
  readonly of: string;
  /** Values or patterns, and the templates that they stand for. */
  readonly values: readonly (readonly [value: string, text: string])[];
  /** Where nothing fits; a template. */
  readonly default: string;
}

export type ValueMaps = Readonly<Record<string, ValueMapOptions>>;

/** `compile` makes a text of a template; values are texts whose characters stand for bytes. */
export function compileValueMap(
  { of, values, default: otherwise }: ValueMapOptions,
  compile: (text: string) => RequestText,
): RequestText {
  const asked = compile(of);
  const fallback = compile(otherwise);
  const exact = new Map<string, RequestText>();
  const patterns: (readonly [test: (value: string) => boolean, text: RequestText])[] = [];
  for (const [value, text] of values) {
    if (/^~|\*/.test(value)) patterns.push([compileValuePattern(value), compile(text)]);
    else exact.set(value, compile(text));
  }
  return (context, headers) => {
    const value = textOfBytes(asked(context, headers));
    const found = exact.get(value) ?? patterns.find(([test]) => test(value))?.[1] ?? fallback;
    return found(context, headers);
  };
}
