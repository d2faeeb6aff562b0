/** HTTP/2 on every listener that wants it: its limits, and what is counted and logged of its clients. */
import { Http2Connection } from "../http2/connection.ts";
import type { ErrorCodeName } from "../http2/constants.ts";
import type { ConnectionError } from "../http2/errors.ts";
import { HTTP2_LIMIT_DEFAULTS, type Http2Limits } from "../http2/limits.ts";
import type { GoawayReason, Http2Observer } from "../http2/observer.ts";
import type { OpenHttp2 } from "../http1/connection_server.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";
import type { HttpPeer } from "../runtime/connection.ts";

/** What the status page says. */
export interface Http2Status {
  readonly connections: number;
  readonly streams: number;
}

export class Http2Clients implements Http2Observer {
  readonly open: OpenHttp2;
  #connections = 0;
  #streams = 0;
  readonly #resets: Counter;
  readonly #goaways: Counter;
  readonly #limited: LimitedLog;
  #limits: Http2Limits;

  constructor(
    registry: MetricsRegistry,
    limited: LimitedLog,
    limits: Http2Limits = HTTP2_LIMIT_DEFAULTS,
  ) {
    this.#limited = limited;
    this.#limits = limits;
    this.open = (server, socket) =>
      new Http2Connection(server, socket, { limits: this.#limits, observer: this });
    this.#resets = registry.counter(
      "afcgi_http_stream_resets_total",
      "Streams of HTTP/2 that were reset, by who did it and the error's name.",
      ["by", "error"],
    );
    this.#goaways = registry.counter(
      "afcgi_http_goaways_total",
      "Connections of HTTP/2 that we ended, by reason: a limit of limits.http2, an error, or none.",
      ["reason"],
    );
    registry.number(
      "afcgi_http_stream_connections",
      "Connections of clients that speak HTTP/2.",
      () => this.#connections,
    );
    registry.number("afcgi_http_streams", "Streams of HTTP/2 that are open.", () => this.#streams);
  }

  /** The limits of connections from now on. */
  configure(limits: Http2Limits = HTTP2_LIMIT_DEFAULTS): void {
    this.#limits = limits;
  }

  get status(): Http2Status {
    return { connections: this.#connections, streams: this.#streams };
  }

  onOpened(): void {
    this.#connections++;
  }

  onClosed(): void {
    this.#connections--;
  }

  onStreamOpened(): void {
    this.#streams++;
  }

  onStreamClosed(): void {
    this.#streams--;
  }

  onReset(by: "client" | "server", code: ErrorCodeName | "unknown"): void {
    this.#resets.add([by, code.toLowerCase()]);
  }

  onGoaway(reason: GoawayReason, { host }: HttpPeer, error: ConnectionError | undefined): void {
    this.#goaways.add([reason]);
    if (error === undefined) return;
    const isLimit = error.limit !== undefined;
    const code = isLimit ? "http2_limit" : "http2_error";
    const told = isLimit
      ? `A client broke a limit of HTTP/2 and lost its connection: ${error.message}`
      : `A client's HTTP/2 could not be read: ${error.message}`;
    this.#limited.log(code, isLimit ? "warn" : "info", told, {
      code,
      client: host,
      limit: error.limit,
      error: error.code.toLowerCase(),
    });
  }
}
