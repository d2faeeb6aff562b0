/**
 * A configuration of Apache → ours. What has been looked at is marked; at the end every directive
 * without a mark is told, so nothing is dropped in silence.
 */
import type { ConfigFiles } from "../import/config_files.ts";
import { type Notes, placeOf, textOf } from "../import/notes.ts";
import { UpstreamTable } from "../import/upstream_table.ts";
import type { ConfigParts, Part, SiteDeps } from "../import/yaml_writer.ts";
import { aliasesOf } from "./aliases.ts";
import { errorPagesOf } from "./error_pages.ts";
import type { ApacheReader } from "./expand.ts";
import { absolute } from "./guard.ts";
import { hostsOf, isWithin, type Vhost, vhostsOf } from "./hosts.ts";
import { type Htaccess, htaccessOf, overrideRules, TooManyDirectories } from "./htaccess.ts";
import { tellRest } from "./known.ts";
import type { ApacheDirective } from "./parser.ts";
import { tlsSaid } from "./site_tls.ts";
import type { Space } from "./spaces.ts";
import type { VhostContext } from "./state.ts";
import { commonKeys, vhostRoutes } from "./vhost.ts";

export interface ApacheOptions {
  readonly reader: ApacheReader;
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
  readonly notes: Notes;
}

export interface Translated {
  readonly config: ConfigParts;
  readonly closed: readonly string[];
}

/** Apache's limit of a body, since 2.4.53. */
const BODY_MAX = "1GiB";

export async function translateApache(
  directives: readonly ApacheDirective[],
  options: ApacheOptions,
): Promise<Translated> {
  const { notes } = options;
  const vhosts = vhostsOf(directives, notes);
  const server = directives.filter(({ key }) => key !== "virtualhost");
  const upstreams = new UpstreamTable();
  const listeners = new Map<string, unknown>();
  const taken = new Set<string>();
  const closed: string[] = [];
  const read: ApacheDirective[] = [];
  const sites: SiteDeps[] = [];
  const everywhere = new Set(
    vhosts.flatMap(({ addresses }) => addresses.filter((it) => it.startsWith(":"))),
  );
  for (const vhost of vhosts) {
    const made = await siteOf(vhost, server, { ...options, upstreams, everywhere });
    const { listen, tlsListener, isTls } = made;
    read.push(...made.read);
    for (const address of listen) {
      if (!listeners.has(address)) {
        listeners.set(address, isTls ? { address, tls: tlsListener } : address);
      }
    }
    const site = withFreeHosts(made.site, listen, taken, vhost, notes);
    if (site === undefined) continue;
    sites.push(site);
    if (made.isClosed) closed.push(made.site.site.comment);
  }
  tellRest([...directives, ...read], notes);
  const all = [...listeners.values()];
  const addresses = [...listeners.keys()];
  const needsAcme = sites.some(({ site }) => site.value["tls"] === "auto");
  const email = directives.find(({ key }) => key === "mdcontactemail")?.args[0];
  return {
    closed,
    config: {
      listen: all.length > 0 ? all : [":80"],
      upstreams: upstreams.parts,
      sites: sites.map((site) => withoutCommonListen(site, addresses)),
      limits: { request_body: BODY_MAX },
      settings: needsAcme && email !== undefined ? { acme: { email } } : {},
    },
  };
}

interface SiteParts extends ApacheOptions {
  readonly upstreams: UpstreamTable;
  readonly everywhere: ReadonlySet<string>;
}

interface Made {
  readonly site: SiteDeps;
  readonly listen: readonly string[];
  readonly isTls: boolean;
  readonly tlsListener: Readonly<Record<string, unknown>>;
  readonly isClosed: boolean;
  /** Of `.htaccess` files. */
  readonly read: readonly ApacheDirective[];
}

