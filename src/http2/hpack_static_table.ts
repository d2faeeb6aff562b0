/** The static table of RFC 7541 (appendix A). */
import { HpackField } from "./hpack_field.ts";

// deno-fmt-ignore
const ENTRIES: readonly (readonly [name: string, value?: string])[] = [
  [":authority"], [":method", "GET"], [":method", "POST"], [":path", "/"],
  [":path", "/index.html"], [":scheme", "http"], [":scheme", "https"], [":status", "200"],
  [":status", "204"], [":status", "206"], [":status", "304"], [":status", "400"],
  [":status", "404"], [":status", "500"], ["accept-charset"],
  ["accept-encoding", "gzip, deflate"], ["accept-language"], ["accept-ranges"], ["accept"],
  ["access-control-allow-origin"], ["age"], ["allow"], ["authorization"], ["cache-control"],
  ["content-disposition"], ["content-encoding"], ["content-language"], ["content-length"],
  ["content-location"], ["content-range"], ["content-type"], ["cookie"], ["date"], ["etag"],
  ["expect"], ["expires"], ["from"], ["host"], ["if-match"], ["if-modified-since"],
  ["if-none-match"], ["if-range"], ["if-unmodified-since"], ["last-modified"], ["link"],
  ["location"], ["max-forwards"], ["proxy-authenticate"], ["proxy-authorization"], ["range"],
  ["referer"], ["refresh"], ["retry-after"], ["server"], ["set-cookie"],
  ["strict-transport-security"], ["transfer-encoding"], ["user-agent"], ["vary"], ["via"],
  ["www-authenticate"],
];

/** Index 1 is the first entry; 0 is none. */
export const STATIC_TABLE: readonly HpackField[] = [
  new HpackField("", ""),
  ...ENTRIES.map(([name, value = ""]) => new HpackField(name, value)),
];

export const STATIC_TABLE_LENGTH = ENTRIES.length;

/** The first index of a name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  [...ENTRIES.entries()].reverse().map(([index, [name]]) => [name, index + 1]),
);

/** The index of a name with its value, by {@link fieldKey}. */
export const STATIC_FIELDS: ReadonlyMap<string, number> = new Map(
  ENTRIES.map(([name, value = ""], index) => [fieldKey(name, value), index + 1]),
);

export function fieldKey(name: string, value: string): string {
  return `${name}\0${value}`;
}
