/**
 * Mutants that change nothing, of threads and of what they share. As `equivalents_of_parts.ts` has
 * them: a reason, and the places that it is the reason for.
 */
import type { Equivalent } from "./equivalents.ts";
import { because } from "./because.ts";

export const EQUIVALENTS_OF_THREADS: readonly Equivalent[] = [
  ...because(
    "numbers of questions, and of configurations, only differ from each other",
    ["threads/main_thread.ts", "#lastId = 0;", "0", "1"],
    ["threads/remote_certificates.ts", "#lastId = 0;", "0", "1"],
    ["threads/remote_certificates.ts", "#configuration = 0;", "0", "1"],
    [
      "threads/remote_certificates.ts",
      "const id = ++this.#lastId;",
      "++this.#lastId",
      "--this.#lastId",
    ],
    ["threads/main_thread.ts", "const owner = ownerOf(MAIN_THREAD, 0);", "0", "1"],
  ),
  ...because(
    "a ring of places may begin at any of them",
    ["threads/heartbeat.ts", "#index = 0;", "0", "1"],
  ),
  ...because(
    "it is set before it is read",
    ["threads/heartbeat.ts", "#dueMs = 0;", "0", "1"],
    [
      "acme/managed_certificate.ts",
      "const { notBeforeMs = 0, notAfterMs = 0 } = this.#held ?? {};",
      "0",
      "1",
    ],
    ["passwords/password_file.ts", "#isSettled = false;", "false", "true"],
    ["passwords/password_file.ts", "#lookAgainMs = 0;", "0", "1"],
  ),
  ...because(
    "only the first ones are used",
    [
      "threads/main_thread.ts",
      "const random = crypto.getRandomValues(new Uint32Array(2));",
      "2",
      "3",
    ],
    ["threads/lone_thread.ts", "readonly #words: SharedWords = createWords(2);", "2", "3"],
    ["threads/merged_metrics.ts", 'families.set(line.split(" ", 3)[2]!, current);', "3", "4"],
    [
      "compression/media_types.ts",
      'const type = contentType.split(";", 1)[0]!.trim().toLowerCase();',
      "1",
      "2",
    ],
  ),
  ...because(
    "every fifteenth look is one, whichever way they are counted",
    [
      "threads/main_thread.ts",
      "if (++this.#looks % (KEPT_INTERVAL_MS / LOOK_INTERVAL_MS) === 0) void this.#reports.keep();",
      "++this.#looks",
      "--this.#looks",
    ],
  ),
  ...because(
    "what is behind the last one is read by nobody",
    [
      "observe/metrics.ts",
      "for (let index = 0; index < this.#bounds.length; index++) {",
      "<",
      "<=",
    ],
  ),
  ...because(
    "cells that are free hold nothing: to look at them only takes longer",
    ["shared/upstream_memory.ts", "if ((yield load(places.key)) === 0) break;", "0", "1"],
  ),
  ...because(
    "where the limit is all that there are, to count them first says the same",
    [
      "shared/permits.ts",
      "if (limit < slotCount && (yield* countTaken(places)) >= limit) return false;",
      "<",
      "<=",
    ],
  ),
  ...because(
    "nothing comes behind it",
    ["threads/main_thread.ts", "return;", "return;", ";"],
  ),
  ...because(
    "the first text has each of its families once",
    [
      "threads/merged_metrics.ts",
      "else if (index > 0) addFamily(name, known, family);",
      ">",
      ">=",
    ],
  ),
  ...because(
    "any number below those that there are is nobody's",
    ["threads/placement.ts", "#last = -1;", "1", "2"],
    ["threads/supervised_thread.ts", "#beat = -1;", "1", "2"],
    ["threads/serving_thread.ts", "const NO_DESCRIPTOR = -1;", "1", "2"],
  ),
  ...because(
    "from the first one on the list is as it is",
    [
      "threads/placement.ts",
      "const turns = next < 0 ? threads : [...threads.slice(next), ...threads.slice(0, next)];",
      "<",
      "<=",
    ],
    [
      "threads/placement.ts",
      "const turns = next < 0 ? threads : [...threads.slice(next), ...threads.slice(0, next)];",
      "0",
      "1",
    ],
  ),
  ...because(
    "that there is none may be kept under the number that means so",
    [
      "threads/remote_certificates.ts",
      "if (identity !== undefined) this.#keep(this.#identities, number, identity);",
      "identity !== undefined",
      "true",
    ],
  ),
  ...because(
    "ticks of any length tell the same time, in all threads alike",
    ["threads/shared_process.ts", "const TICKS_PER_MS = 16;", "16", "17"],
    [
      "threads/shared_process.ts",
      "const now = () => (clock.wallMs() * TICKS_PER_MS) | 0;",
      "0",
      "1",
    ],
  ),
  ...because(
    "what is remembered is found, or made, again without it",
    ["observe/logger.ts", "this.#lastMs = wallMs;", "this.#lastMs = wallMs", "void 0"],
    [
      "threads/shared_process.ts",
      "places.set(upstream, at);",
      "places.set(upstream, at)",
      "void 0",
    ],
  ),
  ...because(
    "either half of a hash is as good as the other",
    [
      "threads/shared_process.ts",
      "const at = stderr + (halfSipHash(upstream, key)[0] & (STDERR_WORDS - 1));",
      "0",
      "1",
    ],
  ),
  ...because(
    "before its first life nothing of it is counted",
    [
      "threads/supervised_thread.ts",
      "if (this.#life > 0) run(memory.words, leaveProcess(memory, index));",
      "this.#life > 0",
      "true",
    ],
    [
      "threads/supervised_thread.ts",
      "if (this.#life > 0) run(memory.words, leaveProcess(memory, index));",
      ">",
      ">=",
    ],
  ),
  ...because(
    "a timer that was cleared may be cleared again",
    [
      "threads/supervised_thread.ts",
      "this.#timer = undefined;",
      "this.#timer = undefined",
      "void 0",
    ],
  ),
  ...because(
    "who has the turn does not listen for an end of the wait any more",
    ["acme/turns.ts", "if (place >= 0) this.#waiting.splice(place, 1);", "place >= 0", "true"],
  ),
  ...because(
    "a secret of more bytes is as good",
    [
      "passwords/verification_gate.ts",
      "#secret = crypto.getRandomValues(new Uint8Array(32));",
      "32",
      "64",
    ],
  ),
  ...because(
    "of rounds only the bounds are asked",
    [
      "passwords/password_hash.ts",
      "return shaCryptHash(text, Number(sha[2] ?? 5000));",
      "5000",
      "10000",
    ],
  ),
  ...because(
    "to wait for nothing is a turn as well",
    ["passwords/password_hash.ts", "await Promise.resolve();", "Promise.resolve()", "void 0"],
  ),
  ...because(
    "what has failed so often waits for the longest time",
    [
      "acme/schedule.ts",
      "const doubledMs = BACK_OFF_MIN_MS * 2 ** Math.min(failures - 1, 20);",
      "20",
      "40",
    ],
  ),
];
