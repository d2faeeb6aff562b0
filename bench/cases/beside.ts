/** Small responses for many clients, without and with one more client that may hold them up. */
import type { StartApplication } from "../applications/application.ts";
import type { Bound, Row } from "../comparison.ts";
import { type ClientOptions, startClient } from "../load/client.ts";
import { runWrk } from "../load/wrk.ts";
import { measureLoad } from "../measure/figures.ts";
import type { PeerName } from "../../tests/support/peers.ts";
import type { Bench, BenchCase } from "./case.ts";
import {
  multiplexingHaproxy,
  rowsOrBroken,
  startProxy,
  type Variant,
  variantsOf,
} from "./proxy_rows.ts";

const FAST_CLIENTS = 63;
const SMALL = { path: "/", length: 12 };

export interface BesideCase {
  readonly name: string;
  /** What the one more client does. */
  readonly about: string;
  /** The same in the names of rows. */
  readonly beside: string;
  readonly peers: readonly PeerName[];
  readonly application: StartApplication;
  /** What it asks for; whoever starts it stops it. */
  readonly client: Omit<ClientOptions, "port">;
  bounds(withIt: (row: string) => string): readonly Bound[];
}

export function besideCase(one: BesideCase): BenchCase {
  const withIt = (name: string) => `${name}, ${one.beside} beside`;
  return {
    name: one.name,
    peers: ["wrk", ...one.peers],
    tables: () => [{
      title: `${FAST_CLIENTS} clients with responses of 12 bytes, without and with ${one.about}`,
      prepare: async (bench) => {
        const rows: Row[] = [];
        for (const variant of [...variantsOf(bench), ...multiplexingHaproxy(bench)]) {
          const { name = variant.contender.title } = variant;
          const names = [name, withIt(name)] as const;
          const start = () => pairOfRows(bench, names, variant, one);
          rows.push(...await rowsOrBroken(bench.scope, names, start));
        }
        return {
          rows,
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
          bounds: one.bounds(withIt),
        };
      },
    }],
  };
}

/** One proxy, measured without and with the other client. */
async function pairOfRows(
  { scope }: Bench,
  [name, nameWithIt]: readonly [string, string],
  { contender, setup = {} }: Variant,
  one: BesideCase,
): Promise<readonly Row[]> {
  const application = await one.application(scope);
  const { proxyPid, port } = await startProxy(scope, contender, application, setup, SMALL);
  const measure = (seconds: number) =>
    measureLoad(
      { proxyPid, application },
      () => runWrk(scope, { port, path: SMALL.path, clients: FAST_CLIENTS, seconds }),
    );
  return [{ name, measure }, {
    name: nameWithIt,
    async measure(seconds) {
      const child = await startClient(scope, { ...one.client, port });
      try {
        return await measure(seconds);
      } finally {
        await scope.stopOne(child);
      }
    },
  }];
}
