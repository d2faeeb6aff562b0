// Runs jobs beside each other, as far as they get on with each other. A job is
// `{ kind, run() }`; the kinds say what a neighbour may do to it.
import { availableParallelism } from "node:os";

/**
 * What each kind bears beside it.
 * - `memory`: worlds in memory. They take one processor, and read no clock but their own.
 * - `real`: sockets, processes and peers, which wait for each other as long as it takes.
 * - `timed`: those that are expected to do something within a time, or look at what the machine
 *   holds meanwhile; the processors are theirs but for one.
 * - `alone`: those that fill all processors by themselves, and expect something in time.
 */
const BEARS = {
  alone: [],
  timed: ["memory"],
  real: ["real", "memory"],
  memory: ["timed", "real", "memory"],
};

/** The order in which they begin: what bears least first, and then `memory` is left to go beside. */
const ORDER = ["alone", "timed", "real", "memory"];

export const KINDS = ORDER;

/** More than two were never tried. */
const LANES_MAX = 2;

/** How many jobs there may be at once on this machine. */
export function lanesOfMachine() {
  return Math.min(LANES_MAX, availableParallelism());
}

/** Resolves when all have run; rejects with what the first one that fails says, once all have ended. */
export async function runPool(jobs, lanes = lanesOfMachine()) {
  const waiting = ORDER.flatMap((kind) => jobs.filter((job) => job.kind === kind));
  const running = new Map();
  const failures = [];
  for (;;) {
    while (running.size < lanes) {
      const index = waiting.findIndex(({ kind }) =>
        [...running.keys()].every((other) => BEARS[kind].includes(other.kind))
      );
      if (index < 0) break;
      const [job] = waiting.splice(index, 1);
      const end = Promise.resolve().then(() => job.run())
        .catch((error) => failures.push(error))
        .finally(() => running.delete(job));
      running.set(job, end);
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (failures.length > 0) throw failures[0];
}
