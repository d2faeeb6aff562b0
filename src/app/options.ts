/**
 * The whole configuration as the program uses it: read, checked, with every default filled in.
 * `config/` makes it from a file, flags and the environment; `app.ts` beside this file runs it.
 */
import type { ListenerTlsOptions } from "../certificates/options.ts";
import type { AcmeOptions } from "../acme/options.ts";
import type { ClientOptions } from "./client_bounds.ts";
import type { GeminiLimits, GeminiSiteOptions } from "../gemini/options.ts";
import type { HttpLimits, SiteOptions } from "../http/options.ts";
import type { ServerOptions } from "../http1/server.ts";
import type { Http2Limits } from "../http2/limits.ts";
import type { LogLevel } from "../observe/logger.ts";
import type { Address, ServeAddress } from "../runtime/address.ts";
import type { SpawnOptions } from "../spawn/options.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

export interface ListenOptions {
  readonly address: ServeAddress;
  /** Undefined: HTTP without TLS. */
  readonly tls: ListenerTlsOptions | undefined;
  /** Networks whose peers must say first whose connection it is; left out: nobody does. */
  readonly proxyProtocol?: readonly string[] | undefined;
  /** Whether HTTP/2 is spoken as well; left out: it is. */
  readonly http2?: boolean;
  /** Whether HTTP/3 is spoken on the UDP port of the same number; left out: it is not. */
  readonly http3?: boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "text";
  /** Where access lines go: `-` is standard output, `off` is nowhere, else a file's path. */
  readonly access: string;
}

/** `/readyz` says yes when every application takes connections, or as soon as we listen. */
export const READY_WHEN = ["application", "listening"] as const;
export type ReadyWhen = (typeof READY_WHEN)[number];

export interface AppOptions {
  readonly listen: readonly ListenOptions[];
  readonly upstreams: readonly UpstreamOptions[];
  /** Applications that afcgi starts itself; their upstreams are `supplied`. */
  readonly spawns?: readonly SpawnOptions[];
  readonly sites: readonly SiteOptions[];
  /** Left out: nothing is served over Gemini. */
  readonly gemini?: { readonly sites: readonly GeminiSiteOptions[]; readonly limits: GeminiLimits };
  /** The directory of accounts, certificates and keys; left out: the usual one. */
  readonly store?: string;
  /** Who issues certificates for sites with `tls: auto`; left out: the default. */
  readonly acme?: AcmeOptions;
  readonly admin: Address | undefined;
  /** Where probes get responses, and nothing is shown or taken beside; left out: nowhere. */
  readonly health?: Address | undefined;
  /** Names under which the admin address answers, beside its own, addresses and `localhost`. */
  readonly adminHosts?: readonly string[];
  /** What `/readyz` waits for; left out: the applications. */
  readonly readyWhen?: ReadyWhen;
  readonly log: LogOptions;
  readonly limits: HttpLimits;
  /** What a connection of HTTP/2 may ask; left out: the defaults. */
  readonly http2Limits?: Http2Limits;
  /** How long clients may take; left out: the defaults. */
  readonly httpTimeouts?: ServerOptions["timeouts"];
  /** Most bytes of all temporary files together; left out: the default. */
  readonly spillTotalMax?: number;
  /** Most bytes that buffers hold in memory together; left out: the default. */
  readonly bufferMemoryMax?: number;
  /** How many connections clients may have; left out: as many as fit. */
  readonly clients?: ClientOptions;
  readonly shutdownGraceMs: number;
  /** How long a stop goes on taking connections while it is not ready any more; left out: not. */
  readonly shutdownDelayMs?: number;
  /** Whom afcgi becomes once it listens; left out: it stays who it is. */
  readonly user?: string | undefined;
  /** Threads that serve; auto: one for each processor. */
  readonly workers: number | "auto";
}
