/** `reverse_proxy` and its relatives → an upstream of ours, with what is said of its servers. */
import { Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { timeText } from "../import/units.ts";
import type { SiteContext } from "./site_state.ts";
import { caddyTime } from "./units.ts";
import { commentOf } from "./when.ts";

export interface Servers {
  readonly name: string;
  /** The first address, in the place of `{upstream_hostport}`. */
  readonly first: string;
}

const RANGE = /^(.*):(\d+)-(\d+)$/;
const RANGE_MAX = 64;

/** The addresses behind a directive's name and in its `to` lines. */
function addressesOf(directive: Directive, args: readonly string[]): readonly string[] {
  const lines = (directive.block ?? []).filter(({ name }) => name === "to");
  return [...args, ...lines.flatMap((line) => line.args)].flatMap((text) => {
    const [, host = "", from, to] = RANGE.exec(text) ?? [];
    if (from === undefined) return [text];
    const count = Math.min(Number(to) - Number(from) + 1, RANGE_MAX);
    return Array.from({ length: count }, (_, index) => `${host}:${Number(from) + index}`);
  });
}

function unixPath(address: string): string | undefined {
  return /^unix\/\/?(?=\/)(.*)$/.exec(address)?.[1] ?? /^unix\/(\/.*)$/.exec(address)?.[1];
}

/** @throws {Unsayable} for servers that a request would choose */
export function httpUpstream(
  directive: Directive,
  args: readonly string[],
  context: SiteContext,
): Servers {
  const transport = transportOf(directive);
  const said = (name: string) => transport?.block?.find((line) => line.name === name);
  const isTls = transport?.block?.some(({ name }) => /^tls/.test(name)) ?? false;
  const addresses = addressesOf(directive, args).map((text) => httpAddress(text, isTls, directive));
  const server = said("tls_server_name")?.args[0];
  const ca = said("tls_trusted_ca_certs") ?? said("tls_trust_pool");
  const caFile = ca?.args.at(-1);
  const tls = { ...(server && { server_name: server }), ...(caFile && { ca: caFile }) };
  const insecure = said("tls_insecure_skip_verify");
  if (insecure !== undefined) {
    context.notes.add("lost", insecure, "the certificate of a server is always checked");
  }
  context.notes.take(transport, said("tls"), said("tls_server_name"), ca);
  const settings = {
    http: withPolicy(addresses, directive),
    ...(Object.keys(tls).length > 0 && addresses.some((it) => it.startsWith("https:")) && { tls }),
    ...commonSettings(directive, context),
    ...timeouts(transport, ["response_header_timeout"], context),
  };
  return { name: name("app", settings, directive, context), first: addresses[0] ?? "" };
}

/** @throws {Unsayable} for servers that a request would choose */
export function fastCgiUpstream(
  directive: Directive,
  args: readonly string[],
  base: string,
  context: SiteContext,
): Servers {
  const addresses = addressesOf(directive, args).map((text) => fastCgiAddress(text, directive));
  if (addresses.length === 0) throw new Unsayable(directive, "it names no server");
  const transport = transportOf(directive) ?? directive;
  const settings = {
    servers: withPolicy(addresses, directive),
    ...commonSettings(directive, context),
    ...timeouts(transport, ["read_timeout"], context),
  };
  return { name: name(base, settings, directive, context), first: addresses[0]! };
}

function name(
  base: string,
  settings: Readonly<Record<string, unknown>>,
  directive: Directive,
  { upstreams }: SiteContext,
): string {
  return upstreams.nameOf(base, settings, commentOf(directive));
}

export function transportOf(directive: Directive): Directive | undefined {
  return directive.block?.find(({ name }) => name === "transport");
}

function httpAddress(text: string, isTls: boolean, directive: Directive): string {
  const path = unixPath(text);
  if (path !== undefined) return `unix:${path}`;
  const [, scheme, rest = ""] = /^(?:(\w+):\/\/)?(.*?)\/?$/.exec(text) ?? [];
  if (
    text.includes("{") || rest === "" || rest.includes("/") || /^(?:h2c|srv)/.test(scheme ?? "")
  ) {
    throw new Unsayable(directive, `"${text}" is no server that a route can name`);
  }
  const place = rest.startsWith(":") ? `localhost${rest}` : rest;
  if (scheme === "https" || (isTls && scheme === undefined)) return `https://${place}`;
  return /:\d+$/.test(place) ? place : `http://${place}`;
}

function fastCgiAddress(text: string, directive: Directive): string {
  const path = unixPath(text);
  if (path !== undefined) return `unix:${path}`;
  if (text.includes("{") || !/^(?:[\w.-]*|\[[0-9a-f:]+\]):\d+$/i.test(text)) {
    throw new Unsayable(directive, `"${text}" is no server that a route can name`);
  }
  return `tcp://${text.startsWith(":") ? `localhost${text}` : text}`;
}

/** `first` asks one server after the other: the others are spare. */
function withPolicy(addresses: readonly string[], directive: Directive): readonly unknown[] {
  const policy = directive.block?.find(({ name }) => name === "lb_policy")?.args[0];
  if (policy !== "first") return addresses;
  return addresses.map((address, index) => index === 0 ? address : { address, backup: true });
}

const POLICIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  round_robin: { balance: "round_robin" },
  least_conn: { balance: "least_requests" },
  ip_hash: { balance: "hash" },
  client_ip_hash: { balance: "hash" },
  first: {},
};

