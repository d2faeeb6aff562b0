/** One client that reads slowly beside fast ones: does it hold them up? */
import { cResponder } from "../applications/application.ts";
import type { Bound, Row } from "../comparison.ts";
import { startClient } from "../load/client.ts";
import { runWrk } from "../load/wrk.ts";
import { measureLoad } from "../measure/figures.ts";
import { AFCGI, type Bench, type BenchCase } from "./case.ts";
import {
  multiplexingHaproxy,
  rowsOrBroken,
  startFront,
  type Variant,
  variantsOf,
} from "./front_rows.ts";

const FAST_CLIENTS = 63;
const SLOW_LENGTH = 64 * 1024 * 1024;
const SLOW_BYTES_PER_SECOND = 10_000;
const SMALL = { path: "/", length: 12 };

/** Longer than any round: whoever started the slow one stops it. */
const SLOW_LIMIT_SECONDS = 600;

const withSlow = (name: string) => `${name}, slow one beside`;

async function rowsOf(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const variant of [...variantsOf(bench), ...multiplexingHaproxy(bench)]) {
    const { name = variant.contender.title } = variant;
    const start = () => pairOfRows(bench, name, variant);
    rows.push(...await rowsOrBroken(bench.scope, [name, withSlow(name)], start));
  }
  return rows;
}

/** One front, measured without and with the slow reader. */
async function pairOfRows(
  { scope }: Bench,
  name: string,
  { contender, front = {} }: Variant,
): Promise<readonly Row[]> {
  const application = await cResponder({ byQuery: true })(scope);
  const { proxyPid, port } = await startFront(scope, contender, application, front, SMALL);
  const measure = (seconds: number) =>
    measureLoad(
      { proxyPid, application },
      () => runWrk(scope, { port, path: SMALL.path, clients: FAST_CLIENTS, seconds }),
    );
  const slow = {
    port,
    path: `/?bytes=${SLOW_LENGTH}`,
    requests: 1,
    rate: SLOW_BYTES_PER_SECOND,
    limit: SLOW_LIMIT_SECONDS,
  };
  return [{ name, measure }, {
    name: withSlow(name),
    async measure(seconds) {
      const child = await startClient(scope, slow);
      try {
        return await measure(seconds);
      } finally {
        await scope.stopOne(child);
      }
    },
  }];
}

/** Against the same front without the slow one. */
const BOUNDS: readonly Bound[] = [
  { row: withSlow(AFCGI), column: "requestsPerSecond", least: 0.9, of: { row: AFCGI } },
  { row: withSlow(AFCGI), column: "p99Ms", most: 1.25, of: { row: AFCGI } },
];

export const slowReader: BenchCase = {
  name: "slow-reader",
  peers: ["wrk", "cc"],
  tables: () => [{
    title: `${FAST_CLIENTS} clients with answers of 12 bytes, without and with one that reads ` +
      "10 kB a second of 64 MiB",
    prepare: async (bench) => ({
      rows: await rowsOf(bench),
      columns: [
        "requestsPerSecond",
        "p50Ms",
        "p99Ms",
        "proxyCpuUs",
        "applicationCpuUs",
        "memoryMiB",
        "peakMiB",
        "connections",
        "failed",
      ],
      compared: "requestsPerSecond",
      bounds: BOUNDS,
    }),
  }],
};
