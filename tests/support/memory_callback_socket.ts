/**
 * A client's socket in memory, for tests of what is done with one: what was written, in which order,
 * and whether it is read, is there to be looked at. The system takes everything at once, until a test
 * says how much it takes; then the rest waits for {@link MemoryCallbackSocket.take}.
 */
import type { OpenFile } from "../../src/runtime/open_file.ts";
import type { AcceptedSocket, SocketEvents } from "../../src/runtime/callback_socket.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";

export class MemoryCallbackSocket implements AcceptedSocket {
  readonly host: string;
  readonly port: number;
  /** What a handshake would have agreed on. */
  tls: AcceptedSocket["tls"];
  isBroken = false;
  /** Whether whoever serves it was told that it is closed. */
  isClosed = false;
  events!: SocketEvents;
  isPaused = false;
  /** How often it was paused or read again. */
  flowChanges = 0;
  /** How it ended: "end" leaves the client its turn. */
  ended: "no" | "end" | "destroy" | "reset" = "no";
  /** What the system takes before it is full. */
  room = Infinity;
  /** Whether the system sends files. */
  canTransfer = false;
  /** Bytes that it sent straight from files. */
  transferred = 0;
  /** How often bytes were sent that may wait for more. */
  aheads = 0;
  #taken: Uint8Array[] = [];
  #waiting: Uint8Array[] = [];

  constructor(host = "192.0.2.7", port = 4711) {
    this.host = host;
    this.port = port;
  }

  /** All that the system has taken, a character for each byte. */
  get text(): string {
    return this.#taken.map(fromLatin1).join("");
  }

  /** The text since the last call. */
  takeText(): string {
    const { text } = this;
    this.#taken = [];
    return text;
  }

  get unsentLength(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Uint8Array): boolean {
    if (this.ended === "end") throw new Error("Written to behind the end");
    if (this.ended !== "no" || this.isBroken) return false;
    this.#waiting.push(bytes.slice());
    return this.#takeWaiting();
  }

  writeLent(bytes: Uint8Array, length: number): boolean {
    return this.write(bytes.slice(0, length));
  }

  writeAhead(bytes: Uint8Array, length: number): boolean {
    this.aheads++;
    return this.writeLent(bytes, length);
  }

  /** The system takes so many bytes more. */
  take(length: number): void {
    this.room += length;
    if (this.#waiting.length > 0 && this.#takeWaiting()) this.events.drained();
  }

  /** What the client sends. */
  send(text: string | Uint8Array): void {
    this.events.received(typeof text === "string" ? latin1(text) : text.slice());
  }

  /** The client is gone, of itself or because of us. */
  close(): void {
    this.ended = this.ended === "no" ? "destroy" : this.ended;
    this.#waiting = [];
    this.isClosed = true;
    this.events.closed();
  }

  /**
   * The client breaks the connection. While it is not read from nothing tells so, but that a write
   * fails.
   */
  break(): void {
    this.#waiting = [];
    if (this.isPaused) this.isBroken = true;
    else this.close();
  }

  transfer(file: OpenFile, offset: number, length: number): number {
    if (!this.canTransfer || this.#waiting.length > 0 || this.ended !== "no") return 0;
    const bytes = new Uint8Array(Math.min(this.room, length));
    const count = file.read(bytes, offset);
    if (count > 0) this.#taken.push(bytes.subarray(0, count));
    this.room -= count;
    this.transferred += count;
    return count;
  }

  pause(): void {
    this.isPaused = true;
    this.flowChanges++;
  }

  resume(): void {
    this.isPaused = false;
    this.flowChanges++;
  }

  end(): void {
    if (this.ended === "no") this.ended = "end";
  }

  handOver(events: SocketEvents): void {
    this.events = events;
  }

  destroy(): void {
    if (this.ended !== "reset") this.ended = "destroy";
  }

  reset(): void {
    this.ended = "reset";
  }

  /** Whether the system has all of it now. */
  #takeWaiting(): boolean {
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const length = Math.min(this.room, bytes.length);
      if (length > 0) this.#taken.push(bytes.subarray(0, length));
      this.room -= length;
      if (length < bytes.length) {
        this.#waiting[0] = bytes.subarray(length);
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }
}
