/**
 * What an application writes to STDERR, or a spawned one to its output, becomes log lines: split at
 * line ends, cut at {@link STDERR_LINE_MAX} bytes with a mark, never mixed into the response.
 */
import { type ExchangePhase, UpstreamError } from "./errors.ts";
import type { UpstreamRequest } from "./request.ts";

/** Most bytes of one line in the log. */
export const STDERR_LINE_MAX = 8 * 1024;

/** php-fpm puts no line's end between two messages of a request. */
const LINE_END = /\n|; (?=PHP message: )/;

const NEW_LINE = 0x0a;

const CUT_MARK = " [cut]";

/** Whether bytes are left out, unread, and counted; so many before them wait for their line's end. */
export type LeavesOut = (bytes: Uint8Array, waitingLength: number) => boolean;

/** Gathers the STDERR stream of one request. */
export class StderrLines {
  readonly #onLine: (line: string) => void;
  readonly #leavesOut: LeavesOut | undefined;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #cut = false;

  constructor(onLine: (line: string) => void, leavesOut?: LeavesOut) {
    this.#onLine = onLine;
    this.#leavesOut = leavesOut;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#leavesOut?.(bytes, this.#rest.length)) {
      this.#decoder.decode();
      this.#rest = "";
      // What follows within the line is a part of what was left out.
      this.#cut = bytes.at(-1) !== NEW_LINE;
      return;
    }
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(LINE_END);
    this.#rest = lines.pop()!;
    for (const line of lines) this.#emit(line);
    if (this.#rest.length > STDERR_LINE_MAX) {
      if (!this.#cut) this.#onLine(this.#rest.slice(0, STDERR_LINE_MAX) + CUT_MARK);
      this.#rest = "";
      this.#cut = true;
    }
  }

  /** The request has ended: an unfinished line is a line. */
  end(): void {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = "";
    if (rest !== "") this.#emit(rest);
  }

  #emit(line: string): void {
    const wasCut = this.#cut;
    this.#cut = false;
    if (wasCut) return;
    const text = line.replace(/\r$/, "");
    if (text === "") return;
    this.#onLine(text.length > STDERR_LINE_MAX ? text.slice(0, STDERR_LINE_MAX) + CUT_MARK : text);
  }
}

/** Most characters that are kept to find a text that comes in pieces. */
const KEPT_MAX = 1024;

/** What attempts of a request have written so far, as far as it is looked through. */
const written = new WeakMap<object, string>();
const decoder = new TextDecoder();

/** The error that a text on STDERR is where the request says so; undefined: none. */
export function stderrError(
  request: Pick<UpstreamRequest, "refusedStderr">,
  phase: ExchangePhase,
  bytes: Uint8Array,
): UpstreamError | undefined {
  if (request.refusedStderr === undefined) return undefined;
  const said = (written.get(request) ?? "") + decoder.decode(bytes);
  const found = request.refusedStderr.find((text) => said.includes(text));
  written.set(request, found === undefined ? said.slice(-KEPT_MAX) : "");
  if (found === undefined) return undefined;
  const message = `The application wrote ${JSON.stringify(found)} to STDERR`;
  return new UpstreamError("bad_answer", message, { phase, sent: true });
}
