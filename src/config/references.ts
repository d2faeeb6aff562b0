/**
 * What the parts of a file say about each other and about the world: names of upstreams, hosts that
 * two sites claim, routes that cannot match, directories and files that must exist. Each check
 * reads the tree on its own and skips what has another kind than expected: the schema tells about
 * that.
 */
import { checkAcme } from "./acme_references.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Tell } from "./located_error.ts";
import { checkGemini } from "./gemini_references.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import { anyOf, didYouMean } from "./nearest.ts";
import { directoryError, type PathContext } from "./path_references.ts";
import { resolvePath } from "./paths.ts";
import { isSimple, patternError, prefixOfPattern } from "../routing/route_pattern.ts";
import { EarlierRoutes, type RouteShape } from "../routing/route_cover.ts";
import { conditionTexts } from "./condition_texts.ts";
import { checkGroups } from "./group_references.ts";
import { checkMaps } from "./map_schema.ts";
import { checkHosts, checkListeners, checkSiteListeners } from "./listener_references.ts";
import { HANDLER_NAMES } from "./route_schema.ts";
import { checkStore } from "./store_references.ts";
import { checkSymlinks } from "./symlinks.ts";
import { checkTls } from "./tls_references.ts";
import type { ShapeError } from "./unknown_keys.ts";
import { isHttpUpstream } from "./http_upstream_references.ts";
import { checkUpstreams } from "./upstream_references.ts";

export interface ReferenceContext extends PathContext {
  /** A root from a flag or the environment stands in for the site's own. */
  readonly rootGiven: boolean;
}

type Upstreams = ReadonlyMap<string, ConfigNode>;

export function checkReferences(root: ConfigNode, context: ReferenceContext): ShapeError[] {
  const errors: ShapeError[] = [];
  const tell: Tell = (place, message) => errors.push({ place, message });
  checkListeners(root, tell);
  checkTls(root, context, tell);
  checkAcme(root, context, tell);
  checkHosts(root, tell);
  checkSiteListeners(root, tell);
  checkUpstreams(root, context, tell);
  checkMaps(root, tell);
  checkGemini(root, context, tell);
  const upstreams = new Map(
    [...root.get("upstreams")?.entries ?? []].map(([name, { node }]) => [name, node]),
  );
  /** Routes that were looked at, below a root and without: one list may stand at several sites. */
  const seen = { withRoot: new Set<ConfigNode>(), without: new Set<ConfigNode>() };
  for (const site of root.get("sites")?.items ?? []) {
    if (!context.rootGiven) checkRoot(site, context, tell);
    const hasRoot = context.rootGiven || site.get("root") !== undefined;
    const routes = site.get("routes");
    const alike = hasRoot ? seen.withRoot : seen.without;
    const isNew = routes !== undefined && !alike.has(routes);
    if (isNew) alike.add(routes);
    if (isNew) { for (const route of routes.items) checkRoot(route, context, tell); }
    if (site.get("follow_symlinks_to") !== undefined) {
      checkSymlinks(site, { ...context, hasRoot }, tell);
    }
    if (isNew) checkRoutes(site, upstreams, context, tell);
    checkErrorPages(site, context, tell);
  }
  return errors;
}

