/**
 * One line for a response that had to be made in the application's place, or in a file's. What has
 * its reason in ourselves (no descriptors left, a disk that fails, an exception) would be said of
 * each request there is, so it is said once a second.
 */
import { responseForError } from "../http/own_responses.ts";
import { errorFields } from "../http/gateway.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import { scriptError } from "../php/script_error.ts";
import { decodeNameValues } from "../protocol/name_value.ts";
import { FileError } from "../runtime/file_error.ts";
import type { Files } from "../runtime/files.ts";
import { errorText, UpstreamError } from "../upstream/errors.ts";

export function logError(
  { logger, limited }: { readonly logger: Logger; readonly limited: LimitedLog },
  error: unknown,
  context: RequestContext,
): void {
  const { status, code } = responseForError(error);
  const level = code === "client_gone" ? "debug" : status >= 500 ? "error" : "info";
  const fields = {
    ...errorFields(context),
    code,
    phase: error instanceof UpstreamError ? error.phase : undefined,
    errno: error instanceof FileError ? error.code || undefined : undefined,
    status,
  };
  const message = errorText(error);
  const isOurs = error instanceof FileError || code === "local_limit" || code === "internal_error";
  if (isOurs) limited.log(`${code} ${fields.errno}`, level, message, fields);
  else logger.log(level, message, fields);
}

/** A copy of a response that was not kept: its client has noticed nothing. */
export function logStoreError(limited: LimitedLog, error: unknown, context: RequestContext): void {
  const errno = error instanceof FileError ? error.code || undefined : undefined;
  const fields = { ...errorFields(context), code: "store_failed", errno };
  limited.log(`store_failed ${errno}`, "error", errorText(error), fields);
}

/** One line, of the request that failed, for a response in which php-fpm says no more than "no". */
export function logScriptError(
  logger: Logger,
  files: Files,
  params: Uint8Array,
  context: RequestContext,
): void {
  const values = new Map(decodeNameValues(params));
  const sent = values.get("SCRIPT_FILENAME");
  const code = "script_not_run";
  logger.error(scriptError(files, sent, values.get("PATH_TRANSLATED")), {
    ...errorFields(context),
    code,
    script_filename: sent,
  });
}
