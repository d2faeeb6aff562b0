/**
 * The header sections of one connection: gathers their bytes up to a bound, refuses what can become
 * no request as it comes, reads what can, and remembers the fields of the last one.
 */
import { latin1 } from "../protocol/byte_buffer.ts";
import type { FieldNames } from "./field_names.ts";
import { FieldsMemory } from "./fields_memory.ts";
import { HeaderGathering } from "./header_gathering.ts";
import { HeaderJudge } from "./header_judge.ts";
import {
  type ReadFields,
  readRequestHeaders,
  RequestError,
  type RequestHeaders,
} from "./request_headers.ts";

const HEAD = latin1("HEAD ");

/** A header section, and what came behind it. */
export interface ReadHeaders {
  readonly headers: RequestHeaders;
  readonly rest: Uint8Array;
}

/** What the header sections of all connections have in common. */
export interface HeaderRules {
  readonly names: FieldNames;
  readonly headersLengthMax: number;
  readonly requestsMax: number;
}

export class HeaderReader {
  readonly #rules: HeaderRules;
  readonly #gathering = new HeaderGathering();
  readonly #memory = new FieldsMemory<ReadFields>();
  #count = 0;
  /** Made for a header section that does not come in one piece. */
  #judge: HeaderJudge | undefined;

  constructor(rules: HeaderRules) {
    this.#rules = rules;
  }

  /** Whether the connection has made as many requests as it may. */
  get hasReadAll(): boolean {
    const { requestsMax } = this.#rules;
    return requestsMax > 0 && this.#count >= requestsMax;
  }

  /** Bytes of a header section that has come, and not all of it. */
  get waitingLength(): number {
    return this.#gathering.length;
  }

  /** Adds bytes; undefined while the header section goes on. @throws {RequestError} */
  push(bytes: Uint8Array): ReadHeaders | undefined {
    const lengthMin = this.#gathering.length + bytes.length;
    const found = this.#gathering.push(bytes);
    if (found === undefined) {
      // Empty lines before it have gone.
      if (this.#gathering.length < lengthMin) this.#judge?.reset();
      if (this.#gathering.length > 0) this.#judgeWaiting(this.#gathering.waiting);
      return undefined;
    }
    this.#judge = undefined;
    const { text, rest } = found;
    try {
      this.#checkLength(text.length);
      this.#count++;
      return { headers: readRequestHeaders(text, this.#rules.names, this.#memory), rest };
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      throw this.#firstError(error, text);
    }
  }

  /** Forgets what waits for its end. */
  clear(): void {
    this.#gathering.clear();
    this.#judge = undefined;
  }

  /** What waits, and has not come to its end: all but the last line feed may be there. */
  #judgeWaiting(waiting: Uint8Array): void {
    this.#judge ??= new HeaderJudge(this.#rules.headersLengthMax);
    try {
      this.#judge.judge(waiting);
      this.#checkLength(waiting.length - 1);
    } catch (error) {
      if (error instanceof RequestError) {
        error.isHeadRequest = HEAD.every((byte, at) => waiting[at] === byte);
      }
      throw error;
    }
  }

  #checkLength(length: number): void {
    const { headersLengthMax } = this.#rules;
    if (length > headersLengthMax) {
      throw new RequestError(431, `The header section is over ${headersLengthMax} bytes`);
    }
  }

  /** The error that would have been found first, had the header section come byte by byte. */
  #firstError(found: RequestError, text: string): RequestError {
    let first = found;
    try {
      new HeaderJudge(this.#rules.headersLengthMax).judge(latin1(text));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      first = error;
    }
    first.isHeadRequest = text.startsWith("HEAD ");
    return first;
  }

  /** The connection is idle: what came before is not worth its memory. */
  rest(): void {
    this.#memory.forget();
  }
}
