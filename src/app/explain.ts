/**
 * What becomes of a request, in terms of the configuration: from a dry run to the site, the routes
 * with what each of them did, and the parameters with where each comes from.
 */
import { type ParameterOrigin, parameterOrigin } from "../cgi/parameter_origin.ts";
import { parseHost } from "../http/host.ts";
import type { HandlerOptions, RouteOptions, SiteOptions } from "../http/options.ts";
import type { ListenerInfo } from "../http/request_context.ts";
import {
  compilePlainCondition,
  type ConditionContext,
  describeCondition,
  isPlain,
} from "../http/route_conditions.ts";
import { parseTarget } from "../http/target.ts";
import { fromLatin1 } from "../protocol/byte_buffer.ts";
import { decodeNameValues } from "../protocol/name_value.ts";
import { compileMatch } from "../http/site_router.ts";
import { formatAddress } from "../runtime/address.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type SpawnOptions, workerCount } from "../spawn/options.ts";
import { firstSockets } from "../spawn/sockets.ts";
import { type DryRun, dryRun, type DrySend, type RouteAttempt } from "./dry_run.ts";
import type { AppOptions, ListenOptions } from "./options.ts";
import type { FileLook } from "./recorded_files.ts";
import { isServedAt, listenerInfo } from "./sites.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** "path differs", "header x-beta differs": the first of what a route asks that is otherwise. */
export type RouteOutcome =
  | `${string} differs`
  | "passes on"
  | "responds"
  | `rewrites to ${string}`
  | `rewrites to ${string} and responds`;

export interface ExplainedRoute {
  /** Counted from 1, as people do. */
  readonly number: number;
  readonly path?: string;
  readonly methods?: readonly string[];
  readonly handler: HandlerOptions["kind"];
  /** The upstream that is asked first; taken to let the request in. */
  readonly authorizer?: string;
  readonly outcome: RouteOutcome;
  /** Looks at the file system, in their order. */
  readonly looks: readonly FileLook[];
  /** Of a `php` route: what it tried, with the looks that each took. */
  readonly attempts?: readonly ExplainedAttempt[];
}

export type AttemptOutcome =
  | "goes on"
  | "runs"
  | "is left to the next route"
  | "redirects"
  | "refuses";

export interface ExplainedAttempt {
  /** As `try` has it. */
  readonly attempt: string;
  readonly outcome: AttemptOutcome;
  readonly looks: readonly FileLook[];
}

export interface ExplainedParameter {
  readonly name: string;
  readonly value: string;
  readonly origin: ParameterOrigin | undefined;
}

/** The application that would get the request. */
export interface ExplainedApplication {
  readonly upstream: string;
  /** Of one that is started by `serve`: where its workers will listen, `*` for a random name. */
  readonly servers: readonly string[];
  /** What `serve` starts; undefined where somebody else does. */
  readonly spawn?: { readonly command: readonly string[]; readonly workers: number };
  readonly parameters: readonly ExplainedParameter[];
}

export interface ExplainedSite {
  /** Counted from 1. */
  readonly number: number;
  /** Empty: every host. */
  readonly hosts: readonly string[];
  readonly root?: string;
}

export interface Explanation {
  readonly method: string;
  readonly url: string;
  /** Where it would come in. */
  readonly listener: string;
  /** What it speaks. */
  readonly protocols: readonly string[];
  readonly site?: ExplainedSite;
  /** Those that were asked, and those before them. */
  readonly routes: readonly ExplainedRoute[];
  readonly application?: ExplainedApplication;
  /** What afcgi answers itself; there where no application is. */
  readonly answer?: {
    readonly status: number;
    readonly code?: string;
    readonly headers: Readonly<Record<string, string>>;
  };
  /** What the log would say. */
  readonly log: readonly string[];
}

export interface ExplainDeps {
  readonly runtime: Runtime;
  readonly version: string;
}

/** Who asks, as the application sees it. */
const PEER: HttpPeer = { host: "127.0.0.1", port: 0 };

export async function explain(
  options: AppOptions,
  request: HttpRequest,
  deps: ExplainDeps,
): Promise<Explanation> {
  const listen = listenerFor(options.listen, new URL(request.url));
  const scheme = listen.tls === undefined ? "http" : "https";
  const listener = listenerInfo(listen.address, scheme);
  const sites = options.sites.filter((site) => isServedAt(site, listen.address));
  const run = await dryRun({ ...options, sites }, request, { ...deps, listener, peer: PEER });
  const { site, send, code, status, headers } = run;
  return {
    method: request.method,
    url: request.url,
    listener: formatAddress(listen.address),
    protocols: [
      ...(listen.http3 ? ["HTTP/3"] : []),
      ...(listen.http2 === false ? [] : ["HTTP/2"]),
      "HTTP/1.1",
    ],
    ...(site && { site: explainSite(site, options.sites) }),
    routes: site === undefined ? [] : explainRoutes(site, run, request, listener),
    ...(send
      ? { application: explainApplication(send, run, request, options.spawns ?? [], deps.runtime) }
      : { answer: { status, ...(code !== undefined && { code }), headers } }),
    log: run.log,
  };
}

/** The one that the URL fits best: its scheme and port, or its scheme; else the first. */
function listenerFor(listen: readonly ListenOptions[], url: URL): ListenOptions {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  const sameScheme = listen.filter(({ tls }) =>
    (tls !== undefined) === (url.protocol === "https:")
  );
  const samePort = sameScheme.find(({ address }) => {
    return address.transport === "tcp" && address.port === port;
  });
  return samePort ?? sameScheme[0] ?? listen[0]!;
}

