/** Memory after many requests, and after as many again: nothing may pile up. */
import { cResponder } from "../applications/application.ts";
import { runClient } from "../load/client.ts";
import { memoryMiB } from "../measure/processes.ts";
import { AFCGI, type BenchCase } from "./case.ts";
import { startFront, variantsOf } from "./front_rows.ts";

const CLIENTS = 64;
const HALF = 50_000;
const REST_MS = 2000;
const SMALL = { path: "/", length: 12 };

/** What a garbage collector may be off by from one look to the next. */
const GROWTH_MAX = 1.05;

export const rest: BenchCase = {
  name: "rest",
  peers: ["cc"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `memory at rest after ${HALF} requests and after as many again, a process each round`,
      prepare: async (bench) => {
        const application = await cResponder()(bench.scope);
        const rows = variantsOf(bench).map(({ contender }) => ({
          name: contender.title,
          async measure() {
            const { scope } = bench;
            const { proxyPid, port, child } = await startFront(
              scope,
              contender,
              application,
              {},
              SMALL,
            );
            const half = async () => {
              const { failed } = await runClient(scope, { port, clients: count, requests: HALF });
              await new Promise((resolve) => setTimeout(resolve, REST_MS));
              return { failed, memory: memoryMiB(proxyPid) };
            };
            const first = await half();
            const second = await half();
            await scope.stopOne(child);
            return {
              firstHalfMiB: first.memory,
              secondHalfMiB: second.memory,
              failed: first.failed + second.failed,
            };
          },
        }));
        return {
          rows,
          columns: ["firstHalfMiB", "secondHalfMiB", "failed"],
          bounds: [{
            row: AFCGI,
            column: "secondHalfMiB",
            most: GROWTH_MAX,
            of: { column: "firstHalfMiB" },
          }],
        };
      },
    })),
};
