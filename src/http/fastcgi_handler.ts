/**
 * FastCGI behind any Hono app: a handler for `app.all(...)`. Unlike afcgi's own gateway it sees
 * only what Hono hands over, so who knows the client's address says so.
 */
import { asResponse } from "../runtime/http_response.ts";
import type { Context, Handler } from "hono";
import { ParameterTemplate } from "../cgi/parameters.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { ownResponse } from "./own_responses.ts";
import { exchange } from "./fastcgi_exchange.ts";
import type { OwnResponse, RequestContext } from "./request_context.ts";
import { parseHost } from "./host.ts";
import { HTTP_LIMIT_DEFAULTS, type HttpLimits } from "./options.ts";
import { RequestIdSource } from "./request_id.ts";
import { scriptTarget } from "./script_target.ts";
import { parseTarget } from "./target.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

export interface FastCgiOptions {
  readonly upstream: Upstream;
  /** The part of the path that is SCRIPT_NAME; the rest is PATH_INFO. Empty when left out. */
  readonly scriptName?: string;
  /** Below it lie the files that SCRIPT_FILENAME names; none when left out. */
  readonly root?: string;
  /** Parameters of our own, null for one never sent; they win over what a client sends. */
  readonly params?: Readonly<Record<string, string | null>>;
  readonly limits?: Partial<HttpLimits>;
  /** The client's address; unknown when left out. */
  readonly peer?: (context: Context) => HttpPeer;
  /** What went wrong when a response had to be made in the application's place. */
  readonly onError?: (error: unknown) => void;
  /** @deprecated Use `onError`. */
  readonly onFault?: (error: unknown) => void;
}

const UNKNOWN_PEER: HttpPeer = { host: "", port: 0 };

/**
 * Sends what the route matches to a FastCGI application and answers with its response.
 *
 * @throws {TypeError} when `upstream` is no `Upstream`
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { fastcgi, Upstream } from "afcgi";
 *
 * const app = new Hono();
 * app.all("/api/*", fastcgi({ upstream: new Upstream("tcp://127.0.0.1:9000") }));
 * ```
 */
export function fastcgi(options: FastCgiOptions): Handler {
  const { upstream, scriptName = "", root, params = {}, onError = options.onFault } = options;
  if (typeof upstream?.send !== "function") {
    throw new TypeError(
      'Cannot use "upstream": it is no Upstream (use new Upstream("tcp://127.0.0.1:9000"))',
    );
  }
  const requestIds = new RequestIdSource();
  const route = {
    upstream,
    template: new ParameterTemplate({ serverSoftware: "afcgi", documentRoot: root, params }),
    limits: { ...HTTP_LIMIT_DEFAULTS, ...options.limits },
    onError: (error: unknown) => onError?.(error),
  };
  return (context) => {
    const request = context.req.raw;
    const peer = options.peer?.(context) ?? UNKNOWN_PEER;
    const requestContext = readRequest(request, requestIds.next(), peer);
    if (!("target" in requestContext)) {
      const refused = { id: requestIds.next(), trace: {}, method: request.method };
      return ownResponse(refused, request.headers.get("accept"), requestContext);
    }
    const script = scriptTarget(scriptName, root, requestContext.target.path);
    return asResponse(exchange(route, request, requestContext, script));
  };
}

function readRequest(
  request: HttpRequest,
  id: string,
  peer: HttpPeer,
): RequestContext | OwnResponse {
  const host = parseHost(request.headers.get("host") ?? "localhost");
  if (host === undefined) return { status: 400, code: "bad_host" };
  const target = parseTarget(request.url);
  if (target.kind === "refused") return target;
  const scheme = request.url.startsWith("https:") ? "https" : "http";
  return {
    id,
    method: request.method,
    target,
    host,
    peer,
    listener: { scheme, host: "", port: 0 },
    startedMs: 0,
    trace: {},
    passed: undefined,
    extra: undefined,
    rules: undefined,
    bodyProgress: undefined,
  };
}
