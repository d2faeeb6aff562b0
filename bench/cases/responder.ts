/** The application side: afcgi's FastCGI server beside others, behind the same proxies. */
import {
  fetchHandler,
  goApplication,
  nodeFastCgi,
  type StartApplication,
} from "../applications/application.ts";
import type { Row } from "../comparison.ts";
import { runClient } from "../load/client.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type Bench, type BenchCase, type TablePlan } from "./case.ts";
import { multiplexingHaproxy, proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { rate } from "./requests.ts";

const CLIENTS = 64;
const LENGTH = 12;
const ON_BUN = "serveFastCgi on Bun";
const ON_DENO = "serveFastCgi on Deno";
const GO = "Go net/http/fcgi";
const NODE_FASTCGI = "node-fastcgi";

const APPLICATIONS: Readonly<Record<string, StartApplication>> = {
  [GO]: goApplication,
  [NODE_FASTCGI]: nodeFastCgi,
  [ON_BUN]: fetchHandler("bun"),
  [ON_DENO]: fetchHandler("deno"),
};

const PROXY_NAMES = ["afcgi", "HAProxy", "HAProxy, mpxs-conns"] as const;

const HELD_CLIENTS = 10_000;
const HELD_MS = 2000;
const HELD_PEAK_MIB = 200;

function proxyNamed(bench: Bench, name: string): readonly Variant[] {
  return [...variantsOf(bench), ...multiplexingHaproxy(bench)]
    .filter((variant) => (variant.name ?? variant.contender.title) === name);
}

async function loadRows(bench: Bench, proxy: string, clients: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const variant of proxyNamed(bench, proxy)) {
    for (const [name, application] of Object.entries(APPLICATIONS)) {
      rows.push(
        ...await proxyRows(bench, [{ ...variant, name }], {
          application,
          path: "/",
          length: LENGTH,
          load: (scope, port, seconds) => runWrk(scope, { port, path: "/", clients, seconds }),
        }),
      );
    }
  }
  return rows;
}

function loadTable(proxy: string, clients: number): TablePlan {
  return {
    title: `responses of 12 bytes from applications behind ${proxy}, ${clients} clients`,
    prepare: async (bench) => ({
      rows: await loadRows(bench, proxy, clients),
      columns: [
        "requestsPerSecond",
        "p50Ms",
        "p99Ms",
        "proxyCpuUs",
        "applicationCpuUs",
        "applicationPeakMiB",
        "connections",
        "failed",
      ],
      compared: "requestsPerSecond",
      bounds: [rate(ON_BUN, 1.5, GO), rate(ON_BUN, 3, NODE_FASTCGI)],
    }),
  };
}

const heldTable: TablePlan = {
  title: `${HELD_CLIENTS} requests at once behind afcgi, each held for ${HELD_MS / 1000} s by ` +
    "one process on one connection",
  prepare: async (bench) => {
    const rows: Row[] = [];
    for (const variant of proxyNamed(bench, AFCGI)) {
      for (const name of [GO, ON_BUN, ON_DENO]) {
        rows.push(
          ...await proxyRows(bench, [{ ...variant, name }], {
            application: APPLICATIONS[name]!,
            path: "/hold?ms=0",
            length: LENGTH,
            load: (scope, port) =>
              runClient(scope, {
                port,
                path: `/hold?ms=${HELD_MS}`,
                clients: HELD_CLIENTS,
                requests: HELD_CLIENTS,
                expect: LENGTH,
                openPerMs: 16,
              }),
          }),
        );
      }
    }
    return {
      rows,
      columns: [
        "p50Ms",
        "p99Ms",
        "applicationCpuUs",
        "applicationPeakMiB",
        "connections",
        "failed",
      ],
      bounds: [
        { row: ON_BUN, column: "failed", most: 0 },
        { row: ON_BUN, column: "connections", most: 1 },
        { row: ON_BUN, column: "applicationPeakMiB", most: HELD_PEAK_MIB },
      ],
    };
  },
};

export const responder: BenchCase = {
  name: "responder",
  peers: ["wrk", "cc", "go"],
  tables: (clients = [CLIENTS]) => [
    ...clients.flatMap((count) => PROXY_NAMES.map((proxy) => loadTable(proxy, count))),
    heldTable,
  ],
};
