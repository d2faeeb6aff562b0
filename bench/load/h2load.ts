/** Load from nghttp2's h2load: one thread, so many clients, each with so many streams at once. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LoadReport } from "../measure/figures.ts";
import { percentile } from "../measure/statistics.ts";
import type { Scope } from "../scope.ts";

/** Where to, and over what. */
export interface H2Target {
  readonly port: number;
  readonly path: string;
  readonly isTls: boolean;
  /** HTTP/1.1 instead of HTTP/2. */
  readonly http1?: boolean;
}

export interface H2LoadOptions extends H2Target {
  readonly clients: number;
  readonly streams: number;
  readonly seconds: number;
}

export async function runH2load(scope: Scope, options: H2LoadOptions): Promise<LoadReport> {
  const log = join(scope.newDirectory("h2load"), "requests.log");
  const output = await h2load(scope, options, [
    ...["-c", String(options.clients), "-m", String(options.streams)],
    ...["-D", String(options.seconds), `--log-file=${log}`],
  ]);
  const report = readH2load(output);
  const times = readLog(readFileSync(log, "utf8"));
  rmSync(log);
  return { ...report, p50Us: percentile(times, 0.5), p99Us: percentile(times, 0.99) };
}

/** One request; bytes of its body where its status is 200, else -1. */
export async function h2Length(scope: Scope, target: H2Target): Promise<number> {
  const { bytes, failed } = readH2load(await h2load(scope, target, ["-n", "1", "-c", "1"]));
  return failed === 0 ? bytes : -1;
}

async function h2load(
  scope: Scope,
  { port, path, isTls, http1 }: H2Target,
  args: readonly string[],
): Promise<string> {
  const scheme = isTls ? "https" : "http";
  const child = await scope.run("h2load", [
    ...["-t1", ...(http1 ? ["--h1"] : []), ...args],
    `${scheme}://127.0.0.1:${port}${path}`,
  ]);
  return child.stdout.lines.join("\n");
}

/** What h2load prints, without what it says of times. */
export function readH2load(output: string): Omit<LoadReport, "p50Us" | "p99Us"> {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`Cannot find ${pattern} in the report of h2load`);
    return Number(found);
  };
  return {
    // What other statuses there are has failed, as what errored or took too long has.
    requests: number(/, (\d+) succeeded/),
    failed: number(/, (\d+) failed/),
    durationUs: seconds(output) * 1e6,
    bytes: number(/headers .*, \S+ \((\d+)\) data/),
  };
}

/** `finished in 3.00s`, or in ms, or us. */
function seconds(output: string): number {
  const [, value, unit] = /finished in ([\d.]+)(s|ms|us),/.exec(output) ?? [];
  if (value === undefined) throw new Error("Cannot find the duration in the report of h2load");
  return Number(value) / { s: 1, ms: 1e3, us: 1e6 }[unit as "s" | "ms" | "us"];
}

/** The third column of each line are microseconds; the first two are the start and the status. */
function readLog(text: string): number[] {
  return text.split("\n").filter((line) => line !== "").map((line) => Number(line.split("\t")[2]))
    .sort((a, b) => a - b);
}
