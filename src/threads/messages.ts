/**
 * What the main thread and those that serve say to each other. A message is copied on its way, but for
 * shared memory; what threads need of each other at every connection is in that (`src/shared/`).
 */
import type { AppOptions } from "../app/options.ts";
import type { StderrLine } from "../app/passed_stderr.ts";
import type { AdminStatus } from "../app/process_share.ts";
import type { LimitedLine } from "../observe/limited_log.ts";
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { PauseReason } from "../runtime/listener.ts";
import type { ProcessMemory } from "../shared/process_memory.ts";
import type { UpstreamMemory } from "../shared/upstream_memory.ts";
import type { ServerOptions } from "../upstream/options.ts";
import type { ServerNews } from "../upstream/upstream_share.ts";

/** A configuration as a thread runs it. */
export interface ThreadConfig {
  /** Each listener has its address in force, by which its connections come. */
  readonly options: AppOptions;
  readonly upstreams: ReadonlyMap<string, UpstreamMemory>;
}

/** What has happened that a thread has not been told, because it did not have the upstream yet. */
export interface Present {
  /** Servers that are supplied, by upstream. */
  readonly servers: ReadonlyMap<string, readonly ServerOptions[]>;
  /** Servers that are down now. */
  readonly news: readonly News[];
}

export interface News {
  /** The number of the upstream's shared memory: one that changes is another one. */
  readonly upstream: number;
  readonly server: string;
  readonly news: ServerNews;
}

export interface StartMessage {
  readonly kind: "start";
  readonly thread: number;
  readonly owner: number;
  readonly version: string;
  readonly process: ProcessMemory;
  readonly config: ThreadConfig;
  readonly present: Present;
  /** For digests of passwords. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** A password was right; nobody else need check its hash. */
export interface PasswordMessage {
  readonly kind: "password";
  readonly digest: string;
}

export type ToThread =
  | StartMessage
  | {
    readonly kind: "connection";
    readonly listener: string;
    readonly descriptor: number;
    /** By which it is taken (`shared/handover.ts`). */
    readonly number: number;
  }
  | IdentityMessage
  | ({ readonly kind: "news" } & News)
  | {
    readonly kind: "servers";
    readonly id: number;
    readonly upstream: string;
    readonly servers: readonly ServerOptions[];
  }
  | PasswordMessage
  | { readonly kind: "question"; readonly id: number }
  | { readonly kind: "prepare"; readonly id: number; readonly config: ThreadConfig }
  | { readonly kind: "commit"; readonly id: number; readonly present: Present }
  | { readonly kind: "discard"; readonly id: number }
  | { readonly kind: "stop"; readonly isTakenOver: boolean };

/** Which certificate a handshake wants. */
export interface IdentityQuestion {
  readonly listener: string;
  readonly serverName: string;
  readonly hello: ClientHello;
  readonly localHost: string;
}

/** What a handshake gets. */
export interface IdentityMessage {
  readonly kind: "identity";
  readonly id: number;
  /** The same number is the same certificate; 0: there is none. */
  readonly number: number;
  readonly identity: TlsIdentity | undefined;
  readonly error: string | undefined;
}

export type LogName = "access" | "error";

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "log"; readonly log: LogName; readonly text: string }
  | PasswordMessage
  /** A line that other threads may say as well. */
  | { readonly kind: "limited"; readonly line: LimitedLine }
  | { readonly kind: "stderr"; readonly lines: readonly StderrLine[] }
  | ({ readonly kind: "identify"; readonly id: number } & IdentityQuestion)
  | ({ readonly kind: "news" } & News)
  | {
    readonly kind: "pause" | "resume";
    readonly listener: string;
    readonly reason: PauseReason;
  }
  | ({ readonly kind: "response"; readonly id: number } & ThreadReport)
  | { readonly kind: "prepared"; readonly id: number; readonly error: string | undefined }
  /** What was prepared serves now. */
  | { readonly kind: "committed"; readonly id: number }
  /** No requests are left at servers that were taken away. */
  | { readonly kind: "supplied"; readonly id: number }
  | { readonly kind: "stopped" };

/** What a thread says of itself. */
export interface ThreadReport {
  /** As Prometheus reads it. */
  readonly metrics: string;
  readonly status: AdminStatus;
}
