/**
 * Mutants that change nothing that anybody could see, each with its reason. One is named by its file,
 * the line it stands in (without the spaces around it), and what is written in place of what, so it
 * stays found when other lines move. An entry that no mutant meets any more is told by the command.
 */
import { EQUIVALENTS_OF_PARTS } from "./equivalents_of_parts.ts";
import { EQUIVALENTS_OF_THREADS } from "./equivalents_of_threads.ts";
import type { Mutant } from "./mutants.ts";

export interface Equivalent {
  readonly file: string;
  /** The whole line, without spaces at its ends. */
  readonly line: string;
  readonly original: string;
  readonly replacement: string;
  readonly reason: string;
}

const PACED_READER = "src/upstream/paced_reader.ts";
const NO_RATE = "without a rate the paced reader lets everything pass, too: it only costs more";
const BELOW_A_TICK = "a millisecond is less than a tick of the deadlines";

export const EQUIVALENTS: readonly Equivalent[] = [
  ...EQUIVALENTS_OF_PARTS,
  ...EQUIVALENTS_OF_THREADS,
  ...([["rateMin > 0", "true"], [">", ">="]] as const).map(([original, replacement]) => ({
    file: PACED_READER,
    line: "return rateMin > 0 ? new PacedReader(stream, rateMin, deadlines) : stream.getReader();",
    original,
    replacement,
    reason: NO_RATE,
  })),
  ...["#waitedMs = 0;", "this.#waitedMs = 0;"].map((line) => ({
    file: PACED_READER,
    line,
    original: "0",
    replacement: "1",
    reason: BELOW_A_TICK,
  })),
  {
    file: PACED_READER,
    line: "#startedMs = 0;",
    original: "0",
    replacement: "1",
    reason: "it is set before it is read",
  },
  {
    file: PACED_READER,
    line: "this.#bytes += result.value?.length ?? 0;",
    original: "0",
    replacement: "1",
    reason: "only the read behind the last piece has no value",
  },
  {
    file: PACED_READER,
    line: "if (result.done) this.#deadlines.remove(this);",
    original: "result.done",
    replacement: "true",
    reason: "the next read adds it again",
  },
  {
    file: "src/upstream/balancer.ts",
    line: "if (this.#many === undefined || this.#warming.size > 0) return;",
    original: "||",
    replacement: "&&",
    reason:
      "of few servers nobody looks at what is remembered, and while one warms up it is cleared",
  },
  {
    file: "src/upstream/deadlines.ts",
    line: "export const NO_SLOT = -1;",
    original: "1",
    replacement: "2",
    reason: "any number that is no place in the list says the same",
  },
  {
    file: "src/http1/request_headers.ts",
    line: "isHeadRequest = false;",
    original: "false",
    replacement: "true",
    reason: "whoever reads a header section sets it before it is read",
  },
  {
    file: "src/http/forwarded.ts",
    line: "if (quoted) parts.push(element.slice(start));",
    original: "quoted",
    replacement: "true",
    reason: "where no quote is open nothing is left, and what is empty is no pair",
  },
  {
    file: "src/http/static_route.ts",
    line:
      "return length === 0 ? target : { path: target.path.slice(length), query: target.query };",
    original: "length === 0",
    replacement: "false",
    reason: "without a prefix nothing is cut off: it only costs an object",
  },
  {
    file: "src/protocol/id_table.ts",
    line: "while (this.#items.length <= id) this.#items.push(undefined);",
    original: "this.#items.length <= id",
    replacement: "false",
    reason: "a list with holes is slower, and says the same",
  },
];

export function equivalentOf(mutant: Mutant, text: string): Equivalent | undefined {
  const line = (text.split("\n")[mutant.line - 1] ?? "").trim();
  return EQUIVALENTS.find((entry) =>
    entry.file === mutant.file && entry.line === line && entry.original === mutant.original &&
    entry.replacement === mutant.replacement
  );
}
