/**
 * The whole configuration as the program uses it: read, checked, with every default filled in.
 * `config/` makes it from a file, flags and the environment; `app.ts` beside this file runs it.
 */
import type { HttpLimits, SiteOptions } from "../http/options.ts";
import type { LogLevel } from "../observe/logger.ts";
import type { Address } from "../runtime/address.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

export interface ListenOptions {
  readonly address: Address;
  /** Paths of PEM files. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "text";
  /** Where access lines go: `-` is standard output, `off` is nowhere, else a file's path. */
  readonly access: string;
}

export interface AppOptions {
  readonly listen: readonly ListenOptions[];
  readonly upstreams: readonly UpstreamOptions[];
  readonly sites: readonly SiteOptions[];
  readonly admin: Address | undefined;
  readonly log: LogOptions;
  readonly limits: HttpLimits;
  readonly shutdownGraceMs: number;
  /** Processes that share the port; each is a whole afcgi. */
  readonly workers: number;
}
