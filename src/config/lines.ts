/** From offsets in a text to lines and columns, fast where each is near the one before. */
import type { Place } from "./located_error.ts";

export class Lines {
  /** Where each line begins. */
  readonly #starts = [0];
  /** The line that was found last. */
  #line = 0;

  constructor(text: string) {
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) {
      this.#starts.push(end + 1);
    }
  }

  /** Both count from 1. */
  placeAt(offset: number): Place {
    if (!this.#isOn(this.#line, offset)) {
      this.#line = this.#isOn(this.#line + 1, offset) ? this.#line + 1 : this.#lineOf(offset);
    }
    return { line: this.#line + 1, column: offset - this.#starts[this.#line]! + 1 };
  }

  #isOn(line: number, offset: number): boolean {
    const start = this.#starts[line];
    return start !== undefined && start <= offset && !(this.#starts[line + 1]! <= offset);
  }

  #lineOf(offset: number): number {
    let low = 0;
    for (let high = this.#starts.length; low < high - 1;) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}
