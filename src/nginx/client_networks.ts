/** Networks as patterns of an address's text: a route can ask for them where a list is no help. */

export interface NetworkPattern {
  readonly pattern: string;
  /** How many bits it names: the more, the narrower. */
  readonly bits: number;
}

/** Undefined for what is no network, or whose addresses have no common text. */
export function networkPattern(text: string): NetworkPattern | undefined {
  const [, address = "", length] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  if (address.includes(":")) return ipv6Pattern(address.toLowerCase(), Number(length ?? 128));
  const octets = address.split(".").map(Number);
  const bits = Number(length ?? 32);
  if (octets.length !== 4 || bits > 32 || octets.some((it) => !(it >= 0 && it <= 255))) {
    return undefined;
  }
  if (bits === 32) return { pattern: octets.join("."), bits };
  const whole = octets.slice(0, Math.floor(bits / 8));
  if (bits % 8 === 0) return { pattern: bits === 0 ? "~ \\." : `${whole.join(".")}.*`, bits };
  const size = 2 ** (8 - bits % 8);
  const first = Math.floor(octets[whole.length]! / size) * size;
  const choice = Array.from({ length: size }, (_, index) => first + index).join("|");
  const before = whole.map((it) => `${it}\\.`).join("");
  return { pattern: `~ ^${before}(?:${choice})${whole.length < 3 ? "\\." : "$"}`, bits };
}

/** Whole groups that are not zero, since of zeros nobody knows how they are written. */
function ipv6Pattern(address: string, bits: number): NetworkPattern | undefined {
  const groups = address.split("::")[0]!.split(":").filter((group) => group !== "")
    .map((group) => group.replace(/^0+(?=.)/, ""));
  if (bits === 128 && /^::1$/.test(address)) return { pattern: "::1", bits };
  if (bits % 16 !== 0 || bits === 0 || bits === 128) return undefined;
  const named = groups.slice(0, bits / 16);
  if (named.length < bits / 16 || named.includes("0")) return undefined;
  return { pattern: `${named.join(":")}:*`, bits };
}
