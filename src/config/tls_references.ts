/** What listeners and sites say about each other's TLS: files that must be there, and who serves whom. */
import type { ConfigNode } from "./config_node.ts";
import type { Place, Tell } from "./located_error.ts";
import type { PairPaths } from "../certificates/options.ts";
import { checkHttp3 } from "./http3_references.ts";
import { type PathContext, requireFile } from "./path_references.ts";
import { resolvePath } from "./paths.ts";

export function checkTls(root: ConfigNode, context: PathContext, tell: Tell): void {
  const listeners = (root.get("listen")?.items ?? []).flatMap((one) => one.get("tls") ?? []);
  const sites = root.get("sites")?.items ?? [];
  for (const tls of listeners) checkFiles(tls, context, tell);
  for (const site of sites) {
    const tls = site.get("tls");
    if (tls === undefined) continue;
    for (const pair of tls.items) checkFiles(pair, context, tell);
    checkFiles(tls, context, tell);
  }
  checkServed(listeners, sites, tell);
  checkHttp3(root, tell);
}

function checkFiles(pair: ConfigNode | undefined, context: PathContext, tell: Tell): void {
  for (const key of ["cert", "key"]) {
    requireFile(pair?.get(key), `name the ${key}'s PEM file`, context, tell);
  }
}

/** A certificate that no listener shows, or a listener that has none to show, is a slip. */
function checkServed(
  listeners: readonly ConfigNode[],
  sites: readonly ConfigNode[],
  tell: Tell,
): void {
  const certificates = sites.flatMap((site) => {
    const tls = site.get("tls");
    return tls === undefined || tls.text === "off" ? [] : [tls];
  });
  const remedy = 'add { address: ":443", tls: {} } to listen';
  if (listeners.length === 0) {
    for (const { place } of certificates) {
      tell(place, `The certificate is shown to nobody: no listener speaks TLS (${remedy})`);
    }
  }
  if (certificates.length > 0) return;
  for (const tls of listeners) {
    if (tls.get("cert") !== undefined || tls.get("key") !== undefined) continue;
    if (tls.content.kind !== "map") continue;
    const what = "The listener has no certificate to show";
    tell(tls.place, `${what} (add cert and key, or tls to a site)`);
  }
}

/** Two files of a certificate, and where they are named. */
export interface LocatedPair {
  readonly paths: PairPaths;
  readonly places: { readonly cert: Place; readonly key: Place };
}

/** What of TLS can only be judged by who speaks it, each with its place. */
export interface LocatedTls {
  readonly pairs: readonly LocatedPair[];
  /** Paths of clients' authorities. */
  readonly authorities: readonly LocatedText[];
  readonly ciphers: readonly LocatedText[];
}

export interface LocatedText {
  readonly text: string;
  readonly place: Place;
}

/** What flags say of it. */
export const NO_TLS: LocatedTls = { pairs: [], authorities: [], ciphers: [] };

/** Where certificates of clients are asked for, over HTTP and over Gemini. */
const CLIENT_KEYS: ReadonlySet<string> = new Set(["client_auth", "client_cert"]);

export function locatedTls(root: ConfigNode, directory: string): LocatedTls {
  const authorities: LocatedText[] = [];
  const ciphers: LocatedText[] = [];
  /** A list may stand at several places. */
  const seen = new Set<ConfigNode>();
  const look = (node: ConfigNode): void => {
    if (node.content.kind === "list") {
      if (seen.has(node)) return;
      seen.add(node);
      for (const item of node.items) look(item);
    }
    for (const [key, { node: value }] of node.entries) {
      if (value.content.kind === "scalar") continue;
      const ca = CLIENT_KEYS.has(key) ? value.get("ca") : undefined;
      if (ca?.text !== undefined) {
        authorities.push({ text: resolvePath(directory, ca.text), place: ca.place });
      }
      const list = key === "tls" ? value.get("ciphers") : undefined;
      if (list?.text !== undefined) ciphers.push({ text: list.text, place: list.place });
      look(value);
    }
  };
  look(root);
  return { pairs: locatedPairs(root, directory), authorities, ciphers };
}

/** Every pair that the file names: of listeners, of sites, of Gemini. */
function locatedPairs(root: ConfigNode, directory: string): LocatedPair[] {
  const owners = ["listen", "sites", "gemini"].flatMap((key) => root.get(key)?.items ?? []);
  const maps = owners.flatMap((owner) => {
    const tls = owner.get("tls");
    return tls === undefined ? [] : [tls, ...tls.items];
  });
  return maps.flatMap((map) => {
    const [cert, key] = [map.get("cert"), map.get("key")];
    if (cert?.text === undefined || key?.text === undefined) return [];
    const paths = {
      cert: resolvePath(directory, cert.text),
      key: resolvePath(directory, key.text),
    };
    return [{ paths, places: { cert: cert.place, key: key.place } }];
  });
}
