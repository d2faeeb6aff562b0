/**
 * The entrance: takes what the HTTP server hands over, refuses what is malformed, finds the site by its host, and lets Hono find the route. When the answer has gone, one access line and the
 * metrics say what it was.
 */
import type { Logger } from "../observe/logger.ts";
import type { CompiledSite } from "./site.ts";
import type { SiteTable } from "../routing/site_table.ts";
import { FileError } from "../runtime/file_error.ts";
import {
  type AnswerFields,
  answerLength,
  type HttpAnswer,
  responseOf,
  toResponse,
  WholeAnswer,
} from "../runtime/http_answer.ts";
import type { Clock } from "../runtime/clock.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import { errorText } from "../upstream/errors.ts";
import { answerForFault, ownResponse } from "./answers.ts";
import type { FrontRequest, ListenerInfo, OwnAnswer } from "./front_request.ts";
import { withFieldsApart } from "./fields_apart.ts";
import { HostCache } from "./host.ts";
import type { HttpMetrics } from "./http_metrics.ts";
import type { RequestIdSource } from "./request_id.ts";
import { restoreOddStatus } from "./odd_status.ts";
import { parseTarget, type RequestTarget, type TargetRefusal } from "./target.ts";
import { hasNoBody } from "./upstream_response.ts";
import { WatchedBody } from "./watched_body.ts";

export interface FrontParts {
  readonly clock: Clock;
  readonly sites: SiteTable<FrontSite>;
  readonly requestIds: RequestIdSource;
  readonly metrics: HttpMetrics;
  /** Undefined: no access log. */
  readonly accessLog: Logger | undefined;
  /** For answers of our own. */
  readonly log: Logger;
  /** Hears of files that could not be looked at; left out: `log` does, of each. */
  readonly onFileError?: ((error: FileError, front: FrontRequest) => void) | undefined;
  readonly listener: ListenerInfo;
}

/** A compiled site with its name for metrics. */
export interface FrontSite extends CompiledSite {
  readonly name: string;
  /** What the site makes of a request before its routes see it; nothing, left out. */
  readonly arrive?: Arrival | undefined;
}

export type Arrival = (front: FrontRequest, headers: Headers) => FrontRequest;

/** Characters of a target that was refused, in the log. */
export const REFUSED_TARGET_SHOWN_MAX = 1024;

const NO_TARGET: RequestTarget = { kind: "target", raw: "", path: "", query: "" };
const NO_HOST = { name: "", port: undefined };

/** `OPTIONS *` is about the server as a whole (RFC 9110 section 9.3.7): load balancers ask it. */
const SERVER: RequestTarget = { kind: "target", raw: "*", path: "*", query: "" };

