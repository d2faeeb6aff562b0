/**
 * A request that passed the gateway's checks, with what is learnt of it on its way: Hono's handlers
 * find it as `c.env`. What it is made of says who writes it; everybody may read all of it. Who writes
 * a part names it: `const part: ResponsePart = context`. To others it is read-only, so tsc tells
 * where somebody else begins to write.
 */
import type { ClientVerdict } from "../certificates/client_verification.ts";
import type { UpstreamErrorCode } from "../upstream/errors.ts";
import type { ResponseFields, UpgradeResponse } from "../runtime/http_response.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { StaticRefusalCode } from "../static/refusal.ts";
import type { RequestHost } from "./host.ts";
import type { RequestTarget } from "./target.ts";
import type { HttpHeaders, HttpRequest } from "../runtime/http_request.ts";

/** Stable codes of responses that afcgi makes itself. */
export type ErrorCode =
  | UpstreamErrorCode
  | StaticRefusalCode
  | "file_error"
  | "bad_host"
  | "bad_target"
  | "target_too_long"
  | "method_not_allowed"
  | "no_such_site"
  | "https_only"
  | "client_certificate_required"
  | "client_certificate_refused"
  | "misdirected_request"
  | "no_such_route"
  | "no_such_script"
  | "script_not_allowed"
  | "rewrite_loop"
  | "proxy_loop"
  | "request_body_too_large"
  | "request_body_unreadable"
  | "answer_broke_off"
  | "unauthorized"
  | "authentication_busy"
  | "forbidden"
  | "bad_request"
  | "request_header_timeout"
  | "request_header_too_large"
  | "unknown_expectation"
  | "unknown_transfer_coding"
  | "unknown_http_version"
  | "internal_error";

/** Written where an application is asked: `fastcgi_exchange.ts`, `authorize.ts`. */
export interface UpstreamTrace {
  upstream?: string;
  server?: string;
  connection?: number;
  stream?: number;
  upstreamMs?: number;
  /** Of the request's body: what was declared, or what has come in chunks so far. */
  bytesIn?: number;
  /** Of an application's response: what a Response has joined can be told apart by them. */
  sentFields?: ResponseFields;
}

/** Written by who makes a response of our own, or sees one break off: `own_responses.ts`, `gateway.ts`. */
export interface ErrorTrace {
  code?: ErrorCode;
}

/** Written by `odd_status.ts`. */
export interface StatusTrace {
  /** A status beyond 599, while Hono has the response. */
  oddStatus?: number | undefined;
  /** A response with which the client leaves HTTP, while Hono has another in its place. */
  upgrade?: UpgradeResponse | undefined;
}

/** Written by `trace_context.ts`, where the site knows of traces. */
export interface TraceIds {
  traceId?: string;
}

/** What the log line says beside the request itself. */
export interface RequestTrace
  extends
    Readonly<UpstreamTrace>,
    Readonly<ErrorTrace>,
    Readonly<StatusTrace>,
    Readonly<TraceIds> {}

export interface ListenerInfo {
  readonly scheme: "http" | "https";
  /** Our own address; empty where it is every interface or a unix socket. */
  readonly host: string;
  readonly port: number;
}

/** The request itself. Whoever sees it otherwise (behind a proxy, handed over) makes another one. */
export interface ArrivedRequest {
  readonly id: string;
  readonly method: string;
  readonly target: RequestTarget;
  readonly host: RequestHost;
  readonly peer: HttpPeer;
  readonly listener: ListenerInfo;
  readonly startedMs: number;
  /** The trusted proxy that it came through, as `peer.host`; undefined where it came from nobody's. */
  readonly proxy?: string;
  /** Undefined for a request as the client sent it. */
  readonly handedOver?: HandedOver;
}

/** Written by `client_certificates.ts`. */
export interface CertificatePart {
  /** What holds of the client's certificate, once somebody has asked. */
  clientVerdict?: ClientVerdict | undefined;
}

/** Written by routes that leave the request to the next one: `passing.ts`, `site.ts`. */
export interface RoutingPart {
  /** Why a route before this one did not answer, should no other do. */
  passed: OwnResponse | undefined;
}

/** Written by routes that give the request another path: `rewriting_route.ts`. */
export interface RewritePart {
  target: RequestTarget;
  /** The path by which the route that rewrote it was found, while that route has the request. */
  matchedPath?: string | undefined;
  /** How many rewrites there were, and by which routes of the site. */
  rewrites?: { readonly count: number; readonly by: ReadonlySet<number> } | undefined;
  /** The place of a route behind which the request goes on; left out: it meets all. */
  goesOnBehind?: number | undefined;
  /** Whether internal routes are open to it, because a rewrite says so. */
  reachesInternal?: boolean;
}

/** Written by who learns something for the application, with `learnParameter`; by `authorize.ts`. */
export interface ParameterPart {
  /** Parameters that were learnt on the way; a character for each byte. */
  extra: Map<string, string> | undefined;
}

/** Written where an HTTP server was asked whether the request may go on: `site.ts`. */
export interface ForwardedPart {
  /** The request with that server's fields; undefined where nobody was asked. */
  forwarded?: HttpRequest | undefined;
}

/** Written by who makes the response, and by who makes another one of it. */
export interface ResponsePart {
  /** What becomes of the response, left by the route that makes it. */
  rules: ResponseFilter | undefined;
  /** Tells the end of a body that is sent as a stream; set by who made the stream. */
  bodyProgress: BodyWatch | undefined;
}

export interface RequestContext
  extends
    ArrivedRequest,
    Readonly<RewritePart>,
    Readonly<CertificatePart>,
    Readonly<RoutingPart>,
    Readonly<ParameterPart>,
    Readonly<ForwardedPart>,
    Readonly<ResponsePart> {
  readonly trace: RequestTrace;
}

/** The application will be told so. */
export function learnParameter(part: ParameterPart, name: string, value: string): void {
  part.extra ??= new Map();
  part.extra.set(name, value);
}

/** A request that an application's response made of the client's. */
export interface HandedOver {
  /** How many such responses led to it. */
  readonly hops: number;
  /** What the application says the content of a file to be. */
  readonly contentType: string | undefined;
}

/** What becomes of responses before they go out; `asked` are the request's headers. */
export interface ResponseFilter {
  apply(context: RequestContext, asked: HttpHeaders, response: Response): Promise<Response>;
}

/** What a response of our own says. */
export interface OwnResponse {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The part of `upstream/request.ts`'s BodyProgress that the log needs. */
export interface BodyWatch {
  readonly bytes: number;
  readonly ended: boolean;
  readonly error: { readonly code: ErrorCode; readonly message: string } | undefined;
  onEnded: (() => void) | undefined;
}

/** Hono's environment for our handlers. */
export interface GatewayEnv {
  Bindings: RequestContext;
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** The port that the client named, or meant. */
export function portOf({ host, listener }: RequestContext): number {
  return host.port ?? (listener.port || DEFAULT_PORT[listener.scheme]);
}
