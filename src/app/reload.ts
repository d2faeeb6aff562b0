/**
 * Reloads, one after the other: reads the configuration again, prepares it, and commits it or changes
 * nothing. However many ask while one is under way, one more follows for all of them: it reads what
 * is there after the last of them asked.
 */
import type { Logger } from "../observe/logger.ts";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorText } from "../upstream/errors.ts";
import { fingerprint } from "./fingerprint.ts";
import type { AppOptions } from "./options.ts";

/** A configuration that is ready to serve in the place of the one that does. */
export interface PreparedReload {
  /** Swaps. It cannot fail; what only the configuration before had ends with its last request. */
  commit(): Promise<void>;
  /** Closes what was opened for it: nothing has changed. */
  discard(): Promise<void>;
}

/** What was read. */
export interface LoadedOptions {
  readonly options: AppOptions;
  /** What a user may not expect. */
  readonly notes: readonly string[];
}

export interface ReloadDeps {
  /** Reads all of it again. @throws with a line for each error */
  readonly load: () => Promise<LoadedOptions>;
  readonly app: { prepare(options: AppOptions): Promise<PreparedReload> };
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly clock: Clock;
  /** It begins, or is over. */
  readonly onReload?: ((result: ReloadResult | undefined) => Promise<void>) | undefined;
}

export type ReloadResult =
  | {
    readonly ok: true;
    /** Counts from 1, the start. */
    readonly generation: number;
    /** What takes effect at the next start only, and notes. */
    readonly warnings: readonly string[];
  }
  | { readonly ok: false; readonly generation: number; readonly errors: readonly string[] };

export class Reloader {
  readonly #deps: ReloadDeps;
  /** The options that serve, but for what a restart alone changes. */
  #options: AppOptions;
  #generation = 1;
  #isLastGood = true;
  #lastGoodMs: number;
  #running: Promise<ReloadResult> | undefined;
  #next: Promise<ReloadResult> | undefined;

  constructor(options: AppOptions, deps: ReloadDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#lastGoodMs = deps.clock.wallMs();
    this.#registerMetrics();
  }

  get generation(): number {
    return this.#generation;
  }

  /** Never rejects. `cause` says who wants it, for the log. */
  reload(cause: string): Promise<ReloadResult> {
    if (this.#running === undefined) return this.#running = this.#begin(cause);
    return this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#running = this.#begin(cause);
    });
  }

  async #begin(cause: string): Promise<ReloadResult> {
    await this.#deps.onReload?.(undefined);
    const result = await this.#run(cause);
    await this.#deps.onReload?.(result);
    this.#running = undefined;
    return result;
  }

  async #run(cause: string): Promise<ReloadResult> {
    const { load, app, logger, clock } = this.#deps;
    logger.info("reloading", { cause });
    try {
      const { options, notes } = await load();
      const warnings = [...notes, ...restartWarnings(this.#options, options)];
      await (await app.prepare(options)).commit();
      const { user, workers, admin, health } = this.#options;
      this.#options = { ...options, user, workers, admin, health };
      this.#generation++;
      this.#isLastGood = true;
      this.#lastGoodMs = clock.wallMs();
      for (const warning of warnings) logger.warn(warning);
      const generation = this.#generation;
      logger.info("configuration reloaded", { cause, generation, code: "reloaded" });
      return { ok: true, generation, warnings };
    } catch (error) {
      this.#isLastGood = false;
      const errors = errorText(error).split("\n");
      const code = "reload_failed";
      for (const line of errors) {
        logger.error(`The configuration stays as it was: ${line}`, { cause, code });
      }
      return { ok: false, generation: this.#generation, errors };
    }
  }

  #registerMetrics(): void {
    const { registry } = this.#deps;
    registry.number(
      "afcgi_config_generation",
      "Configurations that have served, the one that serves among them.",
      () => this.#generation,
    );
    registry.number(
      "afcgi_config_last_reload_successful",
      "1, or 0 when the last reload failed.",
      () => this.#isLastGood ? 1 : 0,
    );
    registry.number(
      "afcgi_config_last_reload_success_timestamp_seconds",
      "When the configuration that serves began to, in seconds since 1970.",
      () => this.#lastGoodMs / 1000,
    );
  }
}

/** What only a start looks at, by the key that says it. */
const RESTART_KEYS: readonly (readonly [key: string, of: (options: AppOptions) => unknown])[] = [
  ["user", ({ user }) => user],
  ["workers", ({ workers }) => workers],
  ["admin.listen", ({ admin }) => admin],
  ["admin.health", ({ health }) => health],
];

function restartWarnings(before: AppOptions, after: AppOptions): string[] {
  const keys = RESTART_KEYS.filter(([, of]) => fingerprint(of(before)) !== fingerprint(of(after)))
    .map(([key]) => key);
  if (changesSocketFile(before, after)) keys.push("listen[].mode");
  return keys.map((key) => `A change of "${key}" needs a restart; it stays as it was`);
}

/** Whether mode or group of a unix socket change that stays. */
function changesSocketFile(before: AppOptions, after: AppOptions): boolean {
  const files = (options: AppOptions) =>
    new Map(
      options.listen.flatMap(({ address }) =>
        address.transport === "unix" ? [[address.path, fingerprint(address.file)] as const] : []
      ),
    );
  const old = files(before);
  return [...files(after)].some(([path, file]) => old.has(path) && old.get(path) !== file);
}
