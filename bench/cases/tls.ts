/** TLS: short responses over connections that are kept, and handshakes. */
import { cResponder } from "../applications/application.ts";
import { runHandshakes } from "../load/s_time.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type BenchCase, NGINX, type TablePlan } from "./case.ts";
import { type LoadPlan, proxyRows, variantsOf } from "./proxy_rows.ts";
import { rate, REQUEST_COLUMNS } from "./requests.ts";

const KEPT_CLIENTS = 64;
const HANDSHAKE_CLIENTS = 4;
const LENGTH = 12;

/** Those whose configuration here has TLS. */
const SPEAKERS: ReadonlySet<string> = new Set(["nginx", "haproxy", "caddy", "afcgi", "deno"]);

type Table = Awaited<ReturnType<TablePlan["prepare"]>>;

function tlsTable(
  title: string,
  load: LoadPlan["load"],
  table: Pick<Table, "columns" | "bounds">,
): TablePlan {
  return {
    title,
    prepare: async (bench) => ({
      rows: await proxyRows(bench, variantsOf(bench, ({ name }) => SPEAKERS.has(name)), {
        application: cResponder(),
        path: "/",
        length: LENGTH,
        setup: { kept: KEPT_CLIENTS, isTls: true },
        load,
      }),
      compared: "requestsPerSecond",
      ...table,
    }),
  };
}

export const tls: BenchCase = {
  name: "tls",
  peers: ["wrk", "cc", "openssl"],
  tables: (clients = [KEPT_CLIENTS]) => [
    ...clients.map((count) =>
      tlsTable(
        `responses of 12 bytes over kept TLS connections, ${count} clients`,
        (scope, port, seconds) =>
          runWrk(scope, { port, path: "/", clients: count, seconds, isTls: true }),
        { columns: REQUEST_COLUMNS, bounds: [rate(AFCGI, 1, NGINX)] },
      )
    ),
    tlsTable(
      `new TLS connections a second, ${HANDSHAKE_CLIENTS} clients`,
      (scope, port, seconds) => runHandshakes(scope, { port, clients: HANDSHAKE_CLIENTS, seconds }),
      {
        columns: ["requestsPerSecond", "proxyCpuUs", "memoryMiB", "failed"],
        bounds: [rate(AFCGI, 0.8, NGINX)],
      },
    ),
  ],
};
