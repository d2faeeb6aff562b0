/**
 * A short script on php-fpm, over kept connections and over new ones. Our own client makes the load:
 * a proxy that keeps all children busy for some of its clients answers the others never, and wrk says
 * nothing of requests that are still waiting when it ends.
 */
import { phpFpm } from "../applications/php_fpm.ts";
import type { Bound } from "../comparison.ts";
import { runClient } from "../load/client.ts";
import { AFCGI, type Bench, type BenchCase, HAPROXY } from "./case.ts";
import { proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { byFloor, cpu, rate } from "./requests.ts";

const CHILDREN = 8;
/** Fewer than children, and more. */
const CLIENTS = [1, 4, 16, 64];

/** More children than clients, and room for other connections than ours. */
const IDLE_CHILDREN = 40;
const IDLE_POOL = 36;
const IDLE_CLIENTS = [1, 4, 16, 64];
const LENGTH = 12;
const PATH = "/index.php";

/** How long after the end of a round the last responses may come. */
const LIMIT_SECONDS = 2;

const NOT_KEPT = "nginx, not kept";
const KEPT = "nginx, kept";

/** Each kept connection holds a child, so that none keeps more than there are children. */
function variants(bench: Bench, pool: number): readonly Variant[] {
  const kept = { kept: pool, connectionsMax: pool };
  return variantsOf(bench).flatMap(({ contender }): Variant[] => {
    if (contender.name !== "nginx") return [{ contender, setup: kept }];
    return [
      { contender, name: NOT_KEPT, setup: { kept: 0 } },
      { contender, name: KEPT, setup: kept },
    ];
  });
}

interface FpmCase {
  readonly name: string;
  readonly children: number;
  /** Connections that are kept, where they are. */
  readonly pool: number;
  readonly clients: readonly number[];
  readonly bounds: readonly Bound[];
}

function fpmCase({ name, children, pool, clients: ownClients, bounds }: FpmCase): BenchCase {
  return {
    name,
    peers: ["cc", "php-fpm"],
    tables: (clients = ownClients) =>
      clients.map((count) => ({
        title: `a short script on php-fpm with ${children} children, ${count} clients`,
        prepare: async (bench) => ({
          rows: await proxyRows(bench, variants(bench, pool), {
            application: phpFpm(children),
            path: PATH,
            length: LENGTH,
            load: (scope, port, seconds) =>
              runClient(scope, {
                port,
                path: PATH,
                clients: count,
                seconds,
                expect: LENGTH,
                limit: LIMIT_SECONDS,
              }),
          }),
          columns: [
            "requestsPerSecond",
            "p50Ms",
            "p99Ms",
            "proxyCpuUs",
            "applicationCpuUs",
            "memoryMiB",
            "connections",
            "failed",
          ],
          compared: "requestsPerSecond",
          bounds,
        }),
      })),
  };
}

export const fpm = fpmCase({
  name: "fpm",
  children: CHILDREN,
  pool: CHILDREN,
  clients: CLIENTS,
  bounds: [
    rate(AFCGI, 0.85, HAPROXY),
    { row: AFCGI, column: "p99Ms", most: 1.2, of: { row: HAPROXY } },
    byFloor,
  ],
});

/** Fewer clients than children: connections are to be kept, and cost what kept ones cost. */
export const fpmIdle = fpmCase({
  name: "fpm-idle",
  children: IDLE_CHILDREN,
  pool: IDLE_POOL,
  clients: IDLE_CLIENTS,
  bounds: [cpu(1.2, KEPT), byFloor],
});
