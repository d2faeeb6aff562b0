/**
 * A Caddyfile → our configuration. What has been looked at is marked; at the end every directive
 * without a mark is told, so nothing is dropped in silence.
 */
import { ChainTooLong, routesOf, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import { placeOf as placeOfDirective, textOf } from "../import/notes.ts";
import { isAlways } from "../import/request_match.ts";
import { UpstreamTable } from "../import/upstream_table.ts";
import type { ConfigParts, Part, SiteDeps } from "../import/yaml_writer.ts";
import { addressTexts, listenersOf, type Place, placeOf, readAddress } from "./addresses.ts";
import { errorPagesOf } from "./error_pages.ts";
import { type Globals, globalsOf } from "./globals.ts";
import { GLOBALS } from "./parser.ts";
import { automaticTls, tlsSaid } from "./site_tls.ts";
import { type SiteContext, type SiteState, START } from "./site_state.ts";
import { stepsOf } from "./steps.ts";
import { tellRest } from "./rest.ts";

export interface CaddyOptions {
  readonly notes: Notes;
  readonly isFile: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
}

export interface Translated {
  readonly config: ConfigParts;
  /** Sites that ended closed. */
  readonly closed: readonly string[];
}

/** Where a site of ours is reached, and how. */
interface Shape {
  readonly hosts: readonly string[];
  readonly listen: readonly string[];
  readonly tls: unknown;
  readonly https: "redirect" | "allow" | "only" | undefined;
}

export function translateCaddy(
  directives: readonly Directive[],
  options: CaddyOptions,
): Translated {
  const { notes } = options;
  const blocks = directives.filter(({ name }) => name === GLOBALS);
  notes.take(...blocks);
  const globals = globalsOf(blocks, notes);
  const sites = directives.filter(({ name }) => name !== GLOBALS);
  const upstreams = new UpstreamTable();
  const listeners = new Map<string, unknown>();
  const acme: Record<string, unknown> = { ...globals.acme };
  const closed: string[] = [];
  const taken = new Set<string>();
  const plain = hostsOverHttp(sites, globals);
  const logs: Record<string, unknown> = {};
  const parts: SiteDeps[] = [];
  for (const site of sites) {
    notes.take(site);
    const block = site.block ?? [];
    const tls = tlsSaid(block.filter(({ name }) => name === "tls"), options);
    for (const [key, value] of Object.entries(tls.acme)) acme[key] ??= value;
    readLog(block.filter(({ name }) => name === "log"), logs, notes);
    const binds = block.filter(({ name }) => name === "bind");
    notes.take(...binds);
    const bind = [...binds.flatMap(({ args }) => args)];
    const places = placesOf(site, globals, tls.isSaid, notes);
    const shapes = shapesOf(places, bind.length > 0 ? bind : globals.bind, globals, plain, tls, {
      site,
      notes,
    });
    for (const shape of shapes) {
      const isTls = shape.tls !== undefined;
      for (const address of shape.listen) {
        const isHttps = isTls && !address.endsWith(`:${globals.httpPort}`);
        if (!listeners.has(address)) {
          listeners.set(
            address,
            isHttps ? { address, tls: tls.min ? { min: tls.min } : {} } : address,
          );
        }
      }
      const refusals = new Set<string>();
      const part = siteOf(site, shape, tls, { options, globals, upstreams, refusals });
      const unique = withoutTaken(part, taken, notes, site);
      if (unique === undefined) continue;
      parts.push(unique);
      if (isClosed(unique, refusals)) closed.push(part.site.comment);
    }
  }
  tellRest(directives, notes);
  const all = [...listeners.values()];
  const addresses = [...listeners.keys()];
  const needsAcme = parts.some(({ site }) => site.value["tls"] === "auto");
  const settings = {
    ...(needsAcme && Object.keys(acme).length > 0 && { acme }),
    ...globals.settings,
    ...(Object.keys(logs).length > 0 &&
      { log: { ...globals.settings["log"] as object, ...logs } }),
  };
  return {
    closed,
    config: {
      listen: all.length > 0 ? all : [":80"],
      upstreams: upstreams.parts,
      sites: parts.map((part) => withoutCommonListen(part, addresses)),
      // Caddy has no limit of its own.
      limits: { request_body: 0 },
      settings,
    },
  };
}

/** Names that a site serves over plain HTTP, which is then no redirect. */
function hostsOverHttp(sites: readonly Directive[], globals: Globals): ReadonlySet<string> {
  const hosts = new Set<string>();
  for (const site of sites) {
    for (const text of addressTexts(site)) {
      const address = readAddress(text);
      const place = address && placeOf(address, globals, { isSaid: false });
      if (place && !place.isTls && place.port === globals.httpPort) hosts.add(place.host);
    }
  }
  return hosts;
}

function placesOf(
  site: Directive,
  globals: Globals,
  isSaid: boolean,
  notes: Notes,
): readonly Place[] {
  return addressTexts(site).flatMap((text) => {
    const address = readAddress(text);
    if (address === undefined) {
      notes.add("lost", site, `"${text}" is no address of a site here`);
      return [];
    }
    return [placeOf(address, globals, { isSaid })];
  });
}

interface ShapeParts {
  readonly site: Directive;
  readonly notes: Notes;
}

/** Places with the same certificates at the same listeners are one site. */
function shapesOf(
  places: readonly Place[],
  binds: readonly string[],
  globals: Globals,
  plain: ReadonlySet<string>,
  tls: ReturnType<typeof tlsSaid>,
  { site, notes }: ShapeParts,
): readonly Shape[] {
  const shapes = new Map<string, Shape>();
  for (const place of places) {
    const { host, isTls } = place;
    const isBoth = isTls && places.some((it) => it.host === host && !it.isTls);
    if (!isTls && places.some((it) => it.host === host && it.isTls)) continue;
    const redirects = isTls && !isBoth && globals.autoHttps === "on" && host !== "" &&
      !plain.has(host);
    const own = listenersOf(place, binds);
    const http = listenersOf({ ...place, port: globals.httpPort }, binds);
    const others = places.filter((it) => it.host === host && it !== place)
      .flatMap((it) => listenersOf(it, binds));
    const listen = [...new Set([...(redirects ? http : []), ...own, ...others])]
      .filter((address) => !address.startsWith("unix:") || own.includes(address));
    const certificate = isTls ? certificateOf(host, tls, globals, site, notes) : undefined;
    const https = !isTls ? undefined : isBoth ? "allow" as const : "redirect" as const;
    const key = JSON.stringify([listen, certificate, https, host === ""]);
    const shape = shapes.get(key);
    const hosts = host === "" ? [] : [...new Set([...shape?.hosts ?? [], host])];
    shapes.set(key, { hosts, listen, tls: certificate, https });
  }
  return [...shapes.values()];
}

function certificateOf(
  host: string,
  tls: ReturnType<typeof tlsSaid>,
  globals: Globals,
  site: Directive,
  notes: Notes,
): unknown {
  const said = tls.value ?? automaticTls(host === "" ? [] : [host], globals);
  if (said !== "auto" || !host.includes("*")) return said;
  notes.add(
    "lost",
    site,
    `the authority wants a DNS challenge for "${host}", so its certificate is a local one`,
  );
  return "internal";
}

interface SiteParts {
  readonly options: CaddyOptions;
  readonly globals: Globals;
  readonly upstreams: UpstreamTable;
  readonly refusals: Set<string>;
}

function siteOf(
  site: Directive,
  shape: Shape,
  tls: ReturnType<typeof tlsSaid>,
  { options: { notes, isFile, readVariable }, globals, upstreams, refusals }: SiteParts,
): SiteDeps {
  const block = site.block ?? [];
  const root = siteRootOf(block);
  const context: SiteContext = {
    notes,
    globals,
    upstreams,
    matchers: new Map(),
    isTls: shape.tls !== undefined,
    siteRoot: root,
    servesFiles: false,
    isFile,
    readVariable,
  };
  const comment = `${placeOfDirective(site)}: ${textOf(site)}`;
  const value = {
    ...(shape.hosts.length > 0 && { hosts: shape.hosts }),
    listen: shape.listen,
    ...(root !== undefined && { root }),
    ...(shape.tls !== undefined && { tls: shape.tls }),
    ...(shape.https === "allow" && { https: "allow" }),
    ...(tls.clientAuth && shape.tls !== undefined && { client_auth: tls.clientAuth }),
    ...(globals.trustedProxies.length > 0 && { trusted_proxies: globals.trustedProxies }),
    ...errorPagesOf(block.filter(({ name }) => name === "handle_errors"), root, context),
  };
  const refuse = (): Part[] => [{ comment: "", value: { respond: { status: 403 } } }];
  if (tls.closedBy !== undefined) {
    refusals.add("");
    return { site: { comment, value }, routes: refuse() };
  }
  try {
    const steps = stepsOf(block, context, true);
    const { common, rest } = lifted(steps);
    const routes = routesOf(rest, START, {
      last: (state) => state.existence === "there" ? [] : [{ ...state.keys, respond: {} }],
      onRefusal: ({ directive, message }) => {
        refusals.add(message);
        notes.add("refused", directive, message);
      },
    });
    return { site: { comment, value: { ...value, ...common } }, routes: withoutEnd(routes) };
  } catch (error) {
    if (!(error instanceof ChainTooLong)) throw error;
    refusals.add(error.message);
    notes.add("refused", site, `${error.message}, so the site is closed`);
    return { site: { comment, value }, routes: refuse() };
  }
}

/** What holds for all of a site's requests from the first step on is the site's. */
function lifted(
  steps: readonly Step<SiteState>[],
): {
  readonly common: Readonly<Record<string, unknown>>;
  readonly rest: readonly Step<SiteState>[];
} {
  let state = START;
  const rest: Step<SiteState>[] = [];
  for (const step of steps) {
    const after = rest.some(({ kind }) => kind !== "set") ? undefined : appliedToAll(step, state);
    if (after === undefined) {
      rest.push(step);
      continue;
    }
    const { keys: before, ...others } = state;
    const { keys, ...changed } = after;
    const isOnlyKeys = JSON.stringify(others) === JSON.stringify(changed);
    const isLiftable = Object.keys(keys).every((key) =>
      key in before && keys[key] === before[key] ||
      ["headers", "compression", "limits"].includes(key)
    );
    if (isOnlyKeys && isLiftable) state = { ...state, keys };
    else rest.push(step);
  }
  return { common: state.keys, rest };
}

/** The state behind a step that is for every request; undefined where it is none. */
function appliedToAll(step: Step<SiteState>, state: SiteState): SiteState | undefined {
  if (step.kind !== "set") return undefined;
  try {
    const [only, ...others] = step.when(START);
    const isForAll = others.length === 0 && only !== undefined && isAlways(only);
    return isForAll ? step.apply(state) : undefined;
  } catch (error) {
    // It is told where the chain is gone through.
    if (error instanceof Unsayable) return undefined;
    throw error;
  }
}

/** The root that the site's own handlers have. */
function siteRootOf(block: readonly Directive[]): string | undefined {
  const roots = block.filter(({ name, args }) =>
    name === "root" && (args.length === 1 || args[0] === "*")
  );
  const path = roots[0]?.args.at(-1);
  return path === undefined || path.includes("{") ? undefined : path;
}

/** What nobody gets is 404 by itself. */
function withoutEnd(routes: readonly Part[]): readonly Part[] {
  const last = routes.at(-1);
  const isNothing = last !== undefined && routes.length > 1 &&
    JSON.stringify(last.value) === JSON.stringify({ respond: { status: 404 } });
  return isNothing ? routes.slice(0, -1) : routes;
}

function isClosed({ routes }: SiteDeps, refusals: ReadonlySet<string>): boolean {
  const isRefusal = ({ value }: Part) =>
    Number((value["respond"] as { status?: number } | undefined)?.status ?? 0) >= 400;
  // What is for all others may be refused because it could not be said.
  const endsRefused = routes.some(({ comment, value }) =>
    comment.endsWith(": refused") && Object.keys(value).length === 1
  );
  return refusals.size > 0 && (routes.every(isRefusal) || endsRefused);
}

/** A host has one site at an address: the first. */
function withoutTaken(
  part: SiteDeps,
  taken: Set<string>,
  notes: Notes,
  site: Directive,
): SiteDeps | undefined {
  const { hosts, listen } = part.site.value as {
    hosts?: readonly string[];
    listen: readonly string[];
  };
  const isFree = (host: string) => listen.every((address) => !taken.has(`${host} ${address}`));
  const free = (hosts ?? [""]).filter(isFree);
  for (const host of free) for (const address of listen) taken.add(`${host} ${address}`);
  if (free.length === 0) {
    notes.add("lost", site, "another site has its hosts");
    return undefined;
  }
  if (hosts === undefined || free.length === hosts.length) return part;
  return { ...part, site: { ...part.site, value: { ...part.site.value, hosts: free } } };
}

/** A site that is served everywhere need not say where. */
function withoutCommonListen(part: SiteDeps, addresses: readonly string[]): SiteDeps {
  const { listen, ...value } = part.site.value as { listen: readonly string[] };
  if (listen.length < addresses.length) return part;
  return { ...part, site: { ...part.site, value } };
}

function readLog(
  directives: readonly Directive[],
  logs: Record<string, unknown>,
  notes: Notes,
): void {
  for (const directive of directives) {
    notes.take(directive);
    for (const line of directive.block ?? []) {
      const [kind, path] = line.args;
      notes.take(line);
      if (line.name === "output" && kind === "file" && path !== undefined) logs["access"] ??= path;
      else if (line.name === "output" && kind === "discard") logs["access"] ??= "off";
      else if (line.name === "format" && kind === "json") logs["format"] ??= "json";
      else if (line.name === "format" && kind === "console") logs["format"] ??= "text";
      else if (line.name !== "output") notes.add("unneeded", line, "afcgi has its own way");
    }
  }
}
