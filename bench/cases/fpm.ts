/**
 * A short script on php-fpm, over kept connections and over new ones. Our own client makes the load:
 * a proxy that keeps all children busy for some of its clients answers the others never, and wrk says
 * nothing of requests that are still waiting when it ends.
 */
import { phpFpm } from "../applications/php_fpm.ts";
import { runClient } from "../load/client.ts";
import { AFCGI, type Bench, type BenchCase, HAPROXY } from "./case.ts";
import { frontRows, type Variant, variantsOf } from "./front_rows.ts";
import { rate } from "./requests.ts";

const CHILDREN = 8;
const CLIENTS = 64;
const LENGTH = 12;
const PATH = "/index.php";

/** How long after the end of a round the last answers may come. */
const LIMIT_SECONDS = 2;

const NOT_KEPT = "nginx, not kept";

/** Each kept connection holds a child, so that none keeps more than there are children. */
function variants(bench: Bench): readonly Variant[] {
  const kept = { kept: CHILDREN, connectionsMax: CHILDREN };
  return variantsOf(bench).flatMap(({ contender }): Variant[] => {
    if (contender.name !== "nginx") return [{ contender, front: kept }];
    return [
      { contender, name: NOT_KEPT, front: { kept: 0 } },
      { contender, name: "nginx, kept", front: kept },
    ];
  });
}

export const fpm: BenchCase = {
  name: "fpm",
  peers: ["cc", "php-fpm"],
  tables: (clients = [CLIENTS]) =>
    clients.map((count) => ({
      title: `a short script on php-fpm with ${CHILDREN} children, ${count} clients`,
      prepare: async (bench) => ({
        rows: await frontRows(bench, variants(bench), {
          application: phpFpm(CHILDREN),
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
        bounds: [rate(AFCGI, 1, HAPROXY), rate(AFCGI, 1.3, NOT_KEPT)],
      }),
    })),
};
