/** Names of sites that are addresses, as bytes; and names that no public authority vouches for. */

const ADDRESS_V4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** Undefined for what is no address; brackets may stand around one of IPv6. */
export function addressOf(host: string): Uint8Array | undefined {
  const text = host.replace(/^\[(.*)\]$/, "$1");
  if (ADDRESS_V4.test(text)) return Uint8Array.from(text.split("."), Number);
  if (!text.includes(":") || !URL.canParse(`http://[${text}]/`)) return undefined;
  // In its one form an address has no dots (WHATWG URL, host serializing).
  const [left = "", right] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split("::");
  const groupsOf = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [first, last] = [groupsOf(left), groupsOf(right ?? "")];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  const groups = [...first, ...zeros, ...last];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Names that are this machine's or this network's own (RFC 6761, RFC 8375). */
const LOCAL_NAME = /(^|\.)(localhost|test|local|internal|home\.arpa)$/;

/** Whether only a local authority can vouch for a host. */
export function isLocalHost(host: string): boolean {
  return LOCAL_NAME.test(host) || addressOf(host) !== undefined || !host.includes(".");
}