function explainSite(site: SiteOptions, sites: readonly SiteOptions[]): ExplainedSite {
  const { hosts, root } = site;
  return { number: sites.indexOf(site) + 1, hosts, ...(root !== undefined && { root }) };
}

function explainRoutes(
  site: SiteOptions,
  { visits }: DryRun,
  request: HttpRequest,
  listener: ListenerInfo,
): ExplainedRoute[] {
  const last = visits.at(-1);
  // Behind a route that responds nobody has looked at the others; one that rewrites begins anew.
  const asked = last === undefined || last.passed
    ? site.routes
    : site.routes.slice(0, Math.max(...visits.map(({ index }) => index)) + 1);
  const target = parseTarget(request.url, site.keepsBytes);
  const host = parseHost(request.headers.get("host") ?? "") ?? { name: "", port: undefined };
  const asksOf = (route: RouteOptions) =>
    target.kind === "target" ? mismatchOf(route, request, { target, host, listener }) : "path";
  return asked.map((route, index) => {
    const visit = visits.findLast((candidate) => candidate.index === index);
    const path = visits.find((one) => one.index === index && one.rewrittenTo)?.rewrittenTo;
    return {
      number: index + 1,
      ...(route.path !== undefined && { path: route.path }),
      ...(route.methods !== undefined && { methods: route.methods }),
      handler: route.handler.kind,
      ...authorizersOf(route),
      outcome: path !== undefined
        ? `rewrites to ${path}${visit === last && !last?.passed ? " and responds" as const : ""}`
        : visit === undefined
        ? `${asksOf(route)} differs`
        : visit.passed
        ? "passes on"
        : "responds",
      looks: visit?.looks ?? [],
      ...(visit?.attempts.length && { attempts: visit.attempts.map(explainAttempt) }),
    };
  });
}

const ATTEMPT_OUTCOMES: Readonly<Record<NonNullable<RouteAttempt["kind"]>, AttemptOutcome>> = {
  run: "runs",
  pass: "is left to the next route",
  redirect: "redirects",
  refused: "refuses",
};

function explainAttempt({ attempt, kind, looks }: RouteAttempt): ExplainedAttempt {
  return { attempt, outcome: kind === undefined ? "goes on" : ATTEMPT_OUTCOMES[kind], looks };
}

/** What the request is not that the route asks for. */
function mismatchOf(
  { path, stripPrefix, methods, conditions }: RouteOptions,
  { method, headers }: HttpRequest,
  context: ConditionContext,
): string {
  if (!compileMatch(path, stripPrefix)(context.target.path)) return "path";
  const asked = method === "HEAD" ? ["HEAD", "GET"] : [method];
  if (methods !== undefined && !asked.some((name) => methods.includes(name))) return "method";
  const unmet = (conditions ?? []).find((options) =>
    isPlain(options) && !compilePlainCondition(options)(context, headers)
  );
  // What the others look at is known on the request's way alone.
  const differing = unmet ?? conditions?.find((options) => !isPlain(options));
  return differing === undefined ? "path" : describeCondition(differing);
}

/** Whoever is asked before, the first one first. */
function authorizersOf(
  { authorize, forwardAuth }: RouteOptions,
): Pick<ExplainedRoute, "authorizer"> {
  const names = [forwardAuth, authorize].flatMap((asked) => asked ? [asked.upstream] : []);
  return names.length === 0 ? {} : { authorizer: names.join(", ") };
}

/** What an HTTP server is sent: the line, then the fields. */
function requestLines(
  start: Uint8Array,
  handler: HandlerOptions | undefined,
  request: HttpRequest,
): ExplainedParameter[] {
  const [line = "", ...fields] = fromLatin1(start).trimEnd().split("\r\n");
  const own = handler?.kind === "proxy" ? Object.keys(handler.headers) : [];
  const configured = new Set(own.map((name) => name.toLowerCase()));
  if (handler?.kind === "proxy" && handler.host !== undefined) configured.add("host");
  return [
    { name: "request", value: line, origin: "request line" },
    ...fields.map((field): ExplainedParameter => {
      const colon = field.indexOf(": ");
      const name = field.slice(0, colon);
      const value = field.slice(colon + 2);
      const isClients = request.headers.get(name) === value;
      const origin = configured.has(name)
        ? "route"
        : isClients
        ? `header ${name}` as const
        : "afcgi";
      return { name, value, origin };
    }),
  ];
}

function explainApplication(
  { upstream, params }: DrySend,
  { site, visits }: DryRun,
  request: HttpRequest,
  spawns: readonly SpawnOptions[],
  { process: { cpuCount }, spawner }: Runtime,
): ExplainedApplication {
  const handler = site?.routes[visits.at(-1)!.index]?.handler;
  const configured = handler !== undefined && "params" in handler ? handler.params : {};
  const sources = {
    configured: new Set(Object.keys(configured)),
    headers: [...request.headers.keys()],
    hostHasPort: parseHost(request.headers.get("host") ?? "")?.port !== undefined,
  };
  const spawn = spawns.find((one) => one.upstream === upstream.name);
  const servers = spawn === undefined
    ? upstream.servers.map(({ address }) => address)
    : firstSockets(spawn, cpuCount, spawner.directoryPattern);
  return {
    upstream: upstream.name,
    servers: servers.map(formatAddress),
    ...(spawn && {
      spawn: { command: spawn.command, workers: workerCount(spawn, cpuCount) },
    }),
    parameters: upstream.protocol === "http"
      ? requestLines(params, handler, request)
      : decodeNameValues(params).map(([name, value]) => {
        return { name, value, origin: parameterOrigin(name, sources) };
      }),
  };
}
