/**
 * What the keys of an upstream of HTTP servers say about each other: keys of FastCGI do nothing there,
 * nor do keys of HTTP elsewhere, and a certificate must be for somebody.
 */
import type { Files } from "../runtime/files.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Place } from "./located_error.ts";
import { resolvePath } from "./paths.ts";

export interface CaContext {
  readonly files: Files;
  /** Where relative paths start. */
  readonly directory: string;
}

type Tell = (place: Place, message: string) => void;

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

export function checkHttpUpstream(upstream: ConfigNode, context: CaContext, tell: Tell): void {
  const http = upstream.entries.get("http");
  if (http === undefined) {
    for (const path of HTTP_KEYS) {
      const place = placeOf(upstream, path);
      const remedy = "add http, or take it out";
      if (place !== undefined) {
        tell(place, `Key ${path.join(".")} does nothing for FastCGI (${remedy})`);
      }
    }
    return;
  }
  for (const other of ["servers", "spawn"]) {
    const entry = upstream.entries.get(other);
    if (entry === undefined) continue;
    tell(entry.keyPlace, `The upstream has http as well as ${other} (leave one of the two out)`);
  }
  for (const path of FASTCGI_KEYS) {
    const place = placeOf(upstream, path);
    if (place !== undefined) {
      tell(place, `Key ${path.join(".")} does nothing for HTTP servers (take it out)`);
    }
  }
  checkTls(upstream, http.node, context, tell);
}

function placeOf(node: ConfigNode, path: readonly string[]): Place | undefined {
  const [first, ...rest] = path;
  const entry = node.entries.get(first!);
  return rest.length === 0 || entry === undefined ? entry?.keyPlace : placeOf(entry.node, rest);
}

function checkTls(upstream: ConfigNode, http: ConfigNode, context: CaContext, tell: Tell): void {
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
  const ca = tls?.node.get("ca");
  if (ca?.text === undefined) return;
  const path = resolvePath(context.directory, ca.text);
  const kind = kindAt(context.files, path);
  if (kind === "file") return;
  const what = `There is no file "${path}" (name the PEM file of the authorities)`;
  tell(ca.place, describeUnusable(kind, what));
}

function hostOf(address: string): string {
  return address.replace(/^https:\/\//i, "").replace(/:\d*$/, "").toLowerCase();
}
