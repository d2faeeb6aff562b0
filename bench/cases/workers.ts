/**
 * One thread and two beside each other, in cleartext and over TLS, and nginx with as many workers: what
 * a request costs must not change with their number. How much more is served depends on how many
 * processors the load and the application leave.
 */
import { cResponder } from "../applications/application.ts";
import type { Bound } from "../comparison.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type BenchCase, type TablePlan } from "./case.ts";
import { proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { REQUEST_COLUMNS } from "./requests.ts";

const CLIENTS = 64;
const LENGTH = 12;
const COUNTS = [1, 2] as const;
/** As much as two measurements of the same thing differ. */
const COST_MAX = 1.05;

/** Those whose configuration here says how many. */
const SPREAD: ReadonlySet<string> = new Set(["nginx", "afcgi", "deno"]);

function rowName(title: string, threads: number): string {
  return `${title}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

const BOUNDS: readonly Bound[] = [{
  row: rowName(AFCGI, 2),
  column: "proxyCpuUs",
  most: COST_MAX,
  of: { row: rowName(AFCGI, 1) },
}];

function table(clients: number, isTls: boolean): TablePlan {
  return {
    title: `responses of 12 bytes${isTls ? " over kept TLS connections" : ""}, ${clients} clients`,
    prepare: async (bench) => ({
      rows: await proxyRows(
        bench,
        variantsOf(bench, ({ name }) => SPREAD.has(name)).flatMap(({ contender }): Variant[] =>
          COUNTS.map((threads) => ({
            contender,
            name: rowName(contender.title, threads),
            setup: { threads },
          }))
        ),
        {
          application: cResponder(),
          path: "/",
          length: LENGTH,
          setup: { kept: clients, ...(isTls && { isTls }) },
          load: (scope, port, seconds) =>
            runWrk(scope, { port, path: "/", clients, seconds, isTls }),
        },
      ),
      columns: REQUEST_COLUMNS,
      compared: "requestsPerSecond",
      bounds: BOUNDS,
    }),
  };
}

export const workers: BenchCase = {
  name: "workers",
  peers: ["wrk", "cc"],
  tables: (clients = [CLIENTS]) =>
    clients.flatMap((count) => [table(count, false), table(count, true)]),
};
