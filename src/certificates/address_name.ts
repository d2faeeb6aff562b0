/** Names of sites that are addresses, as bytes; and names that no public authority vouches for. */

/** Undefined for what is no address; brackets may stand around one of IPv6. */
export function addressOf(host: string): Uint8Array | undefined {
  const text = host.replace(/^\[(.*)\]$/, "$1");
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return Uint8Array.from(text.split(".").map(Number));
  if (!text.includes(":") || !/^[0-9a-f:.]+$/i.test(text)) return undefined;
  const [first = "", second, third] = text.split("::");
  if (third !== undefined) return undefined;
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const [head, tail] = [groups(first), groups(second ?? "")];
  const zeros = second === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...new Array<string>(Math.max(0, zeros)).fill("0"), ...tail];
  if (all.length !== 8) return undefined;
  return Uint8Array.from(all.flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  }));
}

/** Names that are this machine's or this network's own (RFC 6761, RFC 8375). */
const LOCAL_NAME = /(^|\.)(localhost|test|local|internal|home\.arpa)$/;

/** Whether only a local authority can vouch for a host. */
export function isLocalHost(host: string): boolean {
  return LOCAL_NAME.test(host) || addressOf(host) !== undefined || !host.includes(".");
}
