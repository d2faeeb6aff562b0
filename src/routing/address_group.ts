/** Whose connections and requests are counted together: an IPv6 client has all of its /64. */

/** An IPv4 address, or the first 64 bits of an IPv6 address. */
export function addressGroup(host: string): string {
  if (!host.includes(":")) return host;
  const [left = "", tail] = host.split("%")[0]!.split("::");
  const first = left.split(":").filter((group) => group !== "");
  const last = tail === undefined ? [] : tail.split(":").filter((group) => group !== "");
  const zeros = 8 - first.length - last.length;
  const groups = [...first, ...new Array<string>(Math.max(0, zeros)).fill("0"), ...last];
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}
