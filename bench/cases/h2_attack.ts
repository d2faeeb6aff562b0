/** Honest clients of HTTP/2, alone and beside one that means no good: what they notice of it. */
import { cResponder } from "../applications/application.ts";
import type { Row } from "../comparison.ts";
import { start } from "../contenders/contender.ts";
import { H2_ATTACKS, type H2Attack } from "../load/h2_attacker.ts";
import { runH2load } from "../load/h2load.ts";
import { measureLoad } from "../measure/figures.ts";
import { benchFile } from "../scope.ts";
import { AFCGI, type BenchCase } from "./case.ts";
import { rowsOrBroken, variantsOf } from "./proxy_rows.ts";

const CLIENTS = 64;
const STREAMS = 10;
const ATTACKS = Object.keys(H2_ATTACKS) as H2Attack[];

const beside = (attack: H2Attack) => `${AFCGI}, ${attack} beside`;

export const h2Attack: BenchCase = {
  name: "h2-attack",
  peers: ["cc", "nghttp2"],
  tables: () => [{
    title: `${CLIENTS} clients with ${STREAMS} streams each, alone and beside an attacker`,
    prepare: async (bench) => {
      const { scope } = bench;
      const rows: Row[] = [];
      for (const { contender } of variantsOf(bench, ({ name }) => name === "afcgi")) {
        const names = [AFCGI, ...ATTACKS.map(beside)];
        rows.push(
          ...await rowsOrBroken(scope, names, async () => {
            const application = await cResponder()(scope);
            const { child, port } = await start(scope, contender, { kept: CLIENTS, application });
            const target = { port, path: "/", isTls: false, clients: CLIENTS, streams: STREAMS };
            const measure = (seconds: number) =>
              measureLoad(
                { proxyPid: child.pid, application },
                () => runH2load(scope, { ...target, seconds }),
              );
            const attacked = (attack: H2Attack) => async (seconds: number) => {
              const args = [benchFile("load/h2_attacker.ts"), String(port), attack];
              const attacker = scope.start(process.execPath, args);
              try {
                return await measure(seconds);
              } finally {
                await scope.stopOne(attacker);
              }
            };
            return [
              { name: AFCGI, measure },
              ...ATTACKS.map((attack) => ({ name: beside(attack), measure: attacked(attack) })),
            ];
          }),
        );
      }
      return {
        rows,
        columns: ["requestsPerSecond", "p50Ms", "p99Ms", "proxyCpuUs", "memoryMiB", "failed"],
        compared: "p99Ms",
        bounds: ATTACKS.map((attack) => ({
          row: beside(attack),
          column: "p99Ms",
          most: 2,
          of: { row: AFCGI },
        })),
      };
    },
  }],
};
