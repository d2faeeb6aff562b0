/**
 * What `gemini` says about the rest of the file and about the world: upstreams, hosts that two
 * entries claim, certificates, directories. Like `references.ts` it reads the tree and skips what
 * has another kind than expected.
 */
import { AddressError, formatAddress, parseAddress } from "../runtime/address.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Place, Tell } from "./located_error.ts";
import { GEMINI_PORT } from "../gemini/uri.ts";
import { GEMINI_HANDLER_NAMES, GEMINI_LISTEN_RULES } from "./gemini_schema.ts";
import { anyOf, didYouMean } from "./nearest.ts";
import { directoryError, type PathContext, requireFile } from "./path_references.ts";
import { resolvePath } from "./paths.ts";
import { EarlierRoutes } from "../routing/route_cover.ts";
import { patternError } from "../routing/route_pattern.ts";
import { checkSymlinks } from "./symlinks.ts";

const FILE_REMEDY = "create it, or name another";

export function checkGemini(root: ConfigNode, context: PathContext, tell: Tell): void {
  const gemini = root.get("gemini");
  if (gemini === undefined) return;
  const listen = root.entries.get("listen");
  if (listen !== undefined && root.get("sites") === undefined) {
    tell(listen.keyPlace, "Nothing is served at these addresses (add sites, or leave listen out)");
  }
  const upstreams = [...root.get("upstreams")?.entries.keys() ?? []];
  checkSharedAddresses(gemini, tell);
  for (const site of gemini.items) {
    checkTls(site, context, tell);
    checkRoot(site.get("root"), context, tell);
    checkSymlinks(site, { ...context, hasRoot: site.get("root") !== undefined }, tell);
    checkRoutes(site, upstreams, context, tell);
  }
}

/** Entries may share an address when they agree on the oldest version and have their own hosts. */
function checkSharedAddresses(gemini: ConfigNode, tell: Tell): void {
  const hosts = new Map<string, Place>();
  const versions = new Map<string, { text: string; place: Place }>();
  for (const site of gemini.items) {
    const address = addressText(site.get("listen"));
    if (address === undefined) continue;
    for (const host of site.get("hosts")?.items ?? []) {
      if (host.text === undefined) continue;
      const key = `${address} ${host.text.toLowerCase()}`;
      const first = hosts.get(key);
      if (first === undefined) hosts.set(key, host.place);
      else {
        const what = `Host "${host.text}" is taken by line ${first.line}`;
        tell(host.place, `${what} (keep one of them)`);
      }
    }
    const min = site.get("tls")?.get("min");
    const text = min?.text ?? "1.2";
    const first = versions.get(address);
    if (first === undefined) versions.set(address, { text, place: (min ?? site).place });
    else if (first.text !== text) {
      const what = `tls.min is "${text}" here and "${first.text}" in line ${first.place.line}`;
      tell((min ?? site).place, `${what} (use one for all at the address)`);
    }
  }
}

/** Undefined where it cannot be read, or where each one is another. */
function addressText(node: ConfigNode | undefined): string | undefined {
  const text = node === undefined ? `:${GEMINI_PORT}` : node.text;
  if (text === undefined) return undefined;
  try {
    const address = parseAddress(text, GEMINI_LISTEN_RULES);
    return formatAddress(address);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

function checkTls(site: ConfigNode, context: PathContext, tell: Tell): void {
  const tls = site.get("tls");
  if (tls?.content.kind !== "map") return;
  const { content } = tls.get("self_signed") ?? {};
  const isSelfSigned = content?.kind === "scalar" && content.value === true;
  const has = (key: string) => tls.get(key) !== undefined;
  if (isSelfSigned) {
    if (has("cert") || has("key")) {
      tell(tls.place, "tls has cert or key and self_signed (keep one)");
    }
    if (!has("store")) tell(tls.place, "tls has no store for its certificates (add store: DIR)");
    return;
  }
  if (!has("cert") || !has("key")) {
    tell(tls.place, "tls has no cert and key (add both, or self_signed: true and store: DIR)");
  }
  for (const key of ["cert", "key"]) requireFile(tls.get(key), FILE_REMEDY, context, tell);
}

function checkRoot(root: ConfigNode | undefined, { files, directory }: PathContext, tell: Tell) {
  const error = root?.text && directoryError(resolvePath(directory, root.text), files);
  if (root && error) tell(root.place, error);
}

function checkRoutes(
  site: ConfigNode,
  upstreams: readonly string[],
  context: PathContext,
  tell: Tell,
): void {
  /** By their lines. */
  const earlier = new EarlierRoutes<number>();
  for (const route of site.get("routes")?.items ?? []) {
    if (route.content.kind !== "map") continue;
    const handlers = GEMINI_HANDLER_NAMES.filter((name) => route.get(name) !== undefined);
    if (handlers.length === 0) {
      tell(route.place, `The route has no handler (add ${anyOf(GEMINI_HANDLER_NAMES)})`);
    } else if (handlers.length > 1) {
      tell(route.place, `The route has ${handlers.length} handlers (keep ${anyOf(handlers)})`);
    }
    checkUpstream(route.get("fastcgi")?.get("upstream"), upstreams, tell);
    const files = route.entries.get("static");
    if (files !== undefined && site.get("root") === undefined) {
      tell(files.keyPlace, "Handler static has no files to serve (add root)");
    }
    requireFile(route.get("client_cert")?.get("ca"), FILE_REMEDY, context, tell);
    const path = route.get("path");
    const isReadable = path === undefined ||
      (path.text !== undefined && patternError(path.text) === undefined);
    if (handlers.length !== 1 || !isReadable) continue;
    const shape = { path: path?.text, methods: undefined, passesOn: handlers[0] === "static" };
    const cover = earlier.coverOf(shape);
    if (cover !== undefined) {
      const what = `The route never matches: the one of line ${cover} takes all of it`;
      tell(route.place, `${what} (put this one before it)`);
    }
    earlier.add(shape, route.place.line);
  }
}

function checkUpstream(
  node: ConfigNode | undefined,
  upstreams: readonly string[],
  tell: Tell,
): void {
  if (node?.text === undefined || upstreams.includes(node.text)) return;
  const remedy = upstreams.length === 0
    ? "add it under upstreams"
    : didYouMean(node.text, upstreams);
  tell(node.place, `Unknown upstream "${node.text}" (${remedy})`);
}
