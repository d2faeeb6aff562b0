/**
 * The Gemini entrance of one address: takes connections, reads requests, refuses what is malformed or
 * meant for somebody else, finds the site, and says in one line and one count what came of it.
 */
import type { CertificateSource } from "../certificates/source.ts";
import { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import { SiteTable } from "../routing/site_table.ts";
import type { TcpAddress } from "../runtime/address.ts";
import { FileError } from "../runtime/file_error.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsConnection, TlsListener, TlsVersion } from "../runtime/tls.ts";
import { isHeader } from "./response_header.ts";
import { errorReply, ownReply, plainHeader } from "./own_replies.ts";
import { errorText } from "../upstream/errors.ts";
import { ClientLimits } from "./client_limits.ts";
import { Conversation, type Delivery, type HeldCount } from "./conversation.ts";
import type { GeminiMetrics } from "./gemini_metrics.ts";
import { isAddress } from "./host.ts";
import type { GeminiLimits } from "./options.ts";
import type { GeminiReply, GeminiRequest, GeminiTrace } from "./request.ts";
import type { GeminiSite } from "./site.ts";
import { type GeminiUri, parseUri, type UriRefusal } from "./uri.ts";

export interface GeminiGatewayDeps {
  readonly runtime: Runtime;
  readonly limits: GeminiLimits;
  readonly metrics: GeminiMetrics;
  /** For responses of our own. */
  readonly log: Logger;
  /** Undefined: no access log. */
  readonly accessLog: Logger | undefined;
  readonly nextRequestId: () => string;
  /** Counts requests until their responses have gone; left out: nobody waits for them. */
  readonly open?: { begin(): void; end(): void };
  /** Counts what waits for slow clients; left out: nobody does. */
  readonly memory?: HeldCount;
  /** Connections over all listeners; left out: only those of this one are bounded. */
  readonly connections?: {
    admit(host: string): boolean;
    leave(host: string): void;
  };
}

/** A site under one of its hosts, with that host's certificate. */
export interface GeminiHost {
  readonly host: string;
  readonly site: GeminiSite;
  readonly certificates: CertificateSource;
}

const NO_URI: GeminiUri = {
  kind: "uri",
  scheme: "",
  host: "",
  port: 0,
  url: "",
  encodedPath: "/",
  path: "/",
  query: undefined,
};

export class GeminiGateway {
  #deps: GeminiGatewayDeps;
  #hosts: SiteTable<GeminiHost>;
  #first: GeminiHost;
  #clients: ClientLimits;
  readonly #limited: LimitedLog;
  /** Connections that are secure. */
  readonly #conversations = new Set<Conversation>();
  /** Those of them that have no request yet. */
  readonly #waiting = new Set<Conversation>();
  #listener: TlsListener | undefined;
  #onIdle: (() => void) | undefined;

  /** `hosts` are those of every site at the address; the first one's certificate is the default. */
  constructor(hosts: readonly GeminiHost[], deps: GeminiGatewayDeps) {
    this.#deps = deps;
    this.#limited = new LimitedLog(deps.log, deps.runtime.clock);
    this.#first = hosts[0]!;
    this.#hosts = tableOf(hosts);
    this.#clients = new ClientLimits(deps.limits, deps.runtime.clock);
  }

  /** Serves these from now on. Requests that have begun end as they began. */
  configure(hosts: readonly GeminiHost[], deps: GeminiGatewayDeps, versionMin: TlsVersion): void {
    this.#deps = deps;
    this.#first = hosts[0]!;
    this.#hosts = tableOf(hosts);
    this.#clients.configure(deps.limits);
    const handshakeTimeoutMs = deps.limits.requestTimeoutMs;
    this.#listener?.configureTls?.({ versionMin, handshakeTimeoutMs });
  }

  get address(): TcpAddress {
    return this.#listener!.address;
  }

  /** @throws {ListenError} */
  async listen(address: TcpAddress, versionMin: TlsVersion, descriptor?: number): Promise<void> {
    const { metrics, log, limits, runtime } = this.#deps;
    this.#listener = await runtime.tls.listen({
      address,
      descriptor,
      versionMin,
      handshakeTimeoutMs: limits.requestTimeoutMs,
      identify: (name, hello, localHost) => {
        const own = localHost.includes(":") ? `[${localHost}]` : localHost;
        const host = this.#hosts.find(name || own) ?? (name === "" ? this.#first : undefined);
        return host?.certificates.find(name, hello);
      },
      admit: (peer) => this.#admit(peer),
      onGone: ({ host }) => {
        this.#clients.disconnect(host);
        this.#deps.connections?.leave(host);
      },
      onHandshakeFailed: (peer, reason) => {
        metrics.onDropped("handshake_failed");
        log.debug(`Handshake failed: ${reason}`, { client: peer.host });
      },
      onConnection: (connection) => void this.#serve(connection),
    });
  }

  /** What accepts. */
  get listener(): TlsListener | undefined {
    return this.#listener;
  }

  /** Stops accepting, lets responses finish, drops who has not asked yet. */
  async stop(): Promise<void> {
    this.#listener?.close();
    for (const conversation of this.#waiting) conversation.cut();
    if (this.#conversations.size === 0) return;
    await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Cuts everything at once. */
  destroy(): void {
    this.#listener?.close();
    for (const conversation of this.#conversations) conversation.cut();
  }

  #admit(peer: HttpPeer): boolean {
    const { connections } = this.#deps;
    let isAdmitted = this.#clients.connect(peer.host);
    if (isAdmitted && connections?.admit(peer.host) === false) {
      this.#clients.disconnect(peer.host);
      isAdmitted = false;
    }
    if (!isAdmitted) {
      this.#deps.metrics.onDropped("too_many_connections");
      this.#deps.log.debug("Too many connections", { client: peer.host });
    }
    return isAdmitted;
  }

  async #serve(connection: TlsConnection): Promise<void> {
    const { runtime, limits, memory } = this.#deps;
    const conversation = new Conversation(connection, runtime.clock, limits, memory);
    this.#conversations.add(conversation);
    try {
      await this.#converse(conversation);
    } finally {
      this.#conversations.delete(conversation);
      if (this.#conversations.size === 0) this.#onIdle?.();
    }
  }

  async #converse(conversation: Conversation): Promise<void> {
    const { metrics, log } = this.#deps;
    const { connection } = conversation;
    this.#waiting.add(conversation);
    const line = await conversation.readLine();
    this.#waiting.delete(conversation);
    if (typeof line === "string") {
      if (line === "timeout") metrics.onDropped("request_timeout");
      log.debug(`No request: ${line}`, { client: connection.peer.host });
      return;
    }
    const { open } = this.#deps;
    open?.begin();
    try {
      await this.#answer(conversation, line);
    } finally {
      open?.end();
    }
  }

  async #answer(
    conversation: Conversation,
    line: Exclude<Awaited<ReturnType<Conversation["readLine"]>>, string>,
  ): Promise<void> {
    const { nextRequestId, runtime } = this.#deps;
    const { connection } = conversation;
    const startedMs = runtime.clock.nowMs();
    const parsed = line.kind === "line" ? parseUri(line.uri) : line;
    const uri = parsed.kind === "uri" ? parsed : NO_URI;
    const host = parsed.kind === "uri" ? this.#find(connection, parsed) : undefined;
    const request: GeminiRequest = {
      id: nextRequestId(),
      uri,
      port: this.#portOf(host),
      connection,
      trace: {},
      signal: conversation.signal,
    };
    const reply = await this.#reply(request, host, parsed);
    const delivery = await conversation.reply(reply);
    this.#report(request, host, reply, delivery, startedMs);
  }

  async #reply(
    request: GeminiRequest,
    host: GeminiHost | undefined,
    parsed: GeminiUri | UriRefusal,
  ): Promise<GeminiReply> {
    const waitS = this.#clients.request(request.connection.peer.host);
    if (waitS > 0) {
      return ownReply(request, "too_many_requests", { code: 44, meta: String(waitS) });
    }
    if (parsed.kind === "refused") {
      return ownReply(request, "bad_request", { code: 59, meta: parsed.reason });
    }
    if (host === undefined || parsed.scheme !== "gemini" || parsed.port !== request.port) {
      return ownReply(request, "proxy_refused", plainHeader(53));
    }
    try {
      const reply = await host.site.reply(request);
      if (isHeader(reply.header)) return reply;
      if (reply.body instanceof ReadableStream) reply.body.cancel().catch(() => {});
      // The client's URI went into it: no error of ours, so no exception.
      const reason = `META of code ${reply.header.code} is too long or has a line end`;
      this.#deps.log.error(reason, { ...fieldsOf(request), code: "bad_answer" });
      return ownReply(request, "bad_answer", plainHeader(40));
    } catch (error) {
      if (error instanceof FileError) return this.#fileFailed(request, error);
      const fields = { ...fieldsOf(request), code: "internal_error" };
      this.#limited.log("internal_error", "error", errorText(error), fields);
      return ownReply(request, "internal_error", plainHeader(40));
    }
  }

  #fileFailed(request: GeminiRequest, error: FileError): GeminiReply {
    const reply = errorReply(request, error);
    const fields = { ...fieldsOf(request), errno: error.code || undefined };
    this.#limited.log(`${fields.code} ${error.code}`, "error", error.message, fields);
    return reply;
  }

  /** The site of a URI, when the client has asked for the same name in its handshake. */
  #find(connection: TlsConnection, uri: GeminiUri): GeminiHost | undefined {
    const isNamed = connection.serverName === undefined
      ? isAddress(uri.host)
      : connection.serverName === uri.host;
    return isNamed ? this.#hosts.find(uri.host) : undefined;
  }

  #portOf(host: GeminiHost | undefined): number {
    return host?.site.port ?? this.address.port;
  }

  #report(
    request: GeminiRequest,
    host: GeminiHost | undefined,
    reply: GeminiReply,
    delivery: Delivery,
    startedMs: number,
  ): void {
    const { metrics, log, accessLog, runtime } = this.#deps;
    const { code } = reply.header;
    const site = host?.site.name ?? "";
    const { trace } = request;
    noteFailure(trace, reply, delivery);
    if (delivery.failure === "broken") {
      const reason = reply.progress?.error?.message ?? "it could not be read";
      log.error(`Response broke off: ${reason}`, fieldsOf(request));
    }
    metrics.onReply(site, code);
    accessLog?.info("request", {
      ...fieldsOf(request),
      protocol: "gemini",
      status: code,
      bytes_out: delivery.bytes,
      duration_ms: round(runtime.clock.nowMs() - startedMs),
      upstream_ms: trace.upstreamMs === undefined ? undefined : round(trace.upstreamMs),
      client: request.connection.peer.host,
      host: request.uri.host,
    });
  }
}

function tableOf(hosts: readonly GeminiHost[]): SiteTable<GeminiHost> {
  const table = new SiteTable<GeminiHost>();
  for (const host of hosts) table.add([host.host], host);
  return table;
}

function noteFailure(trace: GeminiTrace, reply: GeminiReply, { failure }: Delivery): void {
  if (failure === undefined) return;
  if (failure === "broken") trace.code = reply.progress?.error?.code ?? "internal_error";
  else trace.code = failure;
}

export function fieldsOf(request: GeminiRequest) {
  const { upstream, server, connection, stream, code } = request.trace;
  return {
    request_id: request.id,
    upstream,
    server,
    connection,
    stream,
    path: request.uri.encodedPath,
    code,
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
