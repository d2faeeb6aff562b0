/**
 * The host of a Gemini URI: a name, also an international one, or an address. Names become lower
 * case and punycode (RFC 3987 section 3.1), IPv6 addresses their shortest form in brackets.
 */

const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/;
const NAME_LENGTH_MAX = 253;
const ADDRESS_V4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** The host in its one form; undefined when it is none. */
export function normalizeHost(text: string): string | undefined {
  if (text.startsWith("[")) return normalizeAddress(text);
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    return undefined;
  }
  // URL also reads names that it takes for numbers: only what is international goes there.
  // deno-lint-ignore no-control-regex
  const isAscii = /^[\x00-\x7f]*$/.test(decoded);
  const ascii = isAscii ? decoded.toLowerCase() : toPunycode(decoded);
  if (ascii === undefined || ascii.length > NAME_LENGTH_MAX || !NAME.test(ascii)) return undefined;
  return ascii.replace(/\.$/, "");
}

/** Whether the host is an address, for which no client can send SNI (RFC 6066 section 3). */
export function isAddress(host: string): boolean {
  return host.startsWith("[") || ADDRESS_V4.test(host);
}

function normalizeAddress(text: string): string | undefined {
  if (!/^\[[0-9a-f:.]+\]$/i.test(text)) return undefined;
  const url = `http://${text}/`;
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function toPunycode(name: string): string | undefined {
  // What ends a host in a URL must not be smuggled in by a decoded name.
  if (/[\s/?#@:\\[\]%]/.test(name)) return undefined;
  const url = `http://${name}/`;
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}
