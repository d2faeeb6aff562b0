/**
 * Runs the simulator by hand:
 *
 *     npm run simulate -- --seed 42            repeats one seed
 *     npm run simulate -- --seed 1 --count 10000 --steps 200
 *     npm run simulate -- --world http1 --seed 42
 *
 * Each seed is one world; a failure prints the seed, the step and what did not hold. The same seed,
 * number of steps and runtime give the same run. Exit status 1 when a seed failed.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { simulateHttp1 } from "./http1_simulation.ts";
import { simulateHttp2 } from "./http2_simulation.ts";
import { simulateResponder } from "./responder_simulation.ts";
import { simulate, simulateHttpUpstream } from "./simulation.ts";

/** As in the test suite. */
export const STEPS = 120;

interface WorldResult {
  readonly requests: number;
  readonly complete: number;
  readonly others?: ReadonlyMap<string, number>;
}

/** What can be simulated, by the name that `--world` takes. */
const WORLDS: Readonly<Record<string, (seed: number, steps: number) => Promise<WorldResult>>> = {
  upstream: simulate,
  http_upstream: simulateHttpUpstream,
  http1: simulateHttp1,
  http2: simulateHttp2,
  responder: simulateResponder,
};

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      world: { type: "string", default: "upstream" },
      seed: { type: "string", default: "1" },
      count: { type: "string", default: "1" },
      steps: { type: "string", default: String(STEPS) },
    },
  });
  const [seed, count, steps] = [values.seed, values.count, values.steps].map(wholeNumber);
  const world = WORLDS[values.world];
  if (world === undefined) {
    console.error(`Cannot simulate "${values.world}": it is one of ${Object.keys(WORLDS)}`);
    process.exit(2);
  }
  const startedMs = performance.now();
  let failed = 0;
  let requests = 0;
  const outcomes = new Map<string, number>();
  for (let current = seed!; current < seed! + count!; current++) {
    try {
      const result = await world(current, steps!);
      requests += result.requests;
      add(outcomes, "complete", result.complete);
      for (const [code, number] of result.others ?? []) add(outcomes, code, number);
    } catch (error) {
      failed++;
      console.error(error instanceof Error ? error.message : error);
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  for (const [code, number] of [...outcomes].sort((a, b) => b[1] - a[1])) {
    console.log(`${String(number).padStart(8)} ${code}`);
  }
  console.log(
    `${count} seeds of ${steps} steps, ${requests} requests, ${failed} failed, ` +
      `${(count! / seconds).toFixed(0)} seeds a second`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`Cannot use "${text}": it should be a whole number`);
  process.exit(2);
}

function add(counts: Map<string, number>, key: string, number: number): void {
  counts.set(key, (counts.get(key) ?? 0) + number);
}
