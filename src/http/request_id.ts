/** Request ids for logs and answers: a prefix that is random for each process, and a count. */
export class RequestIdSource {
  readonly #prefix: string;
  #count = 0;

  constructor() {
    this.#prefix = crypto.randomUUID().slice(0, 8) + "-";
  }

  next(): string {
    return this.#prefix + (++this.#count).toString(36).padStart(6, "0");
  }
}
