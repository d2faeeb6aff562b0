/** What others see of a running afcgi. */
import type { Address } from "../runtime/address.ts";
import type { ServerOptions as UpstreamServer } from "../upstream/options.ts";
import type { ThreadReport } from "./followers.ts";
import type { AppOptions } from "./options.ts";
import type { PreparedReload, ReloadResult } from "./reload.ts";

export interface RunningApp {
  readonly addresses: readonly Address[];
  /** What is spoken at each of the addresses. */
  readonly schemes: readonly ("http" | "https")[];
  readonly geminiAddresses: readonly Address[];
  readonly adminAddress: Address | undefined;
  readonly healthAddress: Address | undefined;
  /** Those that serve. */
  readonly options: AppOptions;
  /**
   * Does everything of another configuration that can fail. One at a time: the next one waits until
   * this one was committed or discarded.
   *
   * @throws as what could not be opened says; nothing has changed then
   */
  prepare(options: AppOptions): Promise<PreparedReload>;
  /** Reads the configuration again and serves it, or changes nothing. Never rejects. */
  reload(cause: string): Promise<ReloadResult>;
  /**
   * The sockets that listen, by the keys of their places, for a process that takes over; undefined
   * where they cannot be handed over.
   */
  sockets(): ReadonlyMap<string, number> | undefined;
  /**
   * Takes nothing new, finishes what is in flight within the grace, cuts the rest. When another
   * process has taken over the sockets, what is kept alive may make one more request.
   */
  stop(isTakenOver?: boolean): Promise<void>;
  /** Spawned applications get new workers, one by one; resolves to whether there are any. */
  replaceWorkers(): Promise<boolean>;
  /** With servers that somebody else supplies: these, from now on. */
  useServers(upstream: string, servers: readonly UpstreamServer[]): Promise<void>;
  /** What is counted and what there is, as the admin address says it. */
  report(): ThreadReport;
  /** Opens every log file at its path anew. @throws when one cannot be; the one before stays */
  reopenLogs(): void;
  /** Cuts everything at once. */
  destroy(): void;
}
