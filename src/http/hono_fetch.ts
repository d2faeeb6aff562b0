/**
 * Hono's way through a site's routes. Its types ask for Fetch's own `Request`; it and our handlers
 * use of it what an {@link HttpRequest} has: method, URL, headers, body and signal. This is the only
 * place that says so.
 */
import type { Hono } from "hono";
import type { HttpRequest } from "../runtime/http_request.ts";
import type { GatewayEnv, RequestContext } from "./request_context.ts";

export function honoFetch(
  app: Pick<Hono<GatewayEnv>, "fetch">,
  request: HttpRequest,
  context: RequestContext,
): Response | Promise<Response> {
  return app.fetch(request as Request, context);
}
