/**
 * What a trusted proxy says and nobody can read, as log lines. A client decides how often it happens
 * wherever its proxy passes on what it sends, so a site has one line of each kind in a minute, with
 * the number of those that were left out; the metric counts them all.
 */
import type { LimitedLog } from "../observe/limited_log.ts";
import { errorFields } from "./gateway.ts";
import type { RequestContext } from "./request_context.ts";
import type { ForwardedError } from "./trusted_proxies.ts";

export const FORWARDED_WARNING_INTERVAL_MS = 60_000;
/** Characters of the value that are shown. */
const VALUE_LENGTH_MAX = 200;

/** Says it at the first time, and then once in a while. */
export function warnForwarded(
  log: LimitedLog,
  site: string,
  context: RequestContext,
  { field, value, isClientUnknown }: ForwardedError,
): void {
  const code = isClientUnknown ? "client_unknown" : "forwarded_ignored";
  log.log(
    `${code} ${site}`,
    "warn",
    isClientUnknown
      ? `Client is unknown: cannot read what a trusted proxy says in ${field}`
      : `Cannot read what a trusted proxy says in ${field}; it does not count`,
    {
      ...errorFields(context),
      code,
      site,
      proxy: context.proxy,
      value: value.slice(0, VALUE_LENGTH_MAX),
    },
    FORWARDED_WARNING_INTERVAL_MS,
  );
}
