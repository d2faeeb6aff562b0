/**
 * Which content coding a client wants (RFC 9110 section 12.5.3): of those that we offer the one with
 * the highest weight, of equals the first that we offer. Without the field, or where the client
 * would rather have the content as it is, none: also where it refuses that as well, since a
 * response that it may be able to read is better than 406.
 */
import type { ContentCoding } from "../runtime/content_coding.ts";

/** The codings that both runtimes can make, best first: zstd costs a third of what gzip does. */
export const ENCODINGS = ["zstd", "br", "gzip"] as const satisfies readonly ContentCoding[];

export type Encoding = (typeof ENCODINGS)[number];

/** Section 12.4.2. */
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** The coding to send; undefined for the content as it is. */
export function preferredEncoding(
  accept: string | null,
  offered: readonly Encoding[],
): Encoding | undefined {
  if (accept === null || accept === "") return undefined;
  const weights = readWeights(accept);
  const others = weights.get("*") ?? 0;
  let preferred: Encoding | undefined;
  // What is as good as the content itself is preferred to it: that is what we are asked for.
  let weightMax = weights.get("identity") ?? 0;
  for (const encoding of offered) {
    const weight = weights.get(encoding) ?? others;
    if (weight === 0 || weight < weightMax) continue;
    if (preferred !== undefined && weight === weightMax) continue;
    preferred = encoding;
    weightMax = weight;
  }
  return preferred;
}

/** The weights by coding; one that cannot be read refuses its coding. */
function readWeights(accept: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const item of accept.toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(
      /^q\s*=\s*/,
      "",
    );
    const value = weight === undefined ? 1 : WEIGHT.test(weight) ? Number(weight) : 0;
    // RFC 9110 section 8.4.1.3: the old name means the same.
    weights.set(name === "x-gzip" ? "gzip" : name, value);
  }
  return weights;
}
