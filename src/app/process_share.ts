/** What a program has in common with its other threads, and what it wants of them. */
import type { AdminStatus } from "../http/admin.ts";
import type { KnownPasswords } from "../passwords/verification_gate.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import type { MemoryShare } from "../upstream/buffer_memory.ts";
import type { SpaceShare } from "../upstream/spill_space.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { BudgetShare } from "../upstream/stderr_budget.ts";
import type { UpstreamShare } from "../upstream/upstream_share.ts";
import type { ClientShare } from "./client_connections.ts";
import type { AppOptions } from "./options.ts";
import type { StderrLine } from "./passed_stderr.ts";
import type { PreparedReload } from "./reload.ts";

export type { AdminStatus } from "../http/admin.ts";

/** Bounds that hold for all threads, seen from one. */
export interface ProcessShare {
  readonly clients: ClientShare;
  readonly space: SpaceShare;
  readonly memory: MemoryShare;
  readonly passwords: KnownPasswords;
  /** What applications write to the log. */
  readonly stderr: BudgetShare;
  /** A certificate is another one from the next handshake on. */
  certificatesChanged(): void;
  /** The same options, the same upstream. */
  upstreamOf(options: UpstreamOptions): UpstreamShare;
}

/** What is said of the whole process, where one thread cannot know it alone. */
export interface ProcessReports {
  /** The text for Prometheus, with all that threads have counted; `own` is this thread's. */
  metrics(own: string): Promise<string>;
  /** What `/status` says; `own` is what this thread says of itself. */
  status(own: AdminStatus): Promise<object>;
}

/** Threads that serve what this one accepts. */
export interface Followers extends ProcessReports {
  /**
   * Every thread gets ready for another configuration; the first call starts them. Its listeners have
   * the addresses in force.
   *
   * @throws when a thread cannot
   */
  prepare(options: AppOptions): Promise<PreparedReload>;
  /** Access lines go there from now on; undefined: nowhere. */
  useAccessLog(sink: TextSink | undefined): void;
  /** Lines of STDERR that threads pass on go there; called before they start. */
  hearStderr(take: (line: StderrLine) => void): void;
  /** As that of the App. */
  stop(isTakenOver: boolean): Promise<void>;
  /** Ends them at once. */
  destroy(): void;
  /** Whether one of them takes clients now, or all is about to stop. */
  readonly isServing: boolean;
}
