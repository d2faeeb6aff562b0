/** What the gateway's features cost a route that uses none of them: afcgi against itself. */
import { cResponder } from "../applications/application.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type Bench, type BenchCase } from "./case.ts";
import { proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { rate } from "./requests.ts";

const CLIENTS = 64;
const WITH_UNUSED = `${AFCGI}, with a site and 8 routes that use everything`;

function variants(bench: Bench): readonly Variant[] {
  return variantsOf(bench, ({ title }) => title === AFCGI).flatMap((one) => [
    one,
    { ...one, name: WITH_UNUSED, setup: { hasUnused: true } },
  ]);
}

export const unused: BenchCase = {
  name: "unused",
  peers: ["wrk", "cc"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `responses of 12 bytes, without and with features that others use, ${count} clients`,
      prepare: async (bench) => ({
        rows: await proxyRows(bench, variants(bench), {
          application: cResponder(),
          path: "/",
          length: 12,
          load: (scope, port, seconds) =>
            runWrk(scope, { port, path: "/", clients: count, seconds }),
        }),
        columns: ["requestsPerSecond", "p50Ms", "p99Ms", "proxyCpuUs", "memoryMiB", "failed"],
        compared: "requestsPerSecond",
        bounds: [rate(WITH_UNUSED, 0.97, AFCGI)],
      }),
    })),
};