async function siteOf(
  vhost: Vhost,
  server: readonly ApacheDirective[],
  parts: SiteParts,
): Promise<Made> {
  const { notes, isFile, reader, upstreams, everywhere, readVariable } = parts;
  const own = vhost.directives;
  const layers = vhost.directive === undefined ? [server] : [server, own];
  const by = vhost.directive ?? server[0]!;
  const last = (key: string) => layers.flat().findLast((it) => it.key === key);
  const rootDirective = last("documentroot");
  notes.take(...layers.flat().filter(({ key }) => key === "documentroot"));
  const { serverRoot } = reader;
  const root = rootDirective?.args[0] === undefined
    ? undefined
    : absolute(rootDirective.args[0], { serverRoot }).replace(/\/+$/, "");
  const hosts = hostsOf(own.length > 0 ? own : server, notes);
  const tls = tlsSaid(own, layers.length > 1 ? server : [], { notes, isFile, serverRoot });
  const aliases = layers.flatMap((it) => aliasesOf(it, isFile));
  const spaces: Space[] = [
    ...root === undefined ? [] : [{ url: "", directory: root }],
    ...aliases.flatMap(({ space, isFile: isOne }) => space !== undefined && !isOne ? [space] : []),
  ];
  const listen = vhost.addresses.filter((address) => !isWithin(address, everywhere));
  const comment = vhost.directive === undefined
    ? `${placeOf(by)}: the server`
    : `${placeOf(by)}: <${textOf(by)}> ${hosts[0] ?? ""}`.trimEnd();
  const found = await htaccessFiles(spaces, layers, parts, by);
  const texts = await textsOf([...layers.flat(), ...found.files.flatMap((it) => it.directives)], {
    files: parts.files,
    serverRoot,
  });
  const context: VhostContext = {
    notes,
    upstreams,
    spaces: root === undefined ? [] : spaces,
    serverName: hosts[0] ?? "",
    names: hosts.filter((host) => !host.includes("*")),
    isTls: tls.isOn,
    siteRoot: root,
    serverRoot,
    isFile,
    textOf: (path) => texts.get(path),
    readVariable,
    timeout: Number(last("proxytimeout")?.args[0] ?? last("timeout")?.args[0]) || undefined,
  };
  notes.take(last("proxytimeout"), last("timeout"));
  const vhostParts = {
    context,
    layers,
    htaccess: found.bySpace,
    proxy: {
      context,
      balancers: balancersOf(layers.flat()),
      preservesHost: /^on$/i.test(last("proxypreservehost")?.args[0] ?? ""),
      reversed: reversedOf(layers.flat()),
    },
  };
  const isOutside = listen.length === 0;
  if (isOutside) {
    notes.add(
      "refused",
      by,
      "its address is within one that is listened at everywhere, so it is closed",
    );
  }
  const refusedBy = tls.closedBy ?? (isOutside || found.isTooMany ? by : undefined);
  const { routes, isRefused } = refusedBy === undefined
    ? vhostRoutes(vhostParts, by)
    : { routes: [{ comment: "", value: { respond: { status: 403 } } }], isRefused: true };
  const isClosed = isRefused && (routes.every(isRefusal) || endsRefused(routes));
  const pages = [
    ...layers.flat(),
    ...found.files.filter(({ directory }) => directory === root).flatMap((it) => it.directives),
  ];
  const value = {
    ...(hosts.length > 0 && { hosts }),
    listen: isOutside ? [...everywhere] : listen,
    ...(root !== undefined && { root }),
    ...(tls.isOn && { tls: tls.value, https: "allow" }),
    ...(tls.clientAuth && { client_auth: tls.clientAuth }),
    ...errorPagesOf(pages, root, { notes, isFile }),
    ...commonKeys(vhostParts),
  };
  return {
    site: { site: { comment, value }, routes },
    listen: isOutside ? [] : listen,
    isTls: tls.isOn,
    tlsListener: tls.listener,
    isClosed,
    read: found.files.flatMap((it) => it.directives),
  };
}

/** Whether what is for all others is refused, because it could not be said. */
function endsRefused(routes: readonly Part[]): boolean {
  return routes.some(({ comment, value }) =>
    comment.endsWith(": refused") && Object.keys(value).length === 1
  );
}

