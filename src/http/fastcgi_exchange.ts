/**
 * Sends a request that a route has matched to its upstream, and makes the response: what the
 * `fastcgi` and the `php` handler have in common.
 */
import { isScriptError } from "../php/script_error.ts";
import { asResponse, type HttpResponse } from "../runtime/http_response.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { ResponseSource, UpstreamRequest, UpstreamResponse } from "../upstream/request.ts";
import type { BodyMode } from "../upstream/request_body.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { ownResponse, responseForError } from "./own_responses.ts";
import { RequestBodyTooLargeError, takeBody } from "./body_limit.ts";
import type {
  OwnResponse,
  RequestContext,
  ResponsePart,
  UpstreamTrace,
} from "./request_context.ts";
import { GatewayRequest, type RequestParameters, type SendableBody } from "./gateway_request.ts";
import { readToItsEnd } from "./exchange_options.ts";
import { type Handover, handOver } from "./handover.ts";
import type { HttpLimits } from "./options.ts";
import type { ResponseCompressor } from "./response_compressor.ts";
import type { ResponseStore } from "./response_store.ts";
import type { ScriptTarget } from "./script_target.ts";
import { hasNoBody, toHttpResponse, toResponse } from "./upstream_response.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

const SWITCHING_PROTOCOLS = 101;

/** Where requests go: an upstream, or whoever wants to see what it would be sent. */
export type Destination = Pick<Upstream, "options" | "send">;

/** What a route says of its requests and responses, whatever its upstream speaks. */
export interface ExchangeRoute {
  readonly upstream: Destination;
  readonly limits: HttpLimits;
  /** How a body goes to the application; `auto` when left out. */
  readonly bodyMode?: BodyMode | undefined;
  /** Obeys what an application asks of the gateway; left out: nothing is obeyed. */
  readonly handover?: Handover;
  /** Left out: responses go on as they are. */
  readonly compressor?: ResponseCompressor | undefined;
  /** What went wrong, for the log; the client gets less. */
  readonly onError: (error: unknown, context: RequestContext) => void;
}

export interface FastCgiRoute extends Omit<RequestParameters, "handover">, ExchangeRoute {
  /** php-fpm did not run the script; left out: nobody wants to know why. */
  readonly onScriptError?: ((params: Uint8Array, context: RequestContext) => void) | undefined;
  /** Keeps copies of responses; left out: nobody does. */
  readonly store?: ResponseStore | undefined;
}

export type MakeRequest = (
  route: FastCgiRoute,
  request: HttpRequest,
  context: RequestContext,
  script: ScriptTarget,
  taken: SendableBody,
) => GatewayRequest;

const plainRequest: MakeRequest = (route, request, context, script, taken) =>
  new GatewayRequest(route, request, context, script, taken);

/** Never rejects: whatever goes wrong is a response, and told to `route.onError`. */
export async function forward(
  route: ExchangeRoute,
  request: HttpRequest,
  context: RequestContext,
  makeRequest: (taken: SendableBody) => UpstreamRequest,
  onSwitched?: (response: UpstreamResponse) => HttpResponse,
): Promise<HttpResponse> {
  const trace: UpstreamTrace = context.trace;
  try {
    const onLength = (length: number) => trace.bytesIn = length;
    const taken = takeBody(request, route.limits, onLength, route.bodyMode);
    if (taken.kind === "refused") return refuse(request, context, taken);
    trace.upstream = route.upstream.options.name;
    const upstreamResponse = await route.upstream.send(makeRequest(taken));
    noteSource(trace, upstreamResponse.source);
    if (upstreamResponse.head.status === SWITCHING_PROTOCOLS) return onSwitched!(upstreamResponse);
    const response = deliver(route, request, context, upstreamResponse);
    return response instanceof Promise ? await response : response;
  } catch (cause) {
    return refuseWithError(route, request, context, cause);
  }
}

