/**
 * The way out of a connection: responses take turns in it, and everything of one turn of the event
 * loop leaves in one write.
 *
 * Invariants:
 * - Responses' bytes wait here, uncopied, while {@link OUTPUT_LENGTH_MAX} bytes are encoded and not
 *   yet taken by the socket; so a response is read no faster than the web server takes it.
 * - While responses wait, each gets {@link PIECE_LENGTH_MAX} bytes at most before the next one's
 *   turn.
 * - At most one write is under way.
 *
 * It does not know what the bytes mean.
 */
import type { ServerConnection } from "../protocol/server_connection.ts";
import type { Clock } from "../runtime/clock.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Encoded bytes beyond which responses wait. */
export const OUTPUT_LENGTH_MAX = 128 * 1024;

/** Most bytes of one response before another's turn. */
export const PIECE_LENGTH_MAX = 32 * 1024;

export type OutputStream = "stdout" | "stderr";

/** Something that wants to be sent with the next write at the latest. */
export interface HeldBack {
  release(): void;
}

/** What waits of one stream of one request, in order. */
interface Lane {
  readonly requestId: number;
  readonly stream: OutputStream;
  readonly waiting: { bytes: Uint8Array; readonly resolve: () => void }[];
}

/** Sends what the requests of one connection have to say. */
export class Outlet {
  readonly #server: ServerConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #clock: Clock;
  readonly #onSent: () => void;
  readonly #onBroken: (error: unknown) => void;
  #heldBack: HeldBack[] = [];
  /** By {@link laneKey}; the first is the next whose turn it is. */
  readonly #lanes = new Map<number, Lane>();
  #scheduled = false;
  #writing = false;
  #closed = false;

  constructor(options: {
    server: ServerConnection;
    writable: WritableStream<Uint8Array>;
    clock: Clock;
    /** All that there was to send is with the operating system. */
    onSent: () => void;
    onBroken: (error: unknown) => void;
  }) {
    this.#server = options.server;
    this.#writer = options.writable.getWriter();
    this.#writer.closed.catch(() => {}); // A broken connection is told by the write.
    this.#clock = options.clock;
    this.#onSent = options.onSent;
    this.#onBroken = options.onBroken;
  }

  /** Whether something is left to send. */
  get isBusy(): boolean {
    return this.#writing || this.#server.outputLength > 0;
  }

  /**
   * Sends bytes of a request in its turn. Undefined when they are encoded already, else a promise
   * of that; it settles too when the request or the connection is over before.
   */
  send(requestId: number, stream: OutputStream, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#closed) return undefined;
    this.flushSoon();
    if (bytes.length <= PIECE_LENGTH_MAX && this.#lanes.size === 0 && this.#hasRoom()) {
      this.#encode(requestId, stream, bytes);
      return undefined;
    }
    const key = laneKey(requestId, stream);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { requestId, stream, waiting: [] };
      this.#lanes.set(key, lane);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    lane.waiting.push({ bytes, resolve });
    this.#giveTurns();
    return promise;
  }

  /** The request is over: what waits of it is dropped. */
  forget(requestId: number): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const key = laneKey(requestId, stream);
      for (const { resolve } of this.#lanes.get(key)?.waiting ?? []) resolve();
      this.#lanes.delete(key);
    }
  }

  /** Releases it before the next write, at the end of this turn of the event loop. */
  releaseSoon(held: HeldBack): void {
    this.#heldBack.push(held);
    this.flushSoon();
  }

  /** Has everything that is encoded written at the end of this turn of the event loop. */
  flushSoon(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#clock.atTurnEnd(() => {
      this.#scheduled = false;
      const heldBack = this.#heldBack;
      this.#heldBack = [];
      for (const held of heldBack) held.release();
      if (!this.#writing && !this.#closed) this.#write();
    });
  }

  /** Ends our direction; everything has been sent. */
  async end(): Promise<void> {
    this.close();
    try {
      await this.#writer.close();
    } catch {
      // Broken: then it is closed as well.
    }
  }

  /** Sends nothing more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const lane of this.#lanes.values()) {
      for (const { resolve } of lane.waiting) resolve();
    }
    this.#lanes.clear();
  }

  #hasRoom(): boolean {
    return this.#server.outputLength < OUTPUT_LENGTH_MAX;
  }

  /** First come first served, a piece each, round and round while there is room. */
  #giveTurns(): void {
    while (this.#lanes.size > 0 && this.#hasRoom()) {
      const [key, lane] = this.#lanes.entries().next().value!;
      const next = lane.waiting[0]!;
      this.#encode(lane.requestId, lane.stream, next.bytes.subarray(0, PIECE_LENGTH_MAX));
      next.bytes = next.bytes.subarray(PIECE_LENGTH_MAX);
      if (next.bytes.length === 0) {
        lane.waiting.shift();
        next.resolve();
      }
      // Taken out and put in again, the lane is the last in the map's order.
      this.#lanes.delete(key);
      if (lane.waiting.length > 0) this.#lanes.set(key, lane);
    }
  }

  #encode(requestId: number, stream: OutputStream, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (stream === "stdout") this.#server.sendStdout(requestId, bytes);
    else this.#server.sendStderr(requestId, bytes);
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#server.outputLength > 0 && !this.#closed) {
        const bytes = this.#server.takeOutput();
        this.#giveTurns();
        await this.#writer.write(bytes);
        this.#server.recycleOutput(bytes);
        this.#giveTurns();
      }
    } catch (error) {
      reportIfOurs(error, "writing to a web server");
      this.close();
      this.#onBroken(error);
    }
    this.#writing = false;
    if (!this.#closed) this.#onSent();
  }
}

function laneKey(requestId: number, stream: OutputStream): number {
  return requestId * 2 + (stream === "stderr" ? 1 : 0);
}