function checkRoot(site: ConfigNode, context: ReferenceContext, tell: Tell): void {
  const root = site.get("root");
  if (root?.text === undefined || root.text === "") return;
  const [, variable] = /\$\{?([A-Za-z_]\w*)/.exec(root.text) ?? [];
  const remedy = variable && `write "\${env.${variable}}" for the variable`;
  const error = directoryError(resolvePath(context.directory, root.text), context.files, remedy);
  if (error !== undefined) tell(root.place, error);
}

/** Files of a site that is given its root elsewhere cannot be looked for. */
function checkErrorPages(site: ConfigNode, context: ReferenceContext, tell: Tell): void {
  if (context.rootGiven) return;
  const root = site.get("root")?.text;
  const routes = site.get("routes")?.items ?? [];
  if (!hasErrorPages(site) && !routes.some(hasErrorPages)) return;
  const runsPhp = routes.some((route) => route.get("php") !== undefined);
  for (const owner of [site, ...routes]) {
    for (const { node } of owner.get("error_pages")?.entries.values() ?? []) {
      // The schema tells of a page that is no path below the root.
      if (!node.text?.startsWith("/")) continue;
      const path = root === undefined
        ? undefined
        : resolvePath(context.directory, root) + node.text;
      const kind = path === undefined ? undefined : kindAt(context.files, path);
      if (path === undefined) {
        tell(node.place, `Page "${node.text}" has no root to be below (add root to the site)`);
      } else if (kind !== "file") {
        tell(
          node.place,
          describeUnusable(kind, `There is no file "${path}" (create it, or name another)`),
        );
      } else if (runsPhp && path.endsWith(".php")) {
        tell(node.place, `Page "${node.text}" is a script, which is not run here (name a file)`);
      }
    }
  }
}

function hasErrorPages(owner: ConfigNode): boolean {
  return owner.get("error_pages") !== undefined;
}

function checkRoutes(
  site: ConfigNode,
  upstreams: Upstreams,
  context: ReferenceContext,
  tell: Tell,
): void {
  /** By their lines. */
  const earlier = new EarlierRoutes<number>();
  for (const route of site.get("routes")?.items ?? []) {
    if (route.content.kind !== "map") continue;
    const handlers = HANDLER_NAMES.filter((name) => route.get(name) !== undefined);
    if (handlers.length === 0 && route.get("rewrite") === undefined) {
      tell(route.place, `The route has no handler (add ${anyOf(HANDLER_NAMES)})`);
    } else if (handlers.length > 1) {
      tell(route.place, `The route has ${handlers.length} handlers (keep ${anyOf(handlers)})`);
    }
    const authorize = route.get("authorize");
    if (authorize !== undefined) checkUpstreamName("authorize", authorize, upstreams, tell);
    const forwardAuth = route.get("forward_auth");
    if (forwardAuth !== undefined) {
      checkUpstreamName("forward_auth", forwardAuth, upstreams, tell);
    }
    for (const name of handlers) {
      checkHandler(site, route, name, upstreams, context, tell);
    }
    checkGroups(route, tell);
    checkRewrite(route, handlers, tell);
    checkExists(site, route, context, tell);
    const shape = routeShape(route, handlers);
    if (shape === undefined) continue;
    const cover = earlier.coverOf(shape);
    if (cover !== undefined) {
      const what = `The route never matches: the one of line ${cover} takes all of it`;
      tell(route.place, `${what} (put this one before it)`);
    }
    earlier.add(shape, route.place.line);
  }
}

/** A route without a handler leaves every request to others, so what is said of responses is lost. */
function checkRewrite(route: ConfigNode, handlers: readonly string[], tell: Tell): void {
  const rewrite = route.entries.get("rewrite");
  if (rewrite === undefined) return;
  if (handlers.length > 0 && rewrite.node.get("repeat")?.toPlain() === true) {
    const what = "The route has a handler, which takes what it has rewritten";
    tell(rewrite.node.place, `${what} (leave repeat out, or the handler)`);
  }
  if (handlers.length > 0) return;
  for (const key of ["root", "strip_prefix", "request_body"]) {
    const entry = route.entries.get(key);
    if (entry === undefined || looksAtFiles(route, key)) continue;
    tell(entry.keyPlace, `The route has no handler, so ${key} says nothing (take it out)`);
  }
}

function checkHandler(
  site: ConfigNode,
  route: ConfigNode,
  name: (typeof HANDLER_NAMES)[number],
  upstreams: Upstreams,
  context: ReferenceContext,
  tell: Tell,
): void {
  const { keyPlace, node: handler } = route.entries.get(name)!;
  checkUpstreamName(name, handler, upstreams, tell);
  const wantsRoot = name === "php" || name === "filter" || name === "static";
  const hasRoot = (route.get("root") ?? site.get("root")) !== undefined || context.rootGiven;
  if (wantsRoot && !hasRoot) {
    tell(keyPlace, `Handler ${name} has no files to serve (add root to the site)`);
  }
  checkPathParts(route, handler, tell);
  checkStore(route, handler, { ...context, hasRoot }, tell);
  if (wantsRoot || name === "fastcgi") return;
  for (const key of name === "proxy" ? ["root"] : ["root", "strip_prefix"]) {
    const entry = route.entries.get(key);
    if (entry === undefined || looksAtFiles(route, key)) continue;
    tell(entry.keyPlace, `Handler ${name} looks at no files, so ${key} says nothing (take it out)`);
  }
}

function checkExists(
  site: ConfigNode,
  route: ConfigNode,
  context: ReferenceContext,
  tell: Tell,
): void {
  const exists = route.entries.get("exists");
  const hasRoot = (route.get("root") ?? site.get("root")) !== undefined || context.rootGiven;
  if (exists === undefined || hasRoot) return;
  tell(exists.keyPlace, "There is no root in which exists could look (add root to the site)");
}

/** Whether a condition of the route needs the key. */
function looksAtFiles(route: ConfigNode, key: string): boolean {
  return route.get("exists") !== undefined && (key === "root" || key === "strip_prefix");
}

/** What speaks HTTP to its upstream. */
const OVER_HTTP: ReadonlySet<string> = new Set(["proxy", "forward_auth"]);

function checkUpstreamName(key: string, user: ConfigNode, upstreams: Upstreams, tell: Tell): void {
  const upstream = user.get("upstream");
  if (upstream?.text === undefined) return;
  const node = upstreams.get(upstream.text);
  if (node === undefined) {
    const remedy = upstreams.size === 0
      ? "add it under upstreams"
      : didYouMean(upstream.text, [...upstreams.keys()]);
    tell(upstream.place, `Unknown upstream "${upstream.text}" (${remedy})`);
    return;
  }
  const isHttp = isHttpUpstream(node);
  if (isHttp === OVER_HTTP.has(key)) return;
  const remedy = isHttp
    ? `use proxy, or servers in the place of its http`
    : key === "proxy"
    ? "use fastcgi or php, or http in the place of its servers"
    : "use authorize, or http in the place of its servers";
  const [spoken, wanted] = isHttp ? ["HTTP", "FastCGI"] : ["FastCGI", "HTTP"];
  const what = `Upstream "${upstream.text}" speaks ${spoken}, and ${key} wants ${wanted}`;
  tell(upstream.place, `${what} (${remedy})`);
}

/** What is stripped, and `script_name` behind it, are the beginning of what the route matches. */
function checkPathParts(route: ConfigNode, handler: ConfigNode, tell: Tell): void {
  const path = route.get("path")?.text;
  const prefix = route.entries.get("strip_prefix");
  if (prefix !== undefined && handler.get("strip") !== undefined) {
    tell(prefix.keyPlace, "strip_prefix and strip both take the beginning off (keep one of them)");
  }
  if (path === undefined) {
    if (prefix?.node.text) {
      const remedy = `add path: ${prefix.node.text}/*`;
      tell(prefix.node.place, `strip_prefix wants a path that begins with it (${remedy})`);
    }
    return;
  }
  const stripped = (prefix?.node ?? handler.get("strip"))?.text ?? "";
  for (const key of ["strip_prefix", "strip", "script_name"]) {
    const node = key === "strip_prefix" ? prefix?.node : handler.get(key);
    if (!node?.text) continue;
    const before = key === "script_name" ? stripped : "";
    if (isPartOf(before + node.text, path)) continue;
    const remedy = before === ""
      ? `use the beginning of "${path}"`
      : `use what follows "${before}" in "${path}"`;
    tell(node.place, `${key} "${node.text}" is no part of the route's path (${remedy})`);
  }
}

/** Whether every path that the pattern matches begins with the segments of `scriptName`. */
function isPartOf(scriptName: string, pattern: string): boolean {
  if (patternError(pattern) !== undefined) return true;
  if (!isSimple(pattern)) return `${prefixOfPattern(pattern)}/`.startsWith(`${scriptName}/`);
  const fixed = pattern.replace(/\/\*$/, "");
  return fixed === scriptName || fixed.startsWith(`${scriptName}/`);
}

/** Undefined when the route's own keys have errors, so that nothing can be said about it. */
function routeShape(route: ConfigNode, handlers: readonly string[]): RouteShape | undefined {
  const path = route.get("path");
  const methods = route.get("methods");
  const isRewrite = route.get("rewrite") !== undefined;
  if (handlers.length > 1 || (handlers.length === 0 && !isRewrite)) return undefined;
  if (path !== undefined && (path.text === undefined || patternError(path.text) !== undefined)) {
    return undefined;
  }
  if (methods !== undefined && methods.items.some((item) => item.text === undefined)) {
    return undefined;
  }
  return {
    path: path?.text,
    methods: methods?.items.map((item) => item.text!),
    conditions: conditionTexts(route),
    // What it has rewritten once comes back, maybe by the same path.
    passesOn: isRewrite || ["php", "filter", "static"].includes(handlers[0]!),
  };
}
