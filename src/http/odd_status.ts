/**
 * Hono makes answers anew, every one to HEAD and others where middleware adds to them, and no
 * Response can be made with a status beyond 599, which an application may say. So such a status is
 * kept aside while Hono has the answer.
 */
import { type HttpResponse, responseOf } from "../runtime/http_response.ts";
import type { RequestContext } from "./request_context.ts";

/** The highest status that a Response can be made with. */
const STATUS_MAX = 599;

/** The answer for Hono. */
export function keepOddStatus(context: RequestContext, answer: Response): Response {
  if (answer.status <= STATUS_MAX) return answer;
  context.trace.oddStatus = answer.status;
  return withStatus(answer, STATUS_MAX);
}

/** The answer that Hono has made, with the status that was kept. */
export function restoreOddStatus<Answer extends HttpResponse>(
  context: RequestContext,
  answer: Answer,
): Answer | Response {
  const status = context.trace.oddStatus;
  if (status === undefined) return answer;
  context.trace.oddStatus = undefined;
  return answer instanceof Response && answer.status === STATUS_MAX
    ? withStatus(answer, status)
    : answer;
}

function withStatus({ body, statusText, headers }: Response, status: number): Response {
  return responseOf(body, { status, statusText, headers });
}
