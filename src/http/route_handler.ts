/** What a route does with a request, as every kind of route and Hono's side of them see it. */
import type { HttpAnswer } from "../runtime/http_answer.ts";
import type { FrontRequest } from "./front_request.ts";

/** A route's answer; undefined where the next route that matches may know better. */
export type RouteHandler = (
  request: Request,
  front: FrontRequest,
) => HttpAnswer | Promise<HttpAnswer> | undefined;
