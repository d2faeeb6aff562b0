/**
 * What a client may send of bodies (RFC 9113 section 5.2). The connection's window is given back as it
 * comes, so that one body which nobody reads holds up no other; a stream's is given back as its body
 * is read, and grows where the reader is faster than the client.
 */
import { ConnectionError, StreamError } from "./errors.ts";
import { CONNECTION_WINDOW, STREAM_WINDOW, STREAM_WINDOW_MAX } from "./limits.ts";
import { mayReceive, type StreamState } from "./stream_state.ts";

/** A stream as far as its window goes. */
export interface Receiving {
  readonly id: number;
  readonly state: StreamState;
  /** What the client may send. */
  receiveWindow: number;
  /** What it may have at once. */
  windowMax: number;
  /** What was read, and the client has not been told. */
  unannounced: number;
}

export class ReceiveWindows {
  readonly #grownMax: number;
  readonly #announce: (streamId: number, increment: number) => void;
  #window = CONNECTION_WINDOW;
  #unannounced = 0;
  /** What windows of streams have grown by, all together. */
  #grown = 0;

  constructor(grownMax: number, announce: (streamId: number, increment: number) => void) {
    this.#grownMax = grownMax;
    this.#announce = announce;
  }

  /** @throws {ConnectionError} */
  takeOfConnection(length: number): void {
    this.#window -= length;
    if (this.#window < 0) {
      throw new ConnectionError("FLOW_CONTROL_ERROR", "More DATA than the connection's window");
    }
    this.#unannounced += length;
    if (this.#unannounced < CONNECTION_WINDOW / 2) return;
    const increment = this.#unannounced;
    this.#unannounced = 0;
    this.#window += increment;
    this.#announce(0, increment);
  }

  /** @throws {StreamError} */
  takeOfStream(stream: Receiving, length: number): void {
    stream.receiveWindow -= length;
    if (stream.receiveWindow >= 0) return;
    throw new StreamError(stream.id, "FLOW_CONTROL_ERROR", "More DATA than the stream's window");
  }

  /** So many bytes were read; `isWaiting`: the reader wanted more than there was. */
  consumed(stream: Receiving, length: number, isWaiting: boolean): void {
    if (!mayReceive(stream.state)) return;
    stream.unannounced += length;
    if (stream.unannounced < stream.windowMax / 2) return;
    if (isWaiting) this.#grow(stream);
    const increment = stream.unannounced;
    stream.unannounced = 0;
    stream.receiveWindow += increment;
    this.#announce(stream.id, increment);
  }

  /** The stream is over. */
  release(stream: Receiving): void {
    this.#grown -= stream.windowMax - STREAM_WINDOW;
    stream.windowMax = STREAM_WINDOW;
  }

  #grow(stream: Receiving): void {
    const more = stream.windowMax;
    if (2 * more > STREAM_WINDOW_MAX || this.#grown + more > this.#grownMax) return;
    this.#grown += more;
    stream.windowMax += more;
    stream.unannounced += more;
  }
}
