/**
 * What the keys of an upstream of HTTP servers say about each other: keys of FastCGI do nothing there,
 * nor do keys of HTTP elsewhere, and a certificate must be for somebody.
 */
import type { ConfigNode } from "./config_node.ts";
import type { Place, Tell } from "./located_error.ts";
import { type PathContext, requireFile } from "./path_references.ts";

/** Keys that only FastCGI knows, with the keys that they stand below. */
const FASTCGI_KEYS: readonly (readonly string[])[] = [
  ["multiplex"],
  ["params"],
  ["connections", "streams"],
  ["timeouts", "abort"],
  ["health", "script"],
];
const HTTP_KEYS: readonly (readonly string[])[] = [["tls"], ["tunnels"], ["health", "path"]];

/** Whether requests of routes reach HTTP servers there. */
export function isHttpUpstream(upstream: ConfigNode | undefined): boolean {
  return upstream?.entries.has("http") ?? false;
}

export function checkHttpUpstream(upstream: ConfigNode, context: PathContext, tell: Tell): void {
  const http = upstream.entries.get("http");
  if (http === undefined) {
    const what = "does nothing for FastCGI (add http, or take it out)";
    return tellKeys(upstream, HTTP_KEYS, what, tell);
  }
  for (const other of ["servers", "spawn"]) {
    const entry = upstream.entries.get(other);
    if (entry === undefined) continue;
    tell(entry.keyPlace, `The upstream has http as well as ${other} (leave one of the two out)`);
  }
  tellKeys(upstream, FASTCGI_KEYS, "does nothing for HTTP servers (take it out)", tell);
  checkTls(upstream, http.node, context, tell);
}

/** Those of the keys that the upstream has. */
function tellKeys(
  upstream: ConfigNode,
  keys: readonly (readonly string[])[],
  what: string,
  tell: Tell,
): void {
  for (const path of keys) {
    const place = placeOf(upstream, path);
    if (place !== undefined) tell(place, `Key ${path.join(".")} ${what}`);
  }
}

function placeOf(node: ConfigNode, path: readonly string[]): Place | undefined {
  const [first, ...rest] = path;
  const entry = node.entries.get(first!);
  return rest.length === 0 || entry === undefined ? entry?.keyPlace : placeOf(entry.node, rest);
}

function checkTls(upstream: ConfigNode, http: ConfigNode, context: PathContext, tell: Tell): void {
  const tls = upstream.entries.get("tls");
  const servers = http.items.flatMap((item) => item.get("address") ?? item)
    .filter(({ text }) => text !== undefined);
  const overTls = servers.filter(({ text }) => /^https:/i.test(text!));
  if (overTls.length === 0) {
    if (tls === undefined) return;
    tell(tls.keyPlace, 'Key tls does nothing (begin the addresses with "https://")');
    return;
  }
  const plain = servers.find((one) => !overTls.includes(one));
  if (plain !== undefined) {
    const what = `Server "${plain.text}" is not spoken to over TLS, as others of the upstream are`;
    tell(plain.place, `${what} (begin all or none with "https://")`);
  }
  const names = new Set(overTls.map(({ text }) => hostOf(text!)));
  if (names.size > 1 && tls?.node.get("server_name") === undefined) {
    const what = "The servers have several names, and a certificate is for one";
    tell(http.place, `${what} (add tls.server_name)`);
  }
  requireFile(tls?.node.get("ca"), "name the PEM file of the authorities", context, tell);
}

function hostOf(address: string): string {
  return address.replace(/^https:\/\//i, "").replace(/:\d*$/, "").toLowerCase();
}
