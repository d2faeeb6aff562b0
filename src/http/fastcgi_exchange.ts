/**
 * Sends a request that a route has matched to its upstream, and makes the answer: what the
 * `fastcgi` and the `php` handler have in common.
 */
import type { CgiRequest } from "../cgi/request.ts";
import type { ParameterTemplate } from "../cgi/parameters.ts";
import { isScriptFault } from "../php/script_fault.ts";
import { Role } from "../protocol/constants.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamRequest } from "../upstream/request.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { answerForFault, ownResponse } from "./answers.ts";
import { RequestBodyTooLargeError, takeBody } from "./body_limit.ts";
import { type FrontRequest, portOf } from "./front_request.ts";
import { type Handover, handOver } from "./handover.ts";
import type { HttpLimits } from "./options.ts";
import { type ComputedParameters, computeParameters } from "./route_parameters.ts";
import type { ScriptTarget } from "./script_target.ts";
import { hasNoBody, toResponse } from "./upstream_response.ts";

/** Where requests go: an upstream, or whoever wants to see what it would be sent. */
export type Destination = Pick<Upstream, "options" | "send">;

export interface FastCgiRoute {
  readonly upstream: Destination;
  readonly template: ParameterTemplate;
  /** Configured parameters that are made for each request; none, left out. */
  readonly computed?: ComputedParameters | undefined;
  readonly limits: HttpLimits;
  /** Obeys what an application asks of the gateway; left out: nothing is obeyed. */
  readonly handover?: Handover;
  /** What went wrong, for the log; the client gets less. */
  readonly onFault: (error: unknown, front: FrontRequest) => void;
  /** php-fpm did not run the script; left out: nobody wants to know why. */
  readonly onScriptFault?: ((params: Uint8Array, front: FrontRequest) => void) | undefined;
}

export async function exchange(
  route: FastCgiRoute,
  request: Request,
  front: FrontRequest,
  script: ScriptTarget,
): Promise<Response> {
  const accept = () => request.headers.get("accept");
  const { trace } = front;
  const taken = takeBody(request, route.limits, (length) => trace.bytesIn = length);
  if (taken.kind === "refused") return ownResponse(front, accept(), taken);
  trace.upstream = route.upstream.options.name;
  const upstreamRequest: UpstreamRequest = {
    id: front.id,
    role: Role.RESPONDER,
    method: front.method,
    params: (bodyLength) => {
      const contentLength = taken.kind === "none" ? taken.contentLength : bodyLength;
      const extra = route.computed === undefined
        ? front.extra
        : computeParameters(route.computed, front, request.headers);
      return route.template.encode(cgiRequest(request, front, script, contentLength, extra));
    },
    body: taken.kind === "body" ? taken.body : undefined,
    // Asked for only when the answer takes a while: Bun makes the signal then.
    get signal() {
      return request.signal;
    },
  };
  try {
    const answer = await route.upstream.send(upstreamRequest);
    const { source, progress } = answer;
    trace.server = source.server;
    trace.connection = source.connection;
    trace.stream = source.stream;
    trace.upstreamMs = source.headMs;
    // php-fpm writes such an answer at once, so it is whole here.
    if (route.onScriptFault !== undefined && isScriptFault(answer.head.status, answer.body)) {
      route.onScriptFault(upstreamRequest.params(undefined), front);
    }
    const passOn = (): Response => {
      const response = toResponse(answer, front.method);
      if (!hasNoBody(front.method, response.status)) front.bodyProgress = progress;
      return response;
    };
    const { directives, localRedirect } = answer.head;
    if (directives === undefined && localRedirect === undefined) return passOn();
    return await handOver(route.handover, request, front, answer, passOn);
  } catch (cause) {
    const error = asClientGone(cause);
    if (error instanceof UpstreamError && error.server !== undefined) trace.server = error.server;
    route.onFault(error, front);
    return ownResponse(front, accept(), answerForFault(error));
  }
}

/**
 * The stream of a request's body fails when its connection does, or when its chunks are malformed,
 * which Bun answers by itself and Deno with a close: in any case nobody waits for an answer of ours.
 */
function asClientGone(error: unknown): unknown {
  if (!(error instanceof UpstreamError) || error.code !== "request_body_failed") return error;
  const { phase, fault, sent, cause } = error;
  if (fault !== "client" || cause instanceof RequestBodyTooLargeError) return error;
  const message = "The client left in the middle of its upload";
  return new UpstreamError("client_gone", message, { phase, fault, sent, cause });
}

function cgiRequest(
  request: Request,
  front: FrontRequest,
  script: ScriptTarget,
  contentLength: number | undefined,
  extra: ReadonlyMap<string, string> | undefined,
): CgiRequest {
  const { listener, host, peer, target } = front;
  return {
    method: front.method,
    // Neither runtime tells the version; see docs/runtimes.md.
    protocol: "HTTP/1.1",
    scheme: listener.scheme,
    target: target.raw,
    scriptName: script.scriptName,
    pathInfo: script.pathInfo,
    query: target.query,
    scriptFilename: script.scriptFilename,
    serverName: host.name,
    serverPort: portOf(front),
    serverAddress: listener.host,
    remoteAddress: peer.host,
    remotePort: peer.port,
    headers: request.headers,
    contentType: request.headers.get("content-type") ?? undefined,
    contentLength,
    extra,
  };
}
