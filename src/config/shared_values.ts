/**
 * Lists that are mostly alike: the sites of a file have the same few routes. To find a file good it takes
 * one look at those that are written alike, so a reader may take them for one list, with the places
 * of the first.
 */
import type { Written } from "./yaml_tree.ts";

/** The key of such a list. */
export const SHARED_KEY = "routes";

/** Values of which more are not remembered, and the length of the longest that is. */
const SHARED_COUNT_MAX = 1_024;
const SHARED_LENGTH_MAX = 4_096;

export class SharedValues {
  readonly #byText = new Map<string, Written>();

  /** The first value that was written so. */
  first(text: string, value: Written): Written {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (text.length <= SHARED_LENGTH_MAX && this.#byText.size < SHARED_COUNT_MAX) {
      this.#byText.set(text, value);
    }
    return value;
  }
}
