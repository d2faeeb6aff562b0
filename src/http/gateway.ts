/**
 * The entrance: takes what the HTTP server hands over, refuses what is malformed, finds the site by
 * its host, and lets Hono find the route. When the response has gone, one access line and the
 * metrics say what it was.
 */
import type { Logger } from "../observe/logger.ts";
import type { CompiledSite } from "./site.ts";
import type { SiteTable } from "../routing/site_table.ts";
import { FileError } from "../runtime/file_error.ts";
import {
  BytesResponse,
  type HttpResponse,
  type ResponseFields,
  responseLength,
  responseOf,
  toResponse,
  UpgradeResponse,
} from "../runtime/http_response.ts";
import type { Clock } from "../runtime/clock.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import { errorText } from "../upstream/errors.ts";
import { ownResponse, responseForError } from "./own_responses.ts";
import type {
  ErrorTrace,
  ListenerInfo,
  OwnResponse,
  RequestContext,
  ResponsePart,
} from "./request_context.ts";
import { withFieldsApart } from "./fields_apart.ts";
import { HostCache, type RequestHost } from "./host.ts";
import type { HttpMetrics } from "./http_metrics.ts";
import type { OpenCount } from "./open_count.ts";
import type { RequestIdSource } from "./request_id.ts";
import { type ClientCheck, isMisdirected, MISDIRECTED } from "./client_certificates.ts";
import { type PlainHttpResponder, withHsts } from "./scheme.ts";
import { restoreOddStatus, restoreUpgrade } from "./odd_status.ts";
import { parseTarget, type RequestTarget, type TargetRefusal } from "./target.ts";
import { hasNoBody } from "./upstream_response.ts";
import { WatchedBody } from "./watched_body.ts";
import type { HttpHeaders, HttpRequest } from "../runtime/http_request.ts";
import { honoFetch } from "./hono_fetch.ts";

export interface GatewayDeps {
  readonly clock: Clock;
  readonly sites: SiteTable<GatewaySite>;
  readonly requestIds: RequestIdSource;
  readonly metrics: HttpMetrics;
  /** Undefined: no access log. */
  readonly accessLog: Logger | undefined;
  /** For responses of our own. */
  readonly log: Logger;
  /** Hears of what went wrong before an application was asked; without it `log` does. */
  readonly onError?: ((error: unknown, context: RequestContext) => void) | undefined;
  readonly listener: ListenerInfo;
  /** Counts requests until their responses have gone; left out: nobody waits for them. */
  readonly open?: Pick<OpenCount, "begin" | "end"> | undefined;
  /** What the listener asks of every client; left out: nothing. */
  readonly checkClient?: ClientCheck | undefined;
  /** Where plain HTTP is sent to; undefined: there is no listener with TLS. */
  readonly tlsPort?: (() => number | undefined) | undefined;
  /** As `AutomaticSource.answerChallenge`; left out: there are no challenges. */
  readonly answerChallenge?: ((host: string, token: string) => string | undefined) | undefined;
}

export interface GatewaySite extends CompiledSite {
  readonly name: string;
  /** What the site makes of a request before its routes see it; nothing, left out. */
  readonly arrive?: Arrival | undefined;
  /** What a request over plain HTTP gets in the place of a response; left out: nothing. */
  readonly plainHttp?: PlainHttpResponder | undefined;
  /** Whether some route asks for certificates: then the handshake must have been for the site. */
  readonly asksForCertificate?: boolean | undefined;
  /** Whether its paths may be no UTF-8; left out: no. */
  readonly keepsBytes?: boolean | undefined;
  /** The value of Strict-Transport-Security over TLS; left out: none is added. */
  readonly hsts?: string | undefined;
}

export type Arrival = (context: RequestContext, headers: HttpHeaders) => RequestContext;

export const REFUSED_TARGET_SHOWN_MAX = 1024;

const NO_TARGET: RequestTarget = { kind: "target", raw: "", path: "", query: "" };
const NO_HOST = { name: "", port: undefined };

/** `OPTIONS *` is about the server as a whole (RFC 9110 section 9.3.7): load balancers ask it. */
const SERVER: RequestTarget = { kind: "target", raw: "*", path: "*", query: "" };

