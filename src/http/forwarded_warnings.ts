/**
 * What a trusted proxy says and nobody can read, as log lines. A client decides how often it happens
 * wherever its proxy passes on what it sends, so a site has one line of each kind in a minute, with
 * the number of those that were left out; the metric counts them all.
 */
import type { Logger } from "../observe/logger.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorFields } from "./gateway.ts";
import type { RequestContext } from "./request_context.ts";
import type { ForwardedError } from "./trusted_proxies.ts";

export const FORWARDED_WARNING_INTERVAL_MS = 60_000;
/** Characters of the value that are shown. */
const VALUE_LENGTH_MAX = 200;

interface Told {
  atMs: number;
  leftOut: number;
}

/** Says it at the first time, and then once in a while. */
export class ForwardedWarnings {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** By site and kind, so it is bounded by the configuration. */
  readonly #told = new Map<string, Told>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  warn(
    site: string,
    context: RequestContext,
    { field, value, isClientUnknown }: ForwardedError,
  ): void {
    const key = `${isClientUnknown} ${site}`;
    const nowMs = this.#clock.nowMs();
    const told = this.#told.get(key) ?? { atMs: -Infinity, leftOut: 0 };
    this.#told.set(key, told);
    if (nowMs - told.atMs < FORWARDED_WARNING_INTERVAL_MS) {
      told.leftOut++;
      return;
    }
    this.#log.warn(
      isClientUnknown
        ? `Client is unknown: cannot read what a trusted proxy says in ${field}`
        : `Cannot read what a trusted proxy says in ${field}; it does not count`,
      {
        ...errorFields(context),
        code: isClientUnknown ? "client_unknown" : "forwarded_ignored",
        site,
        proxy: context.proxy,
        value: value.slice(0, VALUE_LENGTH_MAX),
        left_out: told.leftOut || undefined,
      },
    );
    told.atMs = nowMs;
    told.leftOut = 0;
  }
}
