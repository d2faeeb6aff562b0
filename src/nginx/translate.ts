/**
 * A whole configuration of nginx → ours. What has been looked at is marked; at the end every
 * directive without a mark is told, so nothing is dropped in silence.
 */
import { bodyLimits, bodyMaxOf } from "./body_limits.ts";
import { isOff } from "./location_errors.ts";
import {
  addListeners,
  addressesOf,
  everywhereOf,
  hostsOf,
  ipv6PortsOf,
  isMarkedDefault,
} from "./hosts.ts";
import type { Import } from "../import/imported.ts";
import { Notes, placeOf } from "../import/notes.ts";
import { ValueTables } from "./maps.ts";
import { type Directive, flatten } from "./parser.ts";
import { Scope } from "./scope.ts";
import { siteOf } from "./server.ts";
import { exposedListen, otherCertificate } from "./server_guards.ts";
import { guardedTwin } from "./server_twins.ts";
import { tlsSpeech } from "./tls_speech.ts";
import { Upstreams } from "./upstreams.ts";
import { type SiteDeps, writeConfig } from "../import/yaml_writer.ts";

export interface TranslateOptions {
  /** The file's name, for the first line. */
  readonly source: string;
  /** Whether an error page or a certificate is there. */
  readonly isFile: (path: string) => boolean;
  /** Whether a directory of files is there; left out: all are. */
  readonly isDirectory?: (path: string) => boolean;
}

/** What afcgi does by itself, or has no need of. */
const UNNEEDED =
  /^(?:sendfile|tcp_no(?:push|delay)|charset|default_type|types|mime_types|server_tokens|keepalive|keepalive_(?:timeout|requests|disable)|fastcgi_(?:index|buffering|buffers|buffer_size|busy_buffers_size|temp_file_write_size|keep_conn|request_buffering|hide_header)|client_(?:(?:body|header)_(?:timeout|buffer_size)|max_body_size)|large_client_header_buffers|gzip_(?:vary|proxied|comp_level|disable|http_version|buffers|types|min_length)|index|access_log|error_log|log_not_found|log_format|worker_\w+|user|pid|events|multi_accept|use|open_file_cache\w*|etag|merge_slashes|absolute_redirect|server_name_in_redirect|types_hash_\w+|server_names_hash_\w+|daemon|include|map_hash_\w+|(?:fastcgi|client_body|proxy|uwsgi|scgi)_temp_path|ssl_(?:protocols|ciphers|session_\w+|prefer_server_ciphers)|http|server|location|upstream)$/;

export function translateNginx(
  directives: readonly Directive[],
  { source, isFile, isDirectory = () => true }: TranslateOptions,
): Import {
  const notes = new Notes();
  const http = directives.find(({ name }) => name === "http");
  const outer = new Scope(http?.block ?? directives);
  const upstreams = new Upstreams(outer.own("upstream"), notes, isFile);
  const tables = new ValueTables(outer.own("map", "geo"), notes);
  const servers = outer.own("server").filter((server) => isServer(server, notes));
  const fallback = fallbackOf(servers, notes);
  const bodyMax = bodyMaxOf(outer, notes);
  const ipv6Ports = ipv6PortsOf(servers);
  const everywhere = everywhereOf(servers);
  const scopes = servers.map((server) => new Scope(server.block ?? [], outer));
  const speech = (address: string) => tlsSpeech(address, scopes, ipv6Ports, notes);
  const listeners = new Map<string, unknown>();
  const sites: SiteDeps[] = [];
  const taken = new Set<string>();
  const closed: string[] = [];
  for (const server of servers) {
    const names = hostsOf(server, notes);
    const isFallback = server === fallback;
    const hosts = names?.filter((host) => !taken.has(host));
    if (!isFallback && (hosts === undefined || hosts.length === 0)) {
      notes.add("lost", server, "no host leads to it, or another server has its hosts");
      continue;
    }
    for (const host of hosts ?? []) taken.add(host);
    const scope = new Scope(server.block ?? [], outer);
    addListeners(scope, listeners, { ipv6Ports, everywhere, isFile, notes, speech });
    const exposed = exposedListen(server, servers);
    const listen = exposed && addressesOf(scope, ipv6Ports).filter((it) => listeners.has(it));
    const closedBy = listen?.length === 0
      ? refusedListen(exposed, notes)
      : closedFromOutside(server, servers, outer, { isFile, notes });
    const parts = { notes, upstreams, tables, isFile, isDirectory, bodyMax, closedBy };
    const refusedBefore = notes.countOf("refused");
    const { site: { comment, value }, routes } = siteOf(server, outer, parts);
    const where = { ...(!isFallback && { hosts }), ...(listen?.length && { listen }) };
    const site = { site: { comment, value: { ...where, ...value } }, routes };
    sites.push(site);
    if (notes.countOf("refused") > refusedBefore || closedBy) {
      closed.push(...closedOf(server, site));
    }
  }
  tellRest(directives, notes);
  const listen = listeners.size > 0 ? [...listeners.values()] : ["0.0.0.0:80"];
  const deps = {
    listen,
    upstreams: upstreams.parts,
    maps: tables.parts,
    sites,
    ...bodyLimits(bodyMax, undefined),
  };
  const yaml = sites.length === 0 ? undefined : writeConfig(deps, `nginx of ${source}`, notes.list);
  return { yaml, notes: notes.list, closed };
}

