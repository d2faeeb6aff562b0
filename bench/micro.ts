/** Times pieces of code by themselves, under whichever runtime runs them; `--count N` repeats. */
import { parseArgs } from "node:util";

const COUNT_DEFAULT = 200_000;

export interface Benchmark {
  readonly name: string;
  /** Bytes that one repetition goes through; undefined: bytes say nothing here. */
  readonly bytes?: number;
  /** Repetitions for each of `--count`. */
  readonly share: number;
  /** What one repetition does this many times; 1 when left out. */
  readonly each?: number;
  run(): void | Promise<void>;
}

/** Measures one after the other and prints a line for each. */
export async function runBenchmarks(benchmarks: readonly Benchmark[]): Promise<void> {
  const { values } = parseArgs({
    options: { count: { type: "string", default: String(COUNT_DEFAULT) } },
  });
  const count = Number(values.count);
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`Cannot repeat "${values.count}" times: use a number from 1 on`);
  }
  for (const benchmark of benchmarks) await measure(benchmark, count);
}

async function measure(benchmark: Benchmark, count: number): Promise<void> {
  const { name, bytes, share, each = 1, run } = benchmark;
  const repetitions = Math.max(1, Math.round(count * share));
  await repeat(run, Math.ceil(repetitions / 10));
  const started = performance.now();
  await repeat(run, repetitions);
  const elapsedMs = performance.now() - started;
  const nsEach = `${(elapsedMs * 1e6 / repetitions / each).toFixed(0)} ns`;
  const speed = bytes === undefined
    ? `${(repetitions * each / (elapsedMs / 1000)).toFixed(0)} /s`
    : `${(bytes * repetitions / 1e6 / (elapsedMs / 1000)).toFixed(0)} MB/s`;
  console.log(`${name.padEnd(50)} ${nsEach.padStart(13)} ${speed.padStart(14)}`);
}

/** Waits only for what has to be waited for: a turn for each call would be what is measured. */
async function repeat(run: () => void | Promise<void>, repetitions: number): Promise<void> {
  for (let i = 0; i < repetitions; i++) {
    const running = run();
    if (running !== undefined) await running;
  }
}
