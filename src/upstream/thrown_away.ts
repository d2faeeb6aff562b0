/** Responses that nobody gets, because another server may have a better one. */
import type { Attempts } from "./attempts.ts";
import type { ExchangeContext } from "./exchange_context.ts";
import type { UpstreamRequest, UpstreamResponse } from "./request.ts";
import type { Server } from "./server.ts";

/** The server of the running attempt has had the request. */
export function noteTried(attempts: Attempts): void {
  if (attempts.server === undefined) return;
  attempts.tried = new Set([...attempts.tried, attempts.server]);
}

/** What has been made of a request so far. */
interface AnsweredAttempt {
  readonly request: Pick<UpstreamRequest, "method" | "nextServer">;
  readonly attempts: Attempts;
  readonly payload: { readonly isThere: boolean };
}

/**
 * Whether a response is thrown away, because another server may have a better one: by what its
 * request says of its status, within the limits of `retry`.
 */
export function throwsAway(
  { request: { method, nextServer }, attempts, payload }: AnsweredAttempt,
  { head, body }: UpstreamResponse,
  { servers }: { readonly servers: readonly Server[] },
  { options, observer }: Pick<ExchangeContext<never>, "options" | "observer">,
): boolean {
  if (nextServer === undefined || !nextServer.hasStatus(head.status)) return false;
  const { attemptsMax, methods } = options.retry;
  if (attempts.count > attemptsMax || !payload.isThere) return false;
  if (!nextServer.anyMethod && !methods.includes(method)) return false;
  noteTried(attempts);
  if (servers.every((server) => attempts.tried.has(server))) return false;
  if (body instanceof ReadableStream) void body.cancel();
  observer.onRetry(options.name, "bad_answer");
  return true;
}
