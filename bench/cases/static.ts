/** Files from below a root. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runWrk } from "../load/wrk.ts";
import type { BenchCase, TablePlan } from "./case.ts";
import { proxyRows, variantsOf } from "./proxy_rows.ts";

const CLIENTS = 64;
const FILES: Readonly<Record<string, number>> = { "1 kB": 1000, "1 MiB": 1024 * 1024 };

function fileTable(size: string, length: number, clients: number): TablePlan {
  return {
    title: `a file of ${size}, ${clients} clients`,
    prepare: async (bench) => {
      const root = bench.scope.newDirectory("files");
      const path = "/file.txt";
      writeFileSync(join(root, path), "x".repeat(length));
      return {
        rows: await proxyRows(bench, variantsOf(bench, ({ servesFiles }) => servesFiles), {
          path,
          length,
          setup: { root },
          load: (scope, port, seconds) => runWrk(scope, { port, path, clients, seconds }),
        }),
        columns: [
          "requestsPerSecond",
          "mibPerSecond",
          "p50Ms",
          "p99Ms",
          "proxyCpuUs",
          "memoryMiB",
          "failed",
        ],
        compared: "requestsPerSecond",
        bounds: [],
      };
    },
  };
}

export const files: BenchCase = {
  name: "static",
  peers: ["wrk"],
  tables: (clients = [CLIENTS]) =>
    clients.flatMap((count) =>
      Object.entries(FILES).map(([size, length]) => fileTable(size, length, count))
    ),
};
