/**
 * A file descriptor that may be closed while it is being read or written: the close waits for what is
 * under way, since the descriptor's number could by then stand for another file.
 */
import { close, read, writev } from "node:fs";

/** A descriptor for reads and writes at positions. */
export class GuardedDescriptor {
  readonly #descriptor: number;
  readonly #onClose: () => void;
  #underWay = 0;
  #closed = false;

  /** `onClose` is called once, when the descriptor is closed. */
  constructor(descriptor: number, onClose: () => void = () => {}) {
    this.#descriptor = descriptor;
    this.#onClose = onClose;
  }

  /** Fills as much of `bytes` as one call gives; 0 is the end of the file. */
  read(bytes: Uint8Array, position: number): Promise<number> {
    return this.#run((done) => {
      read(this.#descriptor, bytes, 0, bytes.length, position, done);
    });
  }

  /** Writes as much of the pieces, one behind the other, as one call takes. */
  write(pieces: readonly Uint8Array[], position: number): Promise<number> {
    return this.#run((done) => {
      writev(this.#descriptor, pieces, position, done);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #run(start: (done: (error: Error | null, count: number) => void) => void): Promise<number> {
    if (this.#closed) return Promise.reject(new Error("Cannot use a file once it is closed"));
    this.#underWay++;
    return new Promise((resolve, reject) => {
      start((error, count) => {
        this.#underWay--;
        this.#closeWhenIdle();
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  #closeWhenIdle(): void {
    if (this.#closed && this.#underWay === 0) close(this.#descriptor, this.#onClose);
  }
}
