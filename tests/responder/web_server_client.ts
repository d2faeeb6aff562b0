/**
 * A web server for tests: one connection to a FastCGI server, many requests on it, and what came of
 * each. It waits for events, never for time.
 */
import { ClientConnection, type ClientEvent } from "../../src/protocol/client_connection.ts";
import { Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { untilTold } from "../support/idle.ts";

/** What a test sends; `body` null leaves STDIN open. */
export interface WebServerRequestOptions {
  readonly method?: string;
  readonly uri?: string;
  /** Over those that every request has; undefined takes one away. */
  readonly params?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Uint8Array | null;
  readonly role?: Role;
  readonly keepConnection?: boolean;
}

export type WebServerEnd =
  | { readonly appStatus: number; readonly protocolStatus: number }
  | "lost";

/** One request as its web server sees it. */
export class WebServerRequest {
  readonly id: number;
  stdout = "";
  stdoutLength = 0;
  stdoutEnded = false;
  stderr = "";
  end: WebServerEnd | undefined;
  readonly #client: WebServerClient;

  constructor(id: number, client: WebServerClient) {
    this.id = id;
    this.#client = client;
  }

  /** Resolves with END_REQUEST, or "lost" when the connection is over before. */
  async ended(): Promise<WebServerEnd> {
    await this.#client.until(() => this.end !== undefined);
    return this.end!;
  }

  /** The response once it is complete, split into its header section and its body. */
  async answer(): Promise<{ headers: string[]; body: string }> {
    await this.ended();
    const split = this.stdout.indexOf("\r\n\r\n");
    return {
      headers: this.stdout.slice(0, split).split("\r\n"),
      body: this.stdout.slice(split + 4),
    };
  }
}

/** See the top of this file. */
export class WebServerClient {
  readonly connection: ByteConnection;
  readonly protocol = new ClientConnection(2000);
  readonly requests = new Map<number, WebServerRequest>();
  /** The server has finished, or the connection broke. */
  closed = false;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Set<() => void>();
  #reading: Promise<void> | undefined;
  #paused = false;
  #resume: (() => void) | undefined;

  constructor(connection: ByteConnection) {
    this.connection = connection;
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  static async connect(runtime: Runtime, address: Address): Promise<WebServerClient> {
    const client = new WebServerClient(await runtime.connect(address));
    client.#reading = client.#read();
    return client;
  }

  /** Begins a request and hands it to the connection. */
  begin(options: WebServerRequestOptions = {}): WebServerRequest {
    const { method = "GET", uri = "/", body = "", role = Role.RESPONDER } = options;
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const params: [string, string][] = [];
    const all: Record<string, string | undefined> = {
      REQUEST_METHOD: method,
      REQUEST_URI: uri,
      HTTP_HOST: "app.test",
      REMOTE_ADDR: "192.0.2.1",
      CONTENT_LENGTH: bytes === null || bytes.length === 0 ? "" : String(bytes.length),
      ...options.params,
    };
    for (const [name, value] of Object.entries(all)) {
      if (value !== undefined) params.push([name, value]);
    }
    const id = this.protocol.begin({
      role,
      keepConnection: options.keepConnection ?? true,
      params: encodeNameValues(params),
    });
    const request = new WebServerRequest(id, this);
    this.requests.set(id, request);
    if (bytes !== null && role !== Role.AUTHORIZER) {
      this.protocol.sendStdin(id, bytes);
      this.protocol.endStdin(id);
    }
    this.flush();
    return request;
  }

  /** Sends what {@link protocol} has gathered; resolves when the connection has taken it. */
  flush(): Promise<void> {
    const bytes = this.protocol.takeOutput();
    return this.#writer.write(bytes).catch(() => {});
  }

  /** Resolves as soon as it holds, looked at after each read. @throws when it does not come to hold */
  async until(condition: () => boolean): Promise<void> {
    await untilTold(condition, (wake) => this.#waiting.add(wake));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#resume?.();
  }

  /** Lets go of the connection at once. */
  async destroy(): Promise<void> {
    this.connection.destroy();
    this.resume();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const reader = this.connection.readable.getReader();
    try {
      for (;;) {
        while (this.#paused) await new Promise<void>((resolve) => this.#resume = resolve);
        const { done, value } = await reader.read();
        if (done) break;
        this.#take(this.protocol.receive(value));
      }
    } catch {
      // Broken: the same as the end to a web server.
    }
    this.closed = true;
    this.#take(this.protocol.receiveEnd());
    this.connection.destroy();
  }

  #take(events: readonly ClientEvent[]): void {
    for (const event of events) {
      if (event.kind === "broken") throw event.error;
      if (event.kind === "values" || event.kind === "unknown_type") continue;
      if (event.kind === "unknown_record") continue;
      const request = this.requests.get(event.requestId)!;
      if (event.kind === "stdout") {
        request.stdout += new TextDecoder("latin1").decode(event.bytes);
        request.stdoutLength += event.bytes.length;
      } else if (event.kind === "stdout_end") request.stdoutEnded = true;
      else if (event.kind === "stderr") request.stderr += new TextDecoder().decode(event.bytes);
      else if (event.kind === "lost") request.end = "lost";
      else if (event.kind === "end") {
        request.end = { appStatus: event.appStatus, protocolStatus: event.protocolStatus };
      }
    }
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