/** As {@link forward}, to an application behind FastCGI. */
export async function exchange(
  route: FastCgiRoute,
  request: HttpRequest,
  context: RequestContext,
  script: ScriptTarget,
  makeRequest: MakeRequest = plainRequest,
): Promise<HttpResponse> {
  const trace: UpstreamTrace = context.trace;
  try {
    const taken = route.exchange?.passRequestBody === false ? NO_BODY : takeBody(
      request,
      route.limits,
      (length) => trace.bytesIn = length,
      route.bodyMode,
    );
    if (taken.kind === "refused") return refuse(request, context, taken);
    trace.upstream = route.upstream.options.name;
    const sent = makeRequest(route, request, context, script, taken);
    const received = await route.upstream.send(sent);
    const upstreamResponse = route.exchange === undefined
      ? received
      : byRules(route, received, request, context);
    noteSource(trace, upstreamResponse.source);
    // php-fpm writes such a response at once, so it is whole here.
    if (
      route.onScriptError !== undefined &&
      isScriptError(upstreamResponse.head.status, upstreamResponse.body)
    ) {
      route.onScriptError(sent.params(undefined), context);
    }
    const response = deliver(route, request, context, upstreamResponse);
    // A turn more, and what was about to break off has broken off before its headers are sent.
    return response instanceof Promise ? await response : response;
  } catch (cause) {
    return refuseWithError(route, request, context, cause);
  }
}

const NO_BODY = { kind: "none", contentLength: undefined } as const;

/** The response as the route's options have it. */
function byRules(
  { sectionRule, exchange, store }: FastCgiRoute,
  received: UpstreamResponse,
  request: HttpRequest,
  context: RequestContext,
): UpstreamResponse {
  const response = store?.keep(received, request, context) ?? received;
  const { head, body } = response;
  return {
    ...response,
    head: sectionRule?.(head) ?? head,
    body: exchange?.ignoreClientAbort && body instanceof ReadableStream ? readToItsEnd(body) : body,
  };
}

/** Where a response came from, for the log. */
export function noteSource(trace: UpstreamTrace, source: ResponseSource): void {
  trace.server = source.server;
  trace.connection = source.connection;
  trace.stream = source.stream;
  trace.upstreamMs = source.headMs;
}

/** An application's response as it is, or as it asks for. @throws {UpstreamError} `bad_answer` */
export function deliver(
  route: ExchangeRoute,
  request: HttpRequest,
  context: RequestContext,
  upstreamResponse: UpstreamResponse,
): HttpResponse | Promise<HttpResponse> {
  const { directives, localRedirect } = upstreamResponse.head;
  if (directives === undefined && localRedirect === undefined) {
    return respond(route, request, context, upstreamResponse);
  }
  const goOn = () => asResponse(respond(route, request, context, upstreamResponse));
  return handOver(route.handover, request, context, upstreamResponse, goOn);
}

/** What went wrong, as a response. */
export function refuseWithError(
  route: ExchangeRoute,
  request: HttpRequest,
  context: RequestContext,
  cause: unknown,
): Response {
  const error = asClientGone(cause);
  if (error instanceof UpstreamError && error.server !== undefined) {
    const trace: UpstreamTrace = context.trace;
    trace.server = error.server;
  }
  route.onError(error, context);
  return refuse(request, context, responseForError(error));
}

/** An application's response as that of our client. */
export function respond(
  { compressor }: ExchangeRoute,
  request: HttpRequest,
  context: RequestContext,
  upstreamResponse: UpstreamResponse,
): HttpResponse | Promise<HttpResponse> {
  const { method } = context;
  const whole = upstreamResponse.body instanceof Uint8Array ? upstreamResponse.body : undefined;
  if (!hasNoBody(method, upstreamResponse.head.status)) {
    const part: ResponsePart = context;
    part.bodyProgress = upstreamResponse.progress;
  }
  const trace: UpstreamTrace = context.trace;
  trace.sentFields = upstreamResponse.head.headers;
  if (compressor === undefined) return toHttpResponse(upstreamResponse, method);
  return compressor.apply(request, context, toResponse(upstreamResponse, method), whole);
}

function refuse(request: HttpRequest, context: RequestContext, own: OwnResponse): Response {
  return ownResponse(context, request.headers.get("accept"), own);
}

/**
 * The stream of a request's body fails when its connection does, or when its chunks are malformed,
 * which the HTTP server answers by itself: in any case nobody waits for a response of ours.
 */
function asClientGone(error: unknown): unknown {
  if (!(error instanceof UpstreamError) || error.code !== "request_body_failed") return error;
  const { phase, fault, sent, cause } = error;
  if (fault !== "client" || cause instanceof RequestBodyTooLargeError) return error;
  const message = "The client left in the middle of its upload";
  return new UpstreamError("client_gone", message, { phase, fault, sent, cause });
}
