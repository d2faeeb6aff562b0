/**
 * What a connection has to write: records that have gathered, and bodies that fill them up. It knows
 * which requests have just begun: how many together, which tells whether the next one should wait for
 * others, and which of them the system has not been given yet, so that the application cannot have
 * seen them when the connection is lost.
 */
import type { ClientProtocol } from "../protocol/client_protocol.ts";
import { type BodySender, WRITE_LENGTH_MAX } from "./body_sender.ts";
import type { TransportOutput } from "./transport.ts";

export class ConnectionOutput implements TransportOutput {
  readonly #protocol: ClientProtocol;
  readonly #bodies: BodySender;
  /** Requests that have begun since output was taken last. */
  #count = 0;
  /** With the last output in which any did. */
  #together = 0;
  readonly #unsent: number[] = [];

  constructor(protocol: ClientProtocol, bodies: BodySender) {
    this.#protocol = protocol;
    this.#bodies = bodies;
  }

  began(id: number): void {
    this.#count++;
    this.#unsent.push(id);
  }

  isUnsent(id: number): boolean {
    return this.#unsent.includes(id);
  }

  /** Whether the last ones that were taken came one by one. */
  get cameAlone(): boolean {
    return this.#together <= 1;
  }

  /** It waits for no more of a turn: a buffer for all of it would be one that nobody keeps. */
  get isFull(): boolean {
    return this.#protocol.outputLength >= WRITE_LENGTH_MAX;
  }

  take(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#count > 0) this.#together = this.#count;
    this.#count = 0;
    this.#bodies.fill();
    return this.#protocol.outputLength > 0 ? this.#protocol.takeOutput() : undefined;
  }

  get isLast(): boolean {
    return this.#protocol.endsOutput;
  }

  sending(): void {
    this.#unsent.length = 0;
  }

  recycle(bytes: Uint8Array<ArrayBuffer>): void {
    this.#protocol.recycleOutput(bytes);
  }
}
