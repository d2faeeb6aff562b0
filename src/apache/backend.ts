/** The addresses of `ProxyPass` and `SetHandler "proxy:…"` → upstreams of ours. */
import { Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import { placeOf, textOf } from "../import/notes.ts";
import { timeText } from "../import/units.ts";
import type { ApacheDirective } from "./parser.ts";
import type { VhostContext } from "./state.ts";

export interface Backend {
  readonly protocol: "fcgi" | "http";
  readonly address: string;
  /** What is behind the address, with its slash. */
  readonly path: string;
  /** `host:port`, for the field Host. */
  readonly host: string;
}

/** Undefined for what is no address of a server that we can speak to. */
export function backendOf(text: string): Backend | undefined {
  const [, socket, url = ""] = /^(?:unix:([^|]+)\|)?(.*)$/.exec(text) ?? [];
  const [, scheme = "", host = "", path = ""] = /^(\w+):\/\/([^/]*)(.*)$/.exec(url) ?? [];
  const kind = scheme.toLowerCase();
  const protocol = kind === "fcgi" ? "fcgi" : /^(?:https?|wss?)$/.test(kind) ? "http" : undefined;
  if (protocol === undefined || /[$%]/.test(host)) return undefined;
  if (socket !== undefined) return { protocol, address: `unix:${socket}`, path, host };
  if (host === "") return undefined;
  const port = /:\d+$/.test(host);
  if (protocol === "fcgi") {
    return { protocol, address: `tcp://${port ? host : `${host}:8000`}`, path, host };
  }
  const isTls = kind === "https" || kind === "wss";
  const address = isTls ? `https://${host}` : port ? host : `http://${host}`;
  return { protocol, address, path, host };
}

interface Options {
  readonly balancers: ReadonlyMap<string, ApacheDirective>;
}

/** Members of `balancer://NAME`, or the one server. @throws {Unsayable} */
export function upstreamOf(
  backend: Backend,
  directive: Directive,
  context: VhostContext,
  options: readonly string[] = [],
): string {
  const timeouts = timeoutsOf(options, context.timeout);
  const settings = backend.protocol === "fcgi"
    ? { servers: [backend.address] }
    : { http: [backend.address] };
  return context.upstreams.nameOf(
    backend.protocol === "fcgi" ? "php" : "app",
    { ...settings, ...timeouts },
    `${placeOf(directive)}: ${textOf(directive)}`,
  );
}

const LB_METHODS: Readonly<Record<string, string>> = {
  byrequests: "round_robin",
  bytraffic: "least_requests",
  bybusyness: "least_requests",
};

/** `<Proxy "balancer://NAME">` with its members. @throws {Unsayable} */
export function balancerUpstream(
  name: string,
  directive: Directive,
  context: VhostContext,
  { balancers }: Options,
): { readonly upstream: string; readonly protocol: Backend["protocol"] } {
  const block = balancers.get(name);
  const members = (block?.block ?? []).filter(({ key }) => key === "balancermember");
  const read = members.map(({ args }) => ({ backend: backendOf(args[0] ?? ""), args }));
  const first = read[0]?.backend;
  if (first === undefined || read.some(({ backend }) => backend?.protocol !== first.protocol)) {
    throw new Unsayable(directive, `there are no servers of "balancer://${name}"`);
  }
  const { notes } = context;
  notes.take(block, ...members);
  const servers = read.map(({ backend, args }) => {
    const weight = Number(
      args.map((arg) => /^loadfactor=(\d+)$/.exec(arg)?.[1]).find(Boolean) ?? 1,
    );
    const backup = args.some((arg) => /^status=.*[hH]/.test(arg));
    return weight === 1 && !backup
      ? backend!.address
      : { address: backend!.address, ...(weight !== 1 && { weight }), ...(backup && { backup }) };
  });
  let balance = "round_robin";
  for (const set of (block?.block ?? []).filter(({ key }) => key === "proxyset")) {
    notes.take(set);
    const method = set.args.map((arg) => /^lbmethod=(\w+)$/.exec(arg)?.[1]).find(Boolean);
    if (method !== undefined) balance = LB_METHODS[method] ?? balance;
    const others = set.args.filter((arg) => !arg.startsWith("lbmethod="));
    if (others.length > 0) notes.add("lost", set, `"${others.join(" ")}" has no counterpart`);
  }
  const settings = {
    ...(first.protocol === "fcgi" ? { servers } : { http: servers }),
    balance,
    ...timeoutsOf([], context.timeout),
  };
  const comment = `${placeOf(block!)}: ${textOf(block!)}`;
  return { upstream: context.upstreams.nameOf(name, settings, comment), protocol: first.protocol };
}

function timeoutsOf(
  options: readonly string[],
  timeoutS: number | undefined,
): Record<string, unknown> {
  const said = (name: string) => {
    const value = options.map((it) => new RegExp(`^${name}=(\\d+)(ms|s)?$`, "i").exec(it)).find(
      Boolean,
    );
    if (!value) return undefined;
    return Number(value[1]) * (value[2]?.toLowerCase() === "ms" ? 1 : 1000);
  };
  const whole = said("timeout") ?? (timeoutS === undefined ? undefined : timeoutS * 1000);
  const connect = said("connectiontimeout");
  const timeouts = {
    ...(connect && { connect: timeText(connect) }),
    ...(whole && { first_byte: timeText(whole), idle: timeText(whole) }),
  };
  return Object.keys(timeouts).length > 0 ? { timeouts } : {};
}