const NOTHING = new Uint8Array(0);
const ALLOW: AnswerFields = [["allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]];

/** Methods that a gateway must not pass on (RFC 9110 section 9.3.8, 9.3.6). */
const REFUSED_METHODS: ReadonlySet<string> = new Set(["TRACE", "CONNECT"]);

/** The handler of one listener. */
export function createFront(
  parts: FrontParts,
): (request: Request, peer: HttpPeer) => HttpAnswer | Promise<HttpAnswer> {
  const hosts = new HostCache();
  return (request, peer) => {
    const hostText = request.headers.get("host");
    const named = hostText === null ? authorityOf(request.url) : undefined;
    const host = hosts.read(hostText ?? named ?? ownAuthority(parts.listener));
    // The URL has the Host unread: a target behind a bad one means nothing.
    const target = host === undefined ? BAD_HOST : readTarget(request.url);
    const isReadable = "raw" in target;
    const front: FrontRequest = {
      id: parts.requestIds.next(),
      method: request.method,
      target: isReadable ? target : NO_TARGET,
      host: host ?? NO_HOST,
      peer,
      listener: parts.listener,
      startedMs: parts.clock.nowMs(),
      trace: {},
      passed: undefined,
      extra: named === undefined ? undefined : new Map([["HTTP_HOST", named]]),
      rules: undefined,
      bodyProgress: undefined,
    };
    if (!isReadable) return refuseUnreadable(parts, front, request, target);
    if (target === SERVER) {
      return finish(parts, "", front, request, new WholeAnswer(200, ALLOW, NOTHING));
    }
    if (REFUSED_METHODS.has(front.method)) return refuse(parts, front, request, BAD_METHOD);
    const site = parts.sites.find(front.host.name);
    if (site === undefined) return refuse(parts, front, request, NO_SITE);
    const seen = site.arrive === undefined ? front : site.arrive(front, request.headers);
    const done = (answer: HttpAnswer) => finish(parts, site.name, seen, request, answer);
    const failed = (error: unknown): HttpAnswer | Promise<HttpAnswer> => {
      const answer = answerForFailure(parts, seen, request, error);
      if (!(error instanceof FileError) || seen.rules === undefined) return done(answer);
      const broken = (cause: unknown) => done(answerForFailure(parts, seen, request, cause));
      return seen.rules.apply(seen, request.headers, answer).then(done, broken);
    };
    try {
      const fetched = site.direct(request, seen) ?? site.app.fetch(request, seen);
      const answer = site.hasRules ? byRules(fetched, seen, request) : fetched;
      return answer instanceof Promise ? answer.then(done, failed) : done(answer);
    } catch (error) {
      return failed(error);
    }
  };
}

/**
 * A file could not be looked at; or a route, or a rule for its answers, did what none should. The
 * client is told no more than that.
 */
function answerForFailure(
  { log, onFileError }: FrontParts,
  front: FrontRequest,
  request: Request,
  error: unknown,
): Response {
  front.bodyProgress = undefined;
  if (error instanceof FileError) {
    const answer = answerForFault(error);
    const note = () => log.error(error.message, { ...faultFields(front), code: answer.code });
    if (onFileError === undefined) note();
    else onFileError(error, front);
    return ownResponse(front, request.headers.get("accept"), answer);
  }
  const answer = { status: 500, code: "internal_error" } as const;
  log.error(errorText(error), { ...faultFields(front), code: answer.code });
  return ownResponse(front, request.headers.get("accept"), answer);
}

async function byRules(
  fetched: HttpAnswer | Promise<HttpAnswer>,
  front: FrontRequest,
  request: Request,
): Promise<HttpAnswer> {
  const answer = restoreOddStatus(front, await fetched);
  if (front.rules === undefined) return answer;
  return front.rules.apply(front, request.headers, toResponse(answer));
}

/** An answer to what could not be read, with what was wrong for the log. */
type Unreadable = OwnAnswer & { readonly reason: string };

const BAD_HOST: Unreadable = {
  status: 400,
  code: "bad_host",
  reason: "The Host is missing or malformed",
};
const BAD_METHOD: OwnAnswer = { status: 405, code: "method_not_allowed", headers: { allow: "" } };
const NO_SITE: OwnAnswer = { status: 404, code: "no_such_site" };

function readTarget(url: string): RequestTarget | TargetRefusal {
  return url === "*" ? SERVER : parseTarget(url);
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
  parts: FrontParts,
  front: FrontRequest,
  request: Request,
  unreadable: Unreadable,
): HttpAnswer {
  front.trace.code = unreadable.code;
  // The access line names it, where there is one.
  const path = parts.accessLog === undefined ? shownTarget(request.url) : undefined;
  parts.log.info(unreadable.reason, { ...faultFields(front), path });
  return refuse(parts, front, request, unreadable);
}

function refuse(
  parts: FrontParts,
  front: FrontRequest,
  request: Request,
  answer: OwnAnswer,
): HttpAnswer {
  return finish(
    parts,
    "",
    front,
    request,
    ownResponse(front, request.headers.get("accept"), answer),
  );
}

/** Says what the answer was, now or when its body has gone. */
function finish(
  parts: FrontParts,
  site: string,
  front: FrontRequest,
  request: Request,
  response: HttpAnswer,
): HttpAnswer {
  const counted = withKnownLength(front, restoreOddStatus(front, response));
  const sent = counted instanceof Response && front.trace.sentFields !== undefined
    ? withFieldsApart(counted, front.trace.sentFields)
    : counted;
  const body = front.bodyProgress;
  if (body === undefined || body.ended) report(parts, site, front, request, counted);
  else body.onEnded = () => report(parts, site, front, request, counted);
  return sent;
}

/** Where nothing says how long a body is, as behind compression, its bytes are counted. */
function withKnownLength(front: FrontRequest, response: HttpAnswer): HttpAnswer {
  if (!(response instanceof Response) || response.body === null) return response;
  if (front.bodyProgress !== undefined || response.headers.has("content-length")) return response;
  if (hasNoBody(front.method, response.status)) return response;
  const watched = new WatchedBody(response.body);
  front.bodyProgress = watched;
  const { status, statusText, headers } = response;
  return responseOf(watched.stream, { status, statusText, headers });
}

function report(
  parts: FrontParts,
  site: string,
  front: FrontRequest,
  request: Request,
  response: HttpAnswer,
): void {
  const durationMs = parts.clock.nowMs() - front.startedMs;
  const broken = front.bodyProgress?.error;
  if (broken !== undefined) front.trace.code = broken.code;
  parts.metrics.onAnswer(site, front.method, response.status, durationMs / 1000);
  if (broken !== undefined && broken.code !== "client_gone") {
    parts.log.error(`Answer broke off: ${broken.message}`, faultFields(front));
  }
  const { bytesIn, upstreamMs } = front.trace;
  parts.accessLog?.info("request", {
    ...faultFields(front),
    path: front.target.raw || shownTarget(request.url),
    status: response.status,
    bytes_in: bytesIn ?? 0,
    bytes_out: front.bodyProgress?.bytes ?? lengthOf(front.method, response),
    duration_ms: round(durationMs),
    upstream_ms: upstreamMs === undefined ? undefined : round(upstreamMs),
    client: front.peer.host,
    host: front.host.name,
  });
}

/** A refused target may be as long as a whole head. */
function shownTarget(url: string): string {
  return url.length > REFUSED_TARGET_SHOWN_MAX
    ? `${url.slice(0, REFUSED_TARGET_SHOWN_MAX)} [cut]`
    : url;
}

/** Bytes of an answer whose sending nobody watches: one of our own, or a file. */
function lengthOf(method: string, response: HttpAnswer): number {
  return hasNoBody(method, response.status) ? 0 : Math.max(0, answerLength(response));
}

/** Fields of a log line about a request that failed. */
export function faultFields(front: FrontRequest) {
  const { upstream, server, connection, stream, code, traceId } = front.trace;
  return {
    request_id: front.id,
    upstream,
    server,
    connection,
    stream,
    method: front.method,
    path: front.target.raw,
    code,
    trace_id: traceId,
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
