/** Memory after many requests, and after as many again: nothing may pile up. */
import { cResponder } from "../applications/application.ts";
import { type ClientOptions, runClient } from "../load/client.ts";
import { memoryMiB } from "../measure/processes.ts";
import type { Scope } from "../scope.ts";
import { AFCGI, type BenchCase } from "./case.ts";
import { startProxy, variantsOf } from "./proxy_rows.ts";

const CLIENTS = 64;

/** Five times this, and five times more. */
const PIECE = 10_000;
const PIECES = 5;
const HALF = PIECE * PIECES;

/** How long a server is left alone before its memory is looked at. */
const REST_MS = 1000;
const SMALL = { path: "/", length: 12 };

/** What the least of one half may be off by from that of the other. */
const GROWTH_MAX = 1.05;

/**
 * Requests in pieces with a rest behind each. A garbage collector's memory goes up and down by a
 * sixth from one look to the next; what is never given back again shows in the least.
 */
async function runHalf(
  scope: Scope,
  pid: number,
  load: Omit<ClientOptions, "requests">,
): Promise<{ failed: number; memory: number }> {
  let failed = 0;
  let memory = Infinity;
  for (let piece = 0; piece < PIECES; piece++) {
    failed += (await runClient(scope, { ...load, requests: PIECE })).failed;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    memory = Math.min(memory, memoryMiB(pid));
  }
  return { failed, memory };
}

export const rest: BenchCase = {
  name: "rest",
  peers: ["cc"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title:
        `least memory at rest during ${HALF} requests and during as many again, a process each round`,
      prepare: async (bench) => {
        const application = await cResponder()(bench.scope);
        const rows = variantsOf(bench).map(({ contender }) => ({
          name: contender.title,
          async measure() {
            const { scope } = bench;
            const { proxyPid, port, child } = await startProxy(
              scope,
              contender,
              application,
              {},
              SMALL,
            );
            const first = await runHalf(scope, proxyPid, { port, clients: count });
            const second = await runHalf(scope, proxyPid, { port, clients: count });
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
