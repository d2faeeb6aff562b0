/**
 * Hono makes responses anew, every one to HEAD and others where middleware adds to them, and no
 * Response can be made with a status beyond 599, which an application may say, nor with 101, with
 * which a client leaves HTTP. So such a status is kept aside while Hono has the response.
 */
import {
  discardResponse,
  type HttpResponse,
  responseOf,
  toResponse,
  UpgradeResponse,
} from "../runtime/http_response.ts";
import type { RequestContext, StatusTrace } from "./request_context.ts";

/** The highest status that a Response can be made with. */
const STATUS_MAX = 599;

/** The response for Hono. */
export function keepOddStatus(context: RequestContext, response: Response): Response {
  if (response.status <= STATUS_MAX) return response;
  const trace: StatusTrace = context.trace;
  trace.oddStatus = response.status;
  return withStatus(response, STATUS_MAX);
}

/** What stands for a 101 meanwhile: it has no body either. */
const STANDS_FOR_UPGRADE = 204;

/** Any response for Hono. */
export function forHono(context: RequestContext, response: HttpResponse): Response {
  if (!(response instanceof UpgradeResponse)) return keepOddStatus(context, toResponse(response));
  const trace: StatusTrace = context.trace;
  trace.upgrade = response;
  return new Response(null, { status: STANDS_FOR_UPGRADE });
}

/** The 101 that was kept, unless what stands before the handler has refused it. */
export function restoreUpgrade(context: RequestContext, response: HttpResponse): HttpResponse {
  const trace: StatusTrace = context.trace;
  const { upgrade } = trace;
  if (upgrade === undefined) return response;
  trace.upgrade = undefined;
  if (response.status === STANDS_FOR_UPGRADE) return upgrade;
  discardResponse(upgrade);
  return response;
}

/** The response that Hono has made, with the status that was kept. */
export function restoreOddStatus<T extends HttpResponse>(
  context: RequestContext,
  response: T,
): T | Response {
  const trace: StatusTrace = context.trace;
  const status = trace.oddStatus;
  if (status === undefined) return response;
  trace.oddStatus = undefined;
  return response instanceof Response && response.status === STATUS_MAX
    ? withStatus(response, status)
    : response;
}

function withStatus({ body, statusText, headers }: Response, status: number): Response {
  return responseOf(body, { status, statusText, headers });
}