const NOTHING = new Uint8Array(0);
const ALLOW: ResponseFields = [["allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]];

/** Methods that a gateway must not pass on (RFC 9110 section 9.3.8, 9.3.6). */
const REFUSED_METHODS: ReadonlySet<string> = new Set(["TRACE", "CONNECT"]);

/** The handler of one listener. */
export function createGateway(
  deps: GatewayDeps,
): (request: HttpRequest, peer: HttpPeer) => HttpResponse | Promise<HttpResponse> {
  const hosts = new HostCache();
  return (request, peer) => {
    const hostText = request.headers.get("host");
    const named = hostText === null ? authorityOf(request.url) : undefined;
    const host = hosts.read(hostText ?? named ?? ownAuthority(deps.listener));
    // The URL has the Host unread: a target behind a bad one means nothing.
    const read = host === undefined ? BAD_HOST : readTarget(request.url);
    const target = "raw" in read ? read : readBytes(deps, host, request.url, read);
    const isReadable = "raw" in target;
    const context: RequestContext = {
      id: deps.requestIds.next(),
      method: request.method,
      target: isReadable ? target : NO_TARGET,
      host: host ?? NO_HOST,
      peer,
      listener: deps.listener,
      startedMs: deps.clock.nowMs(),
      trace: {},
      passed: undefined,
      extra: named === undefined ? undefined : new Map([["HTTP_HOST", named]]),
      rules: undefined,
      bodyProgress: undefined,
    };
    deps.open?.begin();
    if (!isReadable) return refuseUnreadable(deps, context, request, target);
    if (target === SERVER) {
      return finish(deps, "", context, request, new BytesResponse(200, ALLOW, NOTHING));
    }
    if (REFUSED_METHODS.has(context.method)) return refuse(deps, context, request, BAD_METHOD);
    const challenge = deps.answerChallenge && challengeResponse(deps.answerChallenge, context);
    if (challenge !== undefined) return finish(deps, "", context, request, challenge);
    const refusal = deps.checkClient?.(context);
    if (refusal !== undefined) return refuse(deps, context, request, refusal);
    const site = deps.sites.find(context.host.name);
    if (site === undefined) return refuse(deps, context, request, NO_SITE);
    const seen = site.arrive === undefined ? context : site.arrive(context, request.headers);
    const isOverTls = seen.listener.scheme === "https";
    const done = (response: HttpResponse) => {
      const told = site.hsts !== undefined && isOverTls ? withHsts(response, site.hsts) : response;
      return finish(deps, site.name, seen, request, told);
    };
    if (site.plainHttp !== undefined && !isOverTls) {
      const response = site.plainHttp(seen, deps.tlsPort?.());
      if (response !== undefined) {
        return done("code" in response ? ownResponse(seen, acceptOf(request), response) : response);
      }
    }
    const failed = (error: unknown): HttpResponse | Promise<HttpResponse> => {
      const response = responseForFailure(deps, seen, request, error);
      if (!(error instanceof FileError) || seen.rules === undefined) return done(response);
      const broken = (cause: unknown) => done(responseForFailure(deps, seen, request, cause));
      return seen.rules.apply(seen, request.headers, response).then(done, broken);
    };
    if (site.asksForCertificate && isMisdirected(seen, (name) => deps.sites.find(name) === site)) {
      return done(ownResponse(seen, acceptOf(request), MISDIRECTED));
    }
    try {
      const fetched = site.direct(request, seen) ?? honoFetch(site.app, request, seen);
      const response = site.hasRules ? byRules(fetched, seen, request) : fetched;
      return response instanceof Promise ? response.then(done, failed) : done(response);
    } catch (error) {
      return failed(error);
    }
  };
}

const CHALLENGE_PATH = "/.well-known/acme-challenge/";
const CHALLENGE_FIELDS: ResponseFields = [["content-type", "application/octet-stream"]];

/** An authority asks over plain HTTP (RFC 8555 section 8.3), before sites and redirects. */
function challengeResponse(
  response: NonNullable<GatewayDeps["answerChallenge"]>,
  { target: { path }, host, method, listener }: RequestContext,
): HttpResponse | undefined {
  if (listener.scheme !== "http" || !path.startsWith(CHALLENGE_PATH)) return undefined;
  if (method !== "GET" && method !== "HEAD") return undefined;
  const text = response(host.name, path.slice(CHALLENGE_PATH.length));
  return text === undefined
    ? undefined
    : new BytesResponse(200, CHALLENGE_FIELDS, new TextEncoder().encode(text));
}

function acceptOf(request: HttpRequest): string | null {
  return request.headers.get("accept");
}

/**
 * A file could not be looked at; or a route, or a rule for its responses, did what none should. The
 * client is told no more than that.
 */
function responseForFailure(
  { log, onError }: GatewayDeps,
  context: RequestContext,
  request: HttpRequest,
  error: unknown,
): Response {
  const part: ResponsePart = context;
  part.bodyProgress = undefined;
  const own = responseForError(error);
  if (onError !== undefined) onError(error, context);
  else log.error(errorText(error), { ...errorFields(context), code: own.code });
  return ownResponse(context, request.headers.get("accept"), own);
}

async function byRules(
  fetched: HttpResponse | Promise<HttpResponse>,
  context: RequestContext,
  request: HttpRequest,
): Promise<HttpResponse> {
  const response = restoreUpgrade(context, restoreOddStatus(context, await fetched));
  if (context.rules === undefined || response instanceof UpgradeResponse) return response;
  return context.rules.apply(context, request.headers, toResponse(response));
}

/** A response to what could not be read, with what was wrong for the log. */
type Unreadable = OwnResponse & { readonly reason: string };

const BAD_HOST: Unreadable = {
  status: 400,
  code: "bad_host",
  reason: "The Host is missing or malformed",
};
const BAD_METHOD: OwnResponse = { status: 405, code: "method_not_allowed", headers: { allow: "" } };
const NO_SITE: OwnResponse = { status: 404, code: "no_such_site" };

function readTarget(url: string): RequestTarget | TargetRefusal {
  return url === "*" ? SERVER : parseTarget(url);
}

/** A path that is no UTF-8 is a path where its site takes bytes. */
function readBytes<Read extends TargetRefusal | Unreadable>(
  { sites }: GatewayDeps,
  host: RequestHost | undefined,
  url: string,
  read: Read,
): RequestTarget | TargetRefusal | Read {
  if (host === undefined || !("isUtf8" in read) || !sites.find(host.name)?.keepsBytes) return read;
  return parseTarget(url, true);
}

/** That of a URL as target, which HTTP/1.0 may send without a Host field (RFC 9112 section 3.2.2). */
function authorityOf(url: string): string | undefined {
  return /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
}

/** HTTP/1.0 may come without a Host field: then the request is for the server itself. */
function ownAuthority({ host, port }: ListenerInfo): string {
  const name = host === "" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return port === 0 ? name : `${name}:${port}`;
}

function refuseUnreadable(
  deps: GatewayDeps,
  context: RequestContext,
  request: HttpRequest,
  unreadable: Unreadable,
): HttpResponse {
  const trace: ErrorTrace = context.trace;
  trace.code = unreadable.code;
  // The access line names it, where there is one.
  const path = deps.accessLog === undefined ? shownTarget(request.url) : undefined;
  deps.log.info(unreadable.reason, { ...errorFields(context), path });
  return refuse(deps, context, request, unreadable);
}

function refuse(
  deps: GatewayDeps,
  context: RequestContext,
  request: HttpRequest,
  own: OwnResponse,
): HttpResponse {
  return finish(
    deps,
    "",
    context,
    request,
    ownResponse(context, request.headers.get("accept"), own),
  );
}

/** Says what the response was, now or when its body has gone. */
function finish(
  deps: GatewayDeps,
  site: string,
  context: RequestContext,
  request: HttpRequest,
  response: HttpResponse,
): HttpResponse {
  const own = restoreUpgrade(context, restoreOddStatus(context, response));
  const counted = withKnownLength(context, own);
  const sent = counted instanceof Response && context.trace.sentFields !== undefined
    ? withFieldsApart(counted, context.trace.sentFields)
    : counted;
  const body = context.bodyProgress;
  if (body === undefined || body.ended) report(deps, site, context, request, counted);
  else body.onEnded = () => report(deps, site, context, request, counted);
  return sent;
}

/** Where nothing says how long a body is, as behind compression, its bytes are counted. */
function withKnownLength(context: RequestContext, response: HttpResponse): HttpResponse {
  if (!(response instanceof Response) || response.body === null) return response;
  if (context.bodyProgress !== undefined || response.headers.has("content-length")) return response;
  if (hasNoBody(context.method, response.status)) return response;
  const watched = new WatchedBody(response.body);
  const part: ResponsePart = context;
  part.bodyProgress = watched;
  const { status, statusText, headers } = response;
  return responseOf(watched.stream, { status, statusText, headers });
}

function report(
  deps: GatewayDeps,
  site: string,
  context: RequestContext,
  request: HttpRequest,
  response: HttpResponse,
): void {
  deps.open?.end();
  const durationMs = deps.clock.nowMs() - context.startedMs;
  const broken = context.bodyProgress?.error;
  const trace: ErrorTrace = context.trace;
  if (broken !== undefined) trace.code = broken.code;
  const { protocol } = context.peer;
  deps.metrics.onResponse(site, context.method, response.status, durationMs / 1000, protocol);
  if (broken !== undefined && broken.code !== "client_gone") {
    deps.log.error(`Response broke off: ${broken.message}`, errorFields(context));
  }
  const { bytesIn, upstreamMs } = context.trace;
  deps.accessLog?.info("request", {
    ...errorFields(context),
    path: context.target.raw || shownTarget(request.url),
    status: response.status,
    bytes_in: bytesIn ?? 0,
    bytes_out: context.bodyProgress?.bytes ?? lengthOf(context.method, response),
    duration_ms: round(durationMs),
    upstream_ms: upstreamMs === undefined ? undefined : round(upstreamMs),
    client: context.peer.host,
    host: context.host.name,
    protocol,
  });
}

/** A refused target may be as long as a whole header section. */
function shownTarget(url: string): string {
  return url.length > REFUSED_TARGET_SHOWN_MAX
    ? `${url.slice(0, REFUSED_TARGET_SHOWN_MAX)} [cut]`
    : url;
}

/** Bytes of a response whose sending nobody watches: one of our own, or a file. */
function lengthOf(method: string, response: HttpResponse): number {
  return hasNoBody(method, response.status) ? 0 : Math.max(0, responseLength(response));
}

/** Fields of a log line about a request that failed. */
export function errorFields(context: RequestContext) {
  const { upstream, server, connection, stream, code, traceId } = context.trace;
  return {
    request_id: context.id,
    upstream,
    server,
    connection,
    stream,
    method: context.method,
    path: context.target.raw,
    code,
    trace_id: traceId,
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
