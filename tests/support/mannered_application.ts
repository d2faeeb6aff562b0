/**
 * An application with the manners of some that exist: it says more than it does, closes what it was
 * asked to keep, dies of a question, or refuses what is over the limits that it tells. It counts what
 * a web server does to it. It runs on any runtime, in memory too.
 */
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection } from "../../src/protocol/server_connection.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";

export interface Manners {
  /** FCGI_MPXS_CONNS, as it says and as it is. */
  readonly multiplex: boolean;
  /** FCGI_MAX_CONNS; one more is closed on arrival. */
  readonly connectionsMax?: number;
  /** FCGI_MAX_REQS; one more is answered with OVERLOADED. */
  readonly requestsMax?: number;
  /**
   * What becomes of FCGI_GET_VALUES: answered, left without a response for ever, or the death of
   * the process, which a supervisor starts again at once.
   */
  readonly asked?: "answers" | "is_silent" | "dies";
  /** Closes a connection after its first response (node-fastcgi), though asked to keep it. */
  readonly closes?: boolean;
  /** Called with each request to `/die`; it closes the connection without a response. */
  readonly dies?: () => void;
  /** How long a response takes. */
  readonly responseMs?: number;
  /** How long the supervisor of one that has died leaves its place empty; Infinity: {@link comeBack}. */
  readonly restartMs?: number;
}

const GET_VALUES = 9;
const UNLIMITED = 10_000;
const RESTART_MS = 30;

export class ManneredApplication {
  /** How often it was asked with FCGI_GET_VALUES. */
  questions = 0;
  /** Connections and requests at once: now, and at most. */
  connections = 0;
  connectionsMax = 0;
  requests = 0;
  requestsMax = 0;
  /** Connections and requests that were over a limit. */
  refused = 0;
  requestsBegun = 0;
  readonly #runtime: Runtime;
  readonly #address: Address;
  readonly #manners: Manners;
  readonly #quota: RequestQuota;
  readonly #open = new Set<ByteConnection>();
  #listener: ByteListener | undefined;
  #isStopped = false;

  private constructor(runtime: Runtime, address: Address, manners: Manners) {
    this.#runtime = runtime;
    this.#address = address;
    this.#manners = manners;
    this.#quota = new RequestQuota(manners.requestsMax ?? UNLIMITED);
  }

  static async start(
    runtime: Runtime,
    address: Address,
    manners: Manners,
  ): Promise<ManneredApplication> {
    const application = new ManneredApplication(runtime, address, manners);
    await application.#listen();
    return application;
  }

  stop(): void {
    this.#isStopped = true;
    this.#die();
  }

  async #listen(): Promise<void> {
    this.#listener = await this.#runtime.listen(
      this.#address,
      (socket) => void this.#serve(socket),
    );
  }

  #die(): void {
    this.#listener?.close();
    for (const socket of this.#open) socket.destroy();
  }

  /** Listens again, after it has died. */
  async comeBack(): Promise<void> {
    if (!this.#isStopped) await this.#listen();
  }

  #restart(): void {
    this.#die();
    const { restartMs = RESTART_MS } = this.#manners;
    if (restartMs === Infinity) return;
    this.#runtime.clock.setTimer(() => void this.comeBack(), restartMs);
  }

  async #serve(socket: ByteConnection): Promise<void> {
    const { connectionsMax = UNLIMITED } = this.#manners;
    if (this.connections >= connectionsMax) {
      this.refused++;
      socket.destroy();
      return;
    }
    this.connections++;
    this.connectionsMax = Math.max(this.connectionsMax, this.connections);
    this.#open.add(socket);
    await this.#talk(socket).catch(() => {});
    socket.destroy();
    this.#open.delete(socket);
    this.connections--;
  }

  async #talk(socket: ByteConnection): Promise<void> {
    const { multiplex, connectionsMax = UNLIMITED, asked = "answers" } = this.#manners;
    const writer = socket.writable.getWriter();
    writer.closed.catch(() => {});
    const server = new ServerConnection({
      multiplex,
      quota: this.#quota,
      requestsMax: UNLIMITED,
      connectionsMax,
      paramsLengthMax: 1024 * 1024,
      paramsMax: 1_000,
    });
    const flush = () => {
      if (server.outputLength > 0) writer.write(server.takeOutput()).catch(() => {});
    };
    const closeWritten = async () => {
      await writer.close().catch(() => {});
      socket.destroy();
    };
    let isFirst = true;
    for await (const bytes of socket.readable) {
      if (isFirst && bytes[1] === GET_VALUES) {
        this.questions++;
        if (asked === "dies") return this.#restart();
        if (asked === "is_silent") continue;
      }
      isFirst = false;
      for (const event of server.receive(bytes)) {
        if (event.kind !== "begin") continue;
        if (event.parameters.toMap().get("REQUEST_URI") === "/die") {
          this.#manners.dies?.();
          return;
        }
        this.#respond(server, event.requestId, flush, closeWritten);
      }
      flush();
    }
  }

  #respond(
    server: ServerConnection,
    id: number,
    flush: () => void,
    closeWritten: () => Promise<void>,
  ): void {
    const { closes = false, responseMs = 5 } = this.#manners;
    this.requestsBegun++;
    this.requests++;
    this.requestsMax = Math.max(this.requestsMax, this.requests);
    this.#runtime.clock.setTimer(() => {
      this.requests--;
      if (!server.isInUse(id)) return;
      server.sendStdout(id, new TextEncoder().encode("Status: 200 OK\r\n\r\nhello"));
      server.endStdout(id);
      server.endRequest(id, 0, 0);
      flush();
      if (closes) void closeWritten();
    }, responseMs + (responseMs && this.requestsBegun % 4));
  }
}