/**
 * Who gets what is for no host of the file: one that everybody reaches, where there is such a one; what
 * only some reach must not be what others find.
 */
function fallbackOf(servers: readonly Directive[], notes: Notes): Directive | undefined {
  const open = servers.filter((server) => exposedListen(server, servers) === undefined);
  const from = open.length > 0 ? open : servers;
  return from.find(isMarkedDefault) ??
    from.find((server) => hostsOf(server, notes)?.length === 0) ?? from[0];
}

/** What closes a server whose own listeners cannot be opened, while others would lead to it; noted. */
function refusedListen(listen: Directive | undefined, notes: Notes): Directive | undefined {
  if (listen === undefined) return undefined;
  notes.add("refused", listen, "it cannot be listened at, so the site is closed");
  return listen;
}

/** What closes a server for the sake of the others, noted. */
function closedFromOutside(
  server: Directive,
  servers: readonly Directive[],
  outer: Scope,
  { isFile, notes }: { readonly isFile: (path: string) => boolean; readonly notes: Notes },
): Directive | undefined {
  const certificate = otherCertificate(server, servers, outer, isFile);
  if (certificate !== undefined) {
    notes.add("refused", certificate, "it is no file here, so the site is closed");
    return certificate;
  }
  const guard = guardedTwin(server, servers);
  if (guard === undefined) return undefined;
  const reason = `a host has one site, whatever listener it is reached by, so that of ${
    placeOf(server)
  } is closed`;
  notes.add("refused", guard, reason);
  return guard;
}

/** In words, what of a site is closed. */
function closedOf(server: Directive, { routes }: SiteDeps): string[] {
  const names = new Scope(server.block ?? []).own("server_name").flatMap(({ args }) => args);
  const name = `${placeOf(server)} server ${names.join(" ")}`.trimEnd();
  const isRefusal = ({ value }: SiteDeps["routes"][number]) =>
    Number((value["respond"] as { status?: number } | undefined)?.status ?? 0) >= 400;
  if (routes.every(isRefusal)) return [name];
  const ran = flatten(server.block ?? []).some(({ name }) => name === "fastcgi_pass");
  const runs = routes.some(({ value }) => "php" in value || "fastcgi" in value);
  return ran && !runs ? [`the scripts of ${name}`] : [];
}

/** One that only sends its clients elsewhere, mostly to HTTPS, would take the hosts of the one there. */
function isServer(server: Directive, notes: Notes): boolean {
  const content = new Scope(server.block ?? []);
  const [returned] = content.own("return");
  if (returned === undefined || !returned.args.join(" ").includes("$")) return true;
  notes.add("lost", server, "all that it does is to send clients elsewhere by a variable");
  for (const directive of flatten(server.block ?? [])) notes.take(directive);
  return false;
}

/** As nginx is anyway; who writes it cares. */
function isOpenToSymlinks({ name, args }: Directive): boolean {
  return name === "disable_symlinks" && args[0] === "off";
}

function tellRest(directives: readonly Directive[], notes: Notes): void {
  for (const directive of directives) {
    const isNeeded = !UNNEEDED.test(directive.name);
    if (directive.name === "include") {
      const isOurs = /(?:^|\/)(?:fastcgi_params|fastcgi\.conf|mime\.types)$/.test(
        directive.args[0] ?? "",
      );
      if (isOurs) notes.add("unneeded", directive, "afcgi sends what is in it anyway");
      else notes.add("lost", directive, "there is no such file");
    } else if (isOpenToSymlinks(directive)) {
      const reason = "symlinks out of the root are followed where follow_symlinks_to says so";
      notes.add("differs", directive, reason);
    } else if (isOff(directive)) {
      if (!notes.isTaken(directive)) notes.add("unneeded", directive, "it is so here anyway");
    } else if (!notes.isTaken(directive)) {
      if (isNeeded) notes.add("lost", directive, "it has no counterpart");
      else if (directive.block === undefined) {
        const isLimit = directive.name === "client_max_body_size";
        const reason = isLimit ? "no body's length is looked at there" : "afcgi has its own way";
        notes.add("unneeded", directive, reason);
      }
    }
    if (directive.block !== undefined && !["types", "map", "geo", "if"].includes(directive.name)) {
      tellRest(directive.block, notes);
    }
  }
}
