/** afcgi's HTTP server on a clock that stands still, with clients of HTTP/2 in memory. */
import assert from "node:assert/strict";
import { latin1 } from "../../src/protocol/byte_buffer.ts";
import { Http2Connection } from "../../src/http2/connection.ts";
import type { ConnectionError } from "../../src/http2/errors.ts";
import { HTTP2_LIMIT_DEFAULTS, type Http2Limits } from "../../src/http2/limits.ts";
import { NO_OBSERVER } from "../../src/http2/observer.ts";
import { ManualClock } from "./memory/manual_clock.ts";
import { Http2Client } from "./http2_client.ts";
import { type Handler, http1World, settle, type WorldOptions } from "./http1_world.ts";
import type { MemoryCallbackSocket } from "./memory_callback_socket.ts";
import { atTestEnd } from "./world_test.ts";

export interface Http2WorldOptions extends WorldOptions {
  readonly limits?: Partial<Http2Limits>;
}

/** A client in memory: what it says arrives at once, what it is told when a test looks. */
export class MemoryHttp2Client extends Http2Client {
  readonly socket: MemoryCallbackSocket;

  constructor(socket: MemoryCallbackSocket) {
    super((bytes) => socket.send(bytes));
    this.socket = socket;
  }

  /** Reads what is there. */
  read(): this {
    const text = this.socket.takeText();
    if (text.length > 0) this.received(latin1(text));
    return this;
  }

  /** The same once promises and turns have settled. */
  async settled(): Promise<this> {
    await settle();
    return this.read();
  }
}

export interface Goaway {
  readonly reason: string;
  readonly error: ConnectionError | undefined;
}

/** A server, and `open` for one more client that has said what it says first. */
export async function http2World(
  handler: Handler,
  { limits, ...options }: Http2WorldOptions = {},
  clock = new ManualClock(),
) {
  const goaways: Goaway[] = [];
  const resets: string[] = [];
  const counts = { connections: 0, streams: 0 };
  const world = await http1World(handler, {
    openHttp2: (server, socket) =>
      new Http2Connection(server, socket, {
        limits: { ...HTTP2_LIMIT_DEFAULTS, ...limits },
        observer: {
          ...NO_OBSERVER,
          onOpened: () => void counts.connections++,
          onClosed: () => void counts.connections--,
          onStreamOpened: () => void counts.streams++,
          onStreamClosed: () => void counts.streams--,
          onReset: (by, code) => void resets.push(`${by} ${code}`),
          onGoaway: (reason, _peer, error) => void goaways.push({ reason, error }),
        },
      }),
    ...options,
  }, clock);
  // Behind the look at its sockets, which closes them.
  atTestEnd(() =>
    assert.deepEqual(counts, { connections: 0, streams: 0 }, "something is left of clients")
  );
  /** A client that has said nothing. */
  const openSilent = (protocol?: string): MemoryHttp2Client =>
    new MemoryHttp2Client(world.open(protocol));
  const open = (settings?: Uint8Array): MemoryHttp2Client => {
    const client = openSilent();
    client.greet(settings);
    return client;
  };
  return { ...world, clock, goaways, resets, counts, open, openSilent };
}
