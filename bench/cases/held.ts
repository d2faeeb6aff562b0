/** Long polls: thousands of requests that wait at the application at once. */
import { goApplication } from "../applications/application.ts";
import type { Contender } from "../contenders/contender.ts";
import { runClient } from "../load/client.ts";
import { AFCGI, type BenchCase } from "./case.ts";
import { multiplexingHaproxy, proxyRows, variantsOf } from "./proxy_rows.ts";

const CLIENTS = 8000;
const HELD_MS = 2000;
const PEAK_MIB = 160;
const LENGTH = 12;

/** Apache would need a thread for each request that waits. */
const takesPart = ({ name }: Contender) => name !== "apache";

export const held: BenchCase = {
  name: "held",
  peers: ["cc", "go"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `${count} requests at once, each held for ${HELD_MS / 1000} s by a Go application`,
      prepare: async (bench) => ({
        rows: await proxyRows(
          bench,
          [
            ...variantsOf(bench, takesPart),
            ...multiplexingHaproxy(bench),
          ],
          {
            application: goApplication,
            path: "/hold?ms=0",
            length: LENGTH,
            load: (scope, port) =>
              runClient(scope, {
                port,
                path: `/hold?ms=${HELD_MS}`,
                clients: count,
                requests: count,
                expect: LENGTH,
                openPerMs: 16,
              }),
          },
        ),
        columns: [
          "p50Ms",
          "p99Ms",
          "proxyCpuUs",
          "applicationCpuUs",
          "peakMiB",
          "applicationPeakMiB",
          "connections",
          "failed",
        ],
        bounds: [
          { row: AFCGI, column: "failed", most: 0 },
          { row: AFCGI, column: "connections", most: 1 },
          { row: AFCGI, column: "peakMiB", most: PEAK_MIB },
        ],
      }),
    })),
};
