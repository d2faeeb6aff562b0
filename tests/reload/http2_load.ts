/**
 * Clients of HTTP/2 that ask without a pause, several streams at a time, and count. A client that is
 * told GOAWAY asks nothing more on that connection and opens another; streams above the last one
 * that the server names were not looked at and are asked again. Every other stream must get its whole
 * response.
 */
import assert from "node:assert/strict";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";

const STREAMS = 5;

export interface Http2LoadResult {
  readonly responses: number;
  /** Connections that ended as a GOAWAY said. */
  readonly closed: number;
  readonly bodies: ReadonlySet<string>;
}

export class Http2Load {
  readonly #port: number;
  readonly #clients: Promise<void>[];
  readonly #bodies = new Set<string>();
  #responses = 0;
  #closed = 0;
  #isOver = false;

  constructor(port: number, clients: number) {
    this.#port = port;
    this.#clients = Array.from({ length: clients }, () => this.#run());
    // Who stops hears of it.
    for (const client of this.#clients) client.catch(() => {});
  }

  get responses(): number {
    return this.#responses;
  }

  /** Rejects with the first stream that got no whole response. */
  async stop(): Promise<Http2LoadResult> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return { responses: this.#responses, closed: this.#closed, bodies: this.#bodies };
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const client = await SocketHttp2Client.open(this.#port);
      while (!this.#isOver && client.goaway === undefined && !client.isClosed) {
        const ids = Array.from(
          { length: STREAMS },
          () => client.request(requestFields("GET", "/")),
        );
        for (const id of ids) await this.#take(client, id);
        client.frames.splice(0, client.goaway === undefined ? client.frames.length : 0);
        // The processes that come and go want some of the machine, too.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      if (client.goaway !== undefined) {
        assert.equal(client.goaway, "NO_ERROR");
        this.#closed++;
      } else assert.equal(client.isClosed, false, "closed without a GOAWAY");
      client.destroy();
    }
  }

  async #take(client: SocketHttp2Client, id: number): Promise<void> {
    await client.until(() =>
      client.isClosed || client.response(id).isWhole || this.#lastId(client) < id
    );
    const { isWhole, status } = client.response(id);
    // Nobody has looked at it: it is asked again on the next connection.
    if (!isWhole && this.#lastId(client) < id) return;
    assert.ok(isWhole, `stream ${id} got no whole response`);
    const body = client.text(id);
    assert.equal(status, 200, body);
    this.#bodies.add(body);
    this.#responses++;
  }

  /** The last stream that the server takes. */
  #lastId(client: SocketHttp2Client): number {
    const last = client.of("GOAWAY").at(-1)?.payload;
    return last === undefined ? Infinity : new DataView(last.buffer, last.byteOffset).getUint32(0);
  }
}
