/**
 * Request ids for logs and responses: a prefix that is random for each process, and a count. No two
 * requests of a process share one, and it costs no randomness each time.
 */
export class RequestIdSource {
  readonly #prefix: string;
  #count = 0;

  constructor() {
    this.#prefix = crypto.randomUUID().slice(0, 8) + "-";
  }

  next(): string {
    return this.#prefix + ++this.#count;
  }
}
