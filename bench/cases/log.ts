/** What an access log costs, each server against itself. */
import { join } from "node:path";
import { cResponder } from "../applications/application.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type Bench, type BenchCase } from "./case.ts";
import { proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { rate, REQUEST_COLUMNS } from "./requests.ts";

const CLIENTS = 64;
const withLog = (name: string) => `${name}, access log`;

function variants(bench: Bench): readonly Variant[] {
  return variantsOf(bench).flatMap(({ contender }) => [
    { contender },
    {
      contender,
      name: withLog(contender.title),
      setup: { accessLog: join(bench.scope.newDirectory("log"), "access.log") },
    },
  ]);
}

export const log: BenchCase = {
  name: "log",
  peers: ["wrk", "cc"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `responses of 12 bytes without and with an access log, ${count} clients`,
      prepare: async (bench) => ({
        rows: await proxyRows(bench, variants(bench), {
          application: cResponder(),
          path: "/",
          length: 12,
          load: (scope, port, seconds) =>
            runWrk(scope, { port, path: "/", clients: count, seconds }),
        }),
        columns: REQUEST_COLUMNS,
        compared: "requestsPerSecond",
        bounds: [rate(withLog(AFCGI), 0.95, AFCGI)],
      }),
    })),
};
