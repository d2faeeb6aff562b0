/**
 * New TLS connections from `openssl s_time`: each of several processes makes one after the other,
 * with a handshake that resumes nothing, and closes it.
 */
import type { LoadReport } from "../measure/figures.ts";
import type { Scope } from "../scope.ts";

export interface HandshakeOptions {
  readonly port: number;
  readonly clients: number;
  readonly seconds: number;
}

export async function runHandshakes(
  scope: Scope,
  { port, clients, seconds }: HandshakeOptions,
): Promise<LoadReport> {
  const started = performance.now();
  const counts = await Promise.all(Array.from({ length: clients }, async () => {
    const args = ["s_time", "-new", "-connect", `127.0.0.1:${port}`, "-time", `${seconds}`];
    return countOf((await scope.run("openssl", args)).stdout.lines);
  }));
  return {
    requests: counts.reduce((sum, count) => sum + count, 0),
    failed: 0,
    durationUs: (performance.now() - started) * 1000,
    p50Us: 0,
    p99Us: 0,
    bytes: 0,
  };
}

/** "4321 connections in 4 real seconds, 0 bytes read per connection". */
function countOf(lines: readonly string[]): number {
  for (const line of lines) {
    const [, count] = /^(\d+) connections in \d+ real seconds/.exec(line) ?? [];
    if (count !== undefined) return Number(count);
  }
  throw new Error("Cannot find the report of openssl s_time");
}
