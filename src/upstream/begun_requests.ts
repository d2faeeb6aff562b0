/**
 * The requests that have just begun on a connection: how many begin together, which tells whether the
 * next one should wait for others, and which of them the system has not been given yet, so that the
 * application cannot have seen them when the connection is lost.
 */

export class BegunRequests {
  /** Since output was taken last. */
  #count = 0;
  /** With the last output in which any did. */
  #together = 0;
  readonly #unsent: number[] = [];

  add(id: number): void {
    this.#count++;
    this.#unsent.push(id);
  }

  /** Their records are taken for a write. */
  taken(): void {
    if (this.#count > 0) this.#together = this.#count;
    this.#count = 0;
  }

  /** The system was given what was taken. */
  sent(): void {
    this.#unsent.length = 0;
  }

  isUnsent(id: number): boolean {
    return this.#unsent.includes(id);
  }

  /** Whether the last ones that were taken came one by one. */
  get cameAlone(): boolean {
    return this.#together <= 1;
  }
}
