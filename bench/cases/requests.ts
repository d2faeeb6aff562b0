/** Cases of many short requests: what a proxy does for each of them is what counts. */
import { cResponder, goApplication, type StartApplication } from "../applications/application.ts";
import type { PeerName } from "../../tests/support/peers.ts";
import { BROWSER_HEADERS } from "../browser_headers.ts";
import type { Bound } from "../comparison.ts";
import { runWrk } from "../load/wrk.ts";
import { AFCGI, type Bench, type BenchCase, DENO, FLOOR, HAPROXY, NGINX } from "./case.ts";
import { multiplexingHaproxy, proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";

/** What is said of a proxy that answers many short requests. */
export const REQUEST_COLUMNS = [
  "requestsPerSecond",
  "p50Ms",
  "p99Ms",
  "proxyCpuUs",
  "applicationCpuUs",
  "memoryMiB",
  "connections",
  "failed",
] as const;

interface RequestCase {
  readonly name: string;
  readonly about: string;
  readonly peers: readonly PeerName[];
  readonly clients: readonly number[];
  readonly application: StartApplication;
  readonly path: string;
  readonly length: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly pauseMs?: number;
  readonly isMixed?: boolean;
  bounds(clients: number): readonly Bound[];
}

function requestCase(one: RequestCase): BenchCase {
  const { name, peers, path, length, headers, pauseMs, isMixed, application } = one;
  return {
    name,
    peers: ["wrk", ...peers],
    tables: (clients = one.clients) =>
      clients.map((count) => ({
        title: `${one.about}, ${count} client${count === 1 ? "" : "s"}`,
        prepare: async (bench) => ({
          rows: await proxyRows(bench, variants(bench, one), {
            application,
            path,
            length,
            // As many as can be used at once: a proxy that keeps fewer opens and closes the others.
            setup: { kept: count },
            load: (scope, port, seconds) =>
              runWrk(scope, {
                port,
                path,
                clients: count,
                seconds,
                ...(headers && { headers }),
                pauseMs,
                isMixed,
              }),
          }),
          columns: REQUEST_COLUMNS,
          compared: "requestsPerSecond",
          bounds: one.bounds(count),
        }),
      })),
  };
}

/** Requests a second of a row as a ratio to those of another. */
export function rate(row: string, least: number, of: string): Bound {
  return { row, column: "requestsPerSecond", least, of: { row: of } };
}

/** The floor knows neither methods nor bodies. */
function variants(bench: Bench, { isMixed = false }: RequestCase): readonly Variant[] {
  const all = variantsOf(bench, ({ title }) => !isMixed || title !== FLOOR);
  return [...all, ...multiplexingHaproxy(bench)];
}

/** Processor time of a request as a ratio to another one's. */
export function cpu(most: number, of: string): Bound {
  return { row: AFCGI, column: "proxyCpuUs", most, of: { row: of } };
}

/** What the smallest gateway on the same runtime takes, and a quarter more. */
export const byFloor = cpu(1.25, FLOOR);

const onDeno = rate(DENO, 0.75, AFCGI);

export const small = requestCase({
  name: "small",
  about: "responses of 12 bytes from a multiplexing application",
  peers: ["cc"],
  clients: [1, 4, 16, 64, 256, 1000],
  application: cResponder(),
  path: "/",
  length: 12,
  bounds(clients) {
    if (clients < 16) return [rate(AFCGI, 1, NGINX), cpu(1.1, NGINX), byFloor, onDeno];
    if (clients < 64) return [rate(AFCGI, 1, NGINX), byFloor, onDeno];
    if (clients < 256) {
      return [rate(AFCGI, 1.15, NGINX), rate(AFCGI, 1.3, HAPROXY), byFloor, onDeno];
    }
    return [
      rate(AFCGI, 1.3, NGINX),
      rate(AFCGI, 1.7, HAPROXY),
      cpu(1, NGINX),
      byFloor,
      onDeno,
    ];
  },
});

/** As most servers are used: nobody waits for a processor. */
export const pauses = requestCase({
  name: "pauses",
  about: "the same with pauses of 0 to 20 ms before each request",
  peers: ["cc"],
  clients: [16, 64],
  application: cResponder(),
  path: "/",
  length: 12,
  pauseMs: 20,
  bounds: () => [cpu(1.1, NGINX), byFloor],
});

export const mixed = requestCase({
  name: "mixed",
  about: "the same for GET, OPTIONS and DELETE, and POST and PUT with 1 kB, in turn",
  peers: ["cc"],
  clients: [4, 64],
  application: cResponder(),
  path: "/",
  length: 12,
  isMixed: true,
  bounds: () => [rate(AFCGI, 1, NGINX)],
});

export const headers = requestCase({
  name: "headers",
  about: "the same for a browser's request of 1.5 kB, about 30 parameters",
  peers: ["cc"],
  clients: [4, 64],
  application: cResponder(),
  path: "/articles/2024/on-multiplexing?page=2&order=newest",
  length: 12,
  headers: BROWSER_HEADERS,
  bounds: () => [rate(AFCGI, 1, NGINX)],
});

export const go = requestCase({
  name: "go",
  about: "responses of 12 bytes from Go's net/http/fcgi",
  peers: ["go"],
  clients: [4, 16, 64],
  application: goApplication,
  path: "/",
  length: 12,
  bounds: () => [
    rate(AFCGI, 1.05, NGINX),
    { row: AFCGI, column: "applicationCpuUs", most: 1, of: { row: NGINX } },
  ],
});

const PAGE_LENGTH = 32 * 1024;

export const page = requestCase({
  name: "page",
  about: "responses of 32 kB from a multiplexing application",
  peers: ["cc"],
  clients: [4, 64],
  application: cResponder({ length: PAGE_LENGTH }),
  path: "/",
  length: PAGE_LENGTH,
  bounds: () => [rate(AFCGI, 1, NGINX), byFloor],
});
