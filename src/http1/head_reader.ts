/**
 * The heads of one connection: gathers their bytes up to a bound, reads them, and remembers the
 * fields of the last one.
 */
import type { FieldNames } from "./field_names.ts";
import { FieldsMemory } from "./fields_memory.ts";
import { HeadGathering } from "./head_gathering.ts";
import { readRequestHead, RequestFault, type RequestHead } from "./request_head.ts";

/** A head, and what came behind it. */
export interface ReadHead {
  readonly head: RequestHead;
  readonly rest: Uint8Array;
}

/** What the heads of all connections have in common. */
export interface HeadRules {
  readonly names: FieldNames;
  readonly headLengthMax: number;
}

export class HeadReader {
  readonly #rules: HeadRules;
  readonly #gathering = new HeadGathering();
  readonly #memory = new FieldsMemory();

  constructor(rules: HeadRules) {
    this.#rules = rules;
  }

  /** Whether some of a head has come, and not all. */
  get hasBegun(): boolean {
    return this.#gathering.length > 0;
  }

  /**
   * Adds bytes; undefined while the head goes on.
   *
   * @throws {RequestFault}
   */
  push(bytes: Uint8Array): ReadHead | undefined {
    const found = this.#gathering.push(bytes);
    const { names, headLengthMax } = this.#rules;
    // Of a head that has not come to its end, all but the last line feed may be there.
    const lengthMin = found?.text.length ?? this.#gathering.length - 1;
    if (lengthMin > headLengthMax) {
      throw new RequestFault(431, `The head is over ${headLengthMax} bytes`);
    }
    if (found === undefined) return undefined;
    try {
      return { head: readRequestHead(found.text, names, this.#memory), rest: found.rest };
    } catch (error) {
      if (error instanceof RequestFault) error.isHead = found.text.startsWith("HEAD ");
      throw error;
    }
  }

  /** Forgets what waits for its end. */
  clear(): void {
    this.#gathering.clear();
  }

  /** The connection rests: what came before is not worth its memory. */
  rest(): void {
    this.#memory.forget();
  }
}
