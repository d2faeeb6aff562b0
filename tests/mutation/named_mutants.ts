/**
 * Mutants that `npm test` puts in every time: one for each kind of mistake that once passed
 * unnoticed at a limit, a state that is left, or a thing that must be forgotten. Each is named by its
 * place and its text, not by its line, so it stays the same one when the file changes; one that is
 * found no more, or twice, is a failure.
 */
import { type Mutant, mutantsOf } from "./mutants.ts";

export interface NamedMutant {
  readonly file: string;
  /** As {@link Mutant.within}. */
  readonly within: string;
  readonly original: string;
  readonly replacement: string;
  /** What goes wrong with it. */
  readonly says: string;
  /** The test file that should notice. */
  readonly test: string;
}

export const NAMED_MUTANTS: readonly NamedMutant[] = [
  {
    file: "src/http1/connection.ts",
    within: "#checkTimeouts",
    original: "this.destroy()",
    replacement: "void 0",
    says: "a client that never closes is kept for ever",
    test: "tests/time_limits/time_limits.test.ts",
  },
  {
    file: "src/http1/connection.ts",
    within: "#leave",
    original: "this.#body?.fail()",
    replacement: "void 0",
    says: "whoever reads the body of a client that has left waits for ever",
    test: "tests/http1/connection.test.ts",
  },
  {
    file: "src/http1/connection.ts",
    within: "keepsAlive",
    original: "<=",
    replacement: "<",
    says: "a body as long as may be read over costs its connection",
    test: "tests/http1/connection.test.ts",
  },
  {
    file: "src/http1/connection.ts",
    within: "#sendContinue",
    original: "!this.#writer.hasBegun",
    replacement: "true",
    says: "100 Continue stands inside a response that has begun",
    test: "tests/http1/late_continue.test.ts",
  },
  {
    file: "src/http1/response_writer.ts",
    within: "closed",
    original: "!this.#hasAll",
    replacement: "false",
    says: "the application goes on for a client that has left",
    test: "tests/http1/responses.test.ts",
  },
  {
    file: "src/http/handover.ts",
    within: "redirect",
    original: ">",
    replacement: ">=",
    says: "the tenth response that leads to another path is refused",
    test: "tests/http/handover.test.ts",
  },
  {
    file: "src/http/body_limit.ts",
    within: "takeBody",
    original: "declared !== null && isChunked",
    replacement: "false",
    says: "a body with two lengths is taken",
    test: "tests/http/request_bodies.test.ts",
  },
  {
    file: "src/http/body_limit.ts",
    within: "transform",
    original: ">",
    replacement: ">=",
    says: "a chunked body of exactly the most is refused",
    test: "tests/http/body_limit.test.ts",
  },
  {
    file: "src/http/authorize.ts",
    within: "variablesOf",
    original: 'name === "CONTENT_LENGTH"',
    replacement: "false",
    says: "an authorizer says how long the application's body is",
    test: "tests/http/authorize.test.ts",
  },
  {
    file: "src/upstream/paced_reader.ts",
    within: "read",
    original: "this.#waitedMs += this.#deadlines.nowMs() - this.#startedMs",
    replacement: "void 0",
    says: "a client that sends a byte now and then is never too slow",
    test: "tests/upstream/paced_reader_model.test.ts",
  },
  {
    file: "src/upstream/exchange.ts",
    within: "onLimit",
    original: "&&",
    replacement: "||",
    says: "a slow client holds up the limit of the whole request",
    test: "tests/time_limits/time_limits.test.ts",
  },
  {
    file: "src/upstream/exchange.ts",
    within: "onBodyProgress",
    original: 'this.#state === "body" || this.#state === "done"',
    replacement: "false",
    says: "a request's body moves the limit of a response that has begun",
    test: "tests/time_limits/time_limits.test.ts",
  },
  {
    file: "src/upstream/exchange.ts",
    within: "#finish",
    original: "this.endLimits()",
    replacement: "void 0",
    says: "the deadline of a request that is over is kept",
    test: "tests/upstream/leftovers.test.ts",
  },
  {
    file: "src/protocol/params_gathering.ts",
    within: "forget",
    original: "this.#copied.delete(id)",
    replacement: "void 0",
    says: "half-sent parameters of an aborted request become the next one's",
    test: "tests/responder/isolation.test.ts",
  },
  {
    file: "src/responder/active_request.ts",
    within: "abort",
    original: "outlet.forget(this.#id)",
    replacement: "void 0",
    says: "what waits of an aborted response is sent with the next one",
    test: "tests/responder/isolation.test.ts",
  },
  {
    file: "src/responder/responder_connection.ts",
    within: "checkTimeouts",
    original: "this.destroy()",
    replacement: "void 0",
    says: "a web server that stops in the middle of a request keeps its place for ever",
    test: "tests/time_limits/time_limits.test.ts",
  },
];

/** Reads a file of the project as mutants are made of it. */
export type ReadSource = (file: string) => Promise<Parameters<typeof mutantsOf>[0]>;

/** @throws where one is not there, or in more than one place */
export async function findNamed(named: NamedMutant, sourceOf: ReadSource): Promise<Mutant> {
  const { file, within, original, replacement } = named;
  const found = mutantsOf(await sourceOf(file), file).filter((mutant) =>
    mutant.within === within && mutant.original === original && mutant.replacement === replacement
  );
  if (found.length === 1) return found[0]!;
  const what = `"${original}" -> "${replacement}" in ${within} of ${file}`;
  throw new Error(
    found.length === 0
      ? `The mutant ${what} is not there any more: name the place that does this now`
      : `The mutant ${what} is there ${found.length} times: name one of them alone`,
  );
}