const UNNEEDED =
  /^(?:lb_try_\w+|fail_duration|max_fails|unhealthy_\w+|flush_interval|buffer_\w+|request_buffers|response_buffers|stream_\w+|trusted_proxies|verbose_logs|to|health_fails|health_passes)$/;

function commonSettings(directive: Directive, context: SiteContext): Record<string, unknown> {
  const { notes } = context;
  const settings: Record<string, unknown> = {};
  const health: Record<string, unknown> = {};
  for (const line of directive.block ?? []) {
    const [value = ""] = line.args;
    const timeMs = caddyTime(value);
    if (line.name === "lb_policy") {
      if (POLICIES[value] === undefined) {
        notes.add("differs", line, "the server with the fewest requests is asked");
      } else notes.take(line);
      Object.assign(settings, POLICIES[value]);
    } else if (line.name === "lb_retries") {
      notes.take(line);
      settings["retry"] = { attempts: Math.min(Number(value) || 0, 100) };
    } else if (line.name === "health_uri" || line.name === "health_path") {
      notes.take(line);
      health["path"] = value;
    } else if (line.name === "health_interval" && timeMs) {
      notes.take(line);
      health["interval"] = timeText(timeMs);
    } else if (line.name === "health_timeout" && timeMs) {
      notes.take(line);
      health["timeout"] = timeText(timeMs);
    } else if (UNNEEDED.test(line.name)) {
      if (!notes.isTaken(line)) notes.add("unneeded", line, "afcgi has its own way");
    } else if (/^health_/.test(line.name)) notes.add("lost", line, "it has no counterpart");
  }
  if (health["path"] !== undefined) settings["health"] = { interval: "30s", ...health };
  return settings;
}

function timeouts(
  transport: Directive | undefined,
  reading: readonly string[],
  { notes }: SiteContext,
): Record<string, unknown> {
  const said: Record<string, string> = {};
  for (const line of transport?.block ?? []) {
    const timeMs = caddyTime(line.args[0] ?? "");
    if (line.name === "dial_timeout" && timeMs) {
      notes.take(line);
      said["connect"] = timeText(timeMs);
    } else if (reading.includes(line.name) && timeMs) {
      notes.take(line);
      said["first_byte"] = timeText(timeMs);
      if (line.name === "read_timeout") said["idle"] = timeText(timeMs);
    } else if (
      /^(?:write_timeout|read_timeout|keepalive\w*|compression|max_conns_per_host|versions|capture_stderr|read_buffer|write_buffer|max_response_header)$/
        .test(line.name)
    ) {
      notes.add("unneeded", line, "afcgi has its own way");
    }
  }
  return Object.keys(said).length > 0 ? { timeouts: said } : {};
}
