/**
 * A whole configuration of nginx → ours. What has been looked at is marked; at the end every
 * directive without a mark is told, so nothing is dropped in silence.
 */
import { bodyLimits, bodyMaxOf } from "./body_limits.ts";
import { isOff } from "./location_errors.ts";
import { addListeners, everywhereOf, ipv6PortsOf } from "./hosts.ts";
import { httpsServers } from "./https_servers.ts";
import type { Import } from "../import/imported.ts";
import { Notes, placeOf } from "../import/notes.ts";
import { ValueTables } from "./maps.ts";
import { type Directive, flatten } from "./parser.ts";
import { Scope } from "./scope.ts";
import { siteOf } from "./server.ts";
import { otherCertificate } from "./server_guards.ts";
import { hiddenTwin, listening, sitePlaces } from "./site_places.ts";
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
  /^(?:sendfile|tcp_no(?:push|delay)|charset|default_type|types|mime_types|server_tokens|keepalive|keepalive_(?:timeout|requests|disable)|(?:fastcgi|proxy)_(?:index|buffering|buffers|buffer_size|busy_buffers_size|temp_file_write_size|max_temp_file_size|keep_conn|request_buffering|hide_header|send_timeout|headers_hash\w+|http_version)|http2|etag|resolver\w*|valid_referers|auth_request_set|client_(?:(?:body|header)_(?:timeout|buffer_size)|max_body_size)|large_client_header_buffers|gzip_(?:vary|proxied|comp_level|disable|http_version|buffers|types|min_length)|index|access_log|error_log|log_not_found|log_format|worker_\w+|user|pid|events|multi_accept|use|open_file_cache\w*|etag|merge_slashes|absolute_redirect|server_name_in_redirect|types_hash_\w+|server_names_hash_\w+|daemon|include|map_hash_\w+|(?:fastcgi|client_body|proxy|uwsgi|scgi)_temp_path|ssl_(?:protocols|ciphers|session_\w+|prefer_server_ciphers)|http|server|location|upstream)$/;

const CACHE = /^(?:fastcgi|proxy)_(?:cache\w*|no_cache)$/;

export function translateNginx(
  directives: readonly Directive[],
  { source, isFile, isDirectory = () => true }: TranslateOptions,
): Import {
  const notes = new Notes();
  const http = directives.find(({ name }) => name === "http");
  const outer = new Scope(http?.block ?? directives);
  const upstreams = new Upstreams(outer.own("upstream"), notes, isFile);
  const tables = new ValueTables(outer.own("map", "geo"), notes);
  const servers = outer.own("server");
  const bodyMax = bodyMaxOf(outer, notes);
  const ipv6Ports = ipv6PortsOf(servers);
  const everywhere = everywhereOf(servers);
  const scopes = servers.map((server) => new Scope(server.block ?? [], outer));
  const speech = (address: string) => tlsSpeech(address, scopes, ipv6Ports, notes);
  const listeners = new Map<string, unknown>();
  for (const scope of scopes) {
    addListeners(scope, listeners, { ipv6Ports, everywhere, isFile, notes, speech });
  }
  const isSilent = scopes.some((scope) => scope.own("listen").length === 0);
  if (isSilent && !listeners.has("0.0.0.0:80")) listeners.set("0.0.0.0:80", "0.0.0.0:80");
  const opened = listening(servers, outer, ipv6Ports, listeners);
  const led = httpsServers(opened, outer, notes);
  const places = sitePlaces(led.servers, ipv6Ports, notes);
  const sites: SiteDeps[] = [];
  const closed: string[] = [];
  for (const { server } of led.servers) {
    const where = places.get(server) ?? [];
    if (where.length === 0) {
      const [listen] = new Scope(server.block ?? []).own("listen");
      const isShut = listen !== undefined &&
        opened.find((it) => it.server === server)?.addresses.length === 0;
      if (isShut) {
        notes.add("refused", listen, "it cannot be listened at beside the others");
        closed.push(nameOf(server));
      } else notes.add("lost", server, "no address leads to it, or another server has its hosts");
      notes.take(...flatten(server.block ?? []));
      continue;
    }
    const certificate = otherCertificate(server, servers, outer, isFile);
    if (certificate) notes.add("refused", certificate, "it is no file here, so the site is closed");
    const twin = hiddenTwin(server, servers, everywhere, notes);
    if (twin) notes.add("refused", twin, `the site of ${placeOf(server)} would answer there`);
    const closedBy = certificate ?? twin;
    const parts = { notes, upstreams, tables, isFile, isDirectory, bodyMax, closedBy };
    const refusedBefore = notes.countOf("refused");
    const { site: { comment, value }, routes } = siteOf(server, outer, parts);
    const https = led.leading.has(server) ? { https: "redirect" } : {};
    for (const { hosts, listen } of where) {
      const place = { ...(hosts && { hosts }), ...(listen && { listen }) };
      sites.push({ site: { comment, value: { ...place, ...value, ...https } }, routes });
    }
    if (notes.countOf("refused") > refusedBefore || closedBy) {
      closed.push(...closedOf(server, sites.at(-1)!));
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

function nameOf(server: Directive): string {
  const names = new Scope(server.block ?? []).own("server_name").flatMap(({ args }) => args);
  return `${placeOf(server)} server ${names.join(" ")}`.trimEnd();
}

/** In words, what of a site is closed. */
function closedOf(server: Directive, { routes }: SiteDeps): string[] {
  const name = nameOf(server);
  const isRefusal = ({ value }: SiteDeps["routes"][number]) =>
    Number((value["respond"] as { status?: number } | undefined)?.status ?? 0) >= 400;
  if (routes.every(isRefusal)) return [name];
  const ran = flatten(server.block ?? []).some(({ name }) => name === "fastcgi_pass");
  const runs = routes.some(({ value }) => "php" in value || "fastcgi" in value);
  return ran && !runs ? [`the scripts of ${name}`] : [];
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
      if (directive.name === "map" || directive.name === "geo") {
        notes.add("unneeded", directive, "nothing that is carried over asks for it");
      } else if (CACHE.test(directive.name)) {
        notes.add("lost", directive, "there is no cache yet");
      } else if (isNeeded) notes.add("lost", directive, "it has no counterpart");
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
