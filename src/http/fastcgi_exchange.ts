/**
 * Sends a request that a route has matched to its upstream, and makes the answer: what the
 * `fastcgi` and the `php` handler have in common.
 */
import type { CgiRequest } from "../cgi/request.ts";
import type { ParameterTemplate } from "../cgi/parameters.ts";
import { Role } from "../protocol/constants.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamRequest } from "../upstream/request.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { answerForFault, ownResponse } from "./answers.ts";
import { takeBody } from "./body_limit.ts";
import type { FrontRequest } from "./front_request.ts";
import type { HttpLimits } from "./options.ts";
import { toResponse } from "./upstream_response.ts";

/** Which script of the application is asked. */
export interface ScriptTarget {
  readonly scriptName: string;
  readonly pathInfo: string;
  readonly scriptFilename: string | undefined;
}

export interface FastCgiRoute {
  readonly upstream: Upstream;
  readonly template: ParameterTemplate;
  readonly limits: HttpLimits;
  /** What went wrong, for the log; the client gets less. */
  readonly onFault: (error: unknown, front: FrontRequest) => void;
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

export async function exchange(
  route: FastCgiRoute,
  request: Request,
  front: FrontRequest,
  script: ScriptTarget,
): Promise<Response> {
  const accept = () => request.headers.get("accept");
  const taken = takeBody(request, route.limits);
  if (taken.kind === "refused") return ownResponse(front, accept(), taken);
  const { trace } = front;
  trace.upstream = route.upstream.options.name;
  const upstreamRequest: UpstreamRequest = {
    id: front.id,
    role: Role.RESPONDER,
    method: front.method,
    params: (bodyLength) => {
      const contentLength = taken.kind === "none" ? taken.contentLength : bodyLength;
      return route.template.encode(cgiRequest(request, front, script, contentLength));
    },
    body: taken.kind === "body" ? taken.body : undefined,
    signal: request.signal,
  };
  try {
    const answer = await route.upstream.send(upstreamRequest);
    const { source, progress } = answer;
    trace.server = source.server;
    trace.connection = source.connection;
    trace.stream = source.stream;
    trace.upstreamMs = source.headMs;
    front.bodyProgress = progress;
    return toResponse(answer, front.method);
  } catch (error) {
    if (error instanceof UpstreamError && error.server !== undefined) trace.server = error.server;
    route.onFault(error, front);
    return ownResponse(front, accept(), answerForFault(error));
  }
}

function cgiRequest(
  request: Request,
  front: FrontRequest,
  script: ScriptTarget,
  contentLength: number | undefined,
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
    serverPort: host.port ?? (listener.port || DEFAULT_PORT[listener.scheme]),
    serverAddress: listener.host,
    remoteAddress: peer.host,
    remotePort: peer.port,
    headers: request.headers,
    contentType: request.headers.get("content-type") ?? undefined,
    contentLength,
  };
}