function isRefusal({ value }: Part): boolean {
  return Number((value["respond"] as { status?: number } | undefined)?.status ?? 0) >= 400;
}

interface FoundFiles {
  readonly bySpace: ReadonlyMap<string, readonly Htaccess[]>;
  readonly files: readonly Htaccess[];
  readonly isTooMany: boolean;
}

async function htaccessFiles(
  spaces: readonly Space[],
  layers: readonly (readonly ApacheDirective[])[],
  parts: SiteParts,
  by: ApacheDirective,
): Promise<FoundFiles> {
  const rules = overrideRules(layers);
  const names = layers.flat().findLast(({ key }) => key === "accessfilename")?.args ??
    [".htaccess"];
  const bySpace = new Map<string, readonly Htaccess[]>();
  try {
    for (const space of spaces) {
      if (bySpace.has(space.directory)) continue;
      bySpace.set(space.directory, await htaccessOf(space, rules, names, parts));
    }
    const files = [...bySpace.values()].flat();
    return { bySpace, files, isTooMany: false };
  } catch (error) {
    if (!(error instanceof TooManyDirectories)) throw error;
    parts.notes.add("refused", by, `${error.message}, so the site is closed`);
    return { bySpace, files: [], isTooMany: true };
  }
}

/** Files of users and groups that are named anywhere. */
async function textsOf(
  directives: readonly ApacheDirective[],
  { files, serverRoot }: { readonly files: ConfigFiles; readonly serverRoot: string },
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const { key, args: [name], block } of directives) {
    if ((key === "authuserfile" || key === "authgroupfile") && name !== undefined) {
      const path = absolute(name, { serverRoot });
      const text = await files.read(path);
      if (text !== undefined) texts.set(path, text);
    }
    if (block !== undefined) {
      for (const [path, text] of await textsOf(block, { files, serverRoot })) {
        texts.set(path, text);
      }
    }
  }
  return texts;
}

function balancersOf(
  directives: readonly ApacheDirective[],
): ReadonlyMap<string, ApacheDirective> {
  return new Map(
    directives.filter(({ key }) => key === "proxy").flatMap((directive) => {
      const name = /^balancer:\/\/([^/]+)/.exec(directive.args[0] ?? "")?.[1];
      return name === undefined ? [] : [[name, directive] as const];
    }),
  );
}

function reversedOf(directives: readonly ApacheDirective[]): readonly string[] {
  return directives.flatMap(({ key, args, block }) => [
    ...key === "proxypassreverse" ? [args.at(-1) ?? ""] : [],
    ...block === undefined ? [] : reversedOf(block),
  ]);
}

/** The first virtual host of an address gets what is for no other, so it has no hosts. */
function withFreeHosts(
  site: SiteDeps,
  listen: readonly string[],
  taken: Set<string>,
  vhost: Vhost,
  notes: Notes,
): SiteDeps | undefined {
  const { hosts = [], ...value } = site.site.value as { readonly hosts?: readonly string[] };
  const at = listen.length > 0 ? listen : (site.site.value["listen"] as readonly string[]);
  const isFirst = at.every((address) => !taken.has(` ${address}`)) && listen.length > 0;
  const names = isFirst ? ["", ...hosts] : hosts;
  const free = names.filter((host) => at.every((address) => !taken.has(`${host} ${address}`)));
  for (const host of free) for (const address of at) taken.add(`${host} ${address}`);
  if (isFirst) return { ...site, site: { ...site.site, value } };
  if (free.length === 0) {
    if (vhost.directive) {
      notes.add("lost", vhost.directive, "no host leads to it, or another one has its hosts");
    }
    return undefined;
  }
  return { ...site, site: { ...site.site, value: { hosts: free, ...value } } };
}

/** A site that is served everywhere need not say where. */
function withoutCommonListen(part: SiteDeps, addresses: readonly string[]): SiteDeps {
  const { listen, ...value } = part.site.value as { readonly listen: readonly string[] };
  if (listen.length < addresses.length) return part;
  return { ...part, site: { ...part.site, value } };
}
