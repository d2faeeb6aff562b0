/** What a route does with a request, as every kind of route and Hono's side of them see it. */
import type { HttpResponse } from "../runtime/http_response.ts";
import type { RequestContext } from "./request_context.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** A route's response; undefined where the next route that matches may know better. */
export type RouteHandler = (
  request: HttpRequest,
  context: RequestContext,
) => HttpResponse | Promise<HttpResponse> | undefined;
