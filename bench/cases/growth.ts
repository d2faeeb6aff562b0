/**
 * What it costs to have more of something: sites, routes, servers, parameters, fields of a request,
 * clients that read slowly. What no request meets is to cost it nothing, what each one has a little.
 */
import { cResponder } from "../applications/application.ts";
import type { Bound, Row } from "../comparison.ts";
import { type Grown, launch } from "../contenders/contender.ts";
import { startClient } from "../load/client.ts";
import { runWrk } from "../load/wrk.ts";
import type { ColumnName } from "../measure/figures.ts";
import { memoryMiB, peakMemoryMiB, resetPeak } from "../measure/processes.ts";
import type { Bench, BenchCase, TablePlan } from "./case.ts";
import { proxyRows, rowsOrBroken, startProxy, variantsOf } from "./proxy_rows.ts";

const CLIENTS = 64;
const MANY = 1_000;
const LENGTH = 12;

/** What a request may take more of processor time where there is more that it does not meet. */
const FLAT_MOST = 1.15;

interface Step {
  readonly name: string;
  readonly grown?: Grown;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Series {
  readonly title: string;
  readonly steps: readonly Step[];
  readonly bounds: readonly Bound[];
}

const COLUMNS: readonly ColumnName[] = ["requestsPerSecond", "p99Ms", "proxyCpuUs", "failed"];

const ours = (bench: Bench) => variantsOf(bench, ({ name }) => name === "afcgi");

/** Processor time of a row's requests, as a ratio to that of another row's. */
function cost(row: string, most: number, of: string): Bound {
  return { row, column: "proxyCpuUs", most, of: { row: of } };
}

function seriesTable({ title, steps, bounds }: Series): TablePlan {
  return {
    title,
    prepare: async (bench) => {
      const rows: Row[] = [];
      for (const { name, grown, path = "/", headers } of steps) {
        rows.push(
          ...await proxyRows(
            bench,
            ours(bench).map(({ contender }) => ({
              contender,
              name,
              ...(grown && { setup: { grown } }),
            })),
            {
              application: cResponder(),
              path: "/",
              length: LENGTH,
              load: (scope, port, seconds) =>
                runWrk(scope, {
                  port,
                  path,
                  clients: CLIENTS,
                  seconds,
                  ...(headers && { headers }),
                }),
            },
          ),
        );
      }
      return { rows, columns: COLUMNS, compared: "proxyCpuUs", bounds };
    },
  };
}

const many = (pathOf: (at: number) => string) =>
  Array.from({ length: MANY }, (_, at) => pathOf(at));
const lastOf = { path: `/shop/items/${MANY - 1}/page` };

const SERIES: readonly Series[] = [
  {
    title: `sites: one, ${MANY} more by name, ${MANY} more by wildcard`,
    steps: [
      { name: "one site" },
      {
        name: "sites by name",
        grown: { sites: { count: MANY } },
        headers: { Host: `site-${MANY - 1}.example` },
      },
      {
        name: "sites by wildcard",
        grown: { sites: { count: MANY, areWildcards: true } },
        headers: { Host: `www.site-${MANY - 1}.example` },
      },
      {
        name: "none of the wildcards",
        grown: { sites: { count: MANY, areWildcards: true } },
        headers: { Host: "a.b.c.other.example" },
      },
    ],
    bounds: ["sites by name", "sites by wildcard", "none of the wildcards"]
      .map((row) => cost(row, FLAT_MOST, "one site")),
  },
  {
    title: `routes of a site: one, and ${MANY} more of each kind, of which the last is asked`,
    steps: [
      { name: "one route", ...lastOf },
      {
        name: "names of their own",
        grown: { paths: many((at) => `/shop-${at}/*`) },
        path: `/shop-${MANY - 1}/page`,
      },
      { name: "below one name", grown: { paths: many((at) => `/shop/items/${at}/*`) }, ...lastOf },
      { name: "whole paths", grown: { paths: many((at) => `/shop/items/${at}/page`) }, ...lastOf },
      { name: "expressions", grown: { paths: many((at) => `~ ^/shop/items/${at}/`) }, ...lastOf },
      { name: "none of them", grown: { paths: many((at) => `/shop/${at}/*`) }, path: "/other" },
    ],
    bounds: ["names of their own", "below one name", "whole paths", "expressions", "none of them"]
      .map((row) => cost(row, FLAT_MOST, "one route")),
  },
  {
    title: "servers of an upstream: 1, 10, 300",
    steps: [1, 10, 300].map((servers) => ({ name: `${servers} servers`, grown: { servers } })),
    bounds: [cost("300 servers", 1.5, "10 servers")],
  },
  {
    title: "parameters: 2 and 200 with a reference, 200 without",
    steps: [
      { name: "2 with a reference", grown: { params: { count: 2 } } },
      { name: "200 with a reference", grown: { params: { count: 200 } } },
      { name: "200 without", grown: { params: { count: 200, areFixed: true } } },
    ],
    bounds: [cost("200 without", 1.5, "2 with a reference")],
  },
  {
    title: "fields of a request: 5, 50, 200, and one field of 1, 8, 60 kB",
    steps: [
      ...[5, 50, 200].map((count) => ({
        name: `${count} fields`,
        headers: Object.fromEntries(
          Array.from({ length: count }, (_, at) => [`X-Field-${at}`, `value ${at}`]),
        ),
      })),
      ...[1, 8, 60].map((kilobytes) => ({
        name: `a field of ${kilobytes} kB`,
        headers: { "X-Field": "x".repeat(kilobytes * 1000) },
      })),
    ],
    // Four times as many fields, and seven times as long a one: what it comes to is at most as much.
    bounds: [
      cost("200 fields", 4, "50 fields"),
      cost("a field of 60 kB", 7.5, "a field of 8 kB"),
    ],
  },
];

const SLOW_READERS = 1_000;
const SLOW_LENGTH = 5_000_000;
const SLOW_BYTES_PER_SECOND = 5_000;
const SLOW_MIB = 350;
/** How long they are there, and how long after them memory is looked at. */
const HELD_MS = 10_000;
const AFTER_MS = 5_000;

const slowReaders: TablePlan = {
  title: `${SLOW_READERS} clients that read ${SLOW_BYTES_PER_SECOND / 1000} kB a second of ` +
    `${SLOW_LENGTH / 1e6} MB from one multiplexing application, and after they have left`,
  prepare: async (bench) => {
    const { scope } = bench;
    const rows: Row[] = [];
    for (const { contender } of variantsOf(bench)) {
      const name = contender.title;
      rows.push(
        ...await rowsOrBroken(scope, [name], async () => {
          const application = await cResponder({ byQuery: true })(scope);
          const first = { path: "/?bytes=12", length: LENGTH };
          const { proxyPid, port } = await startProxy(scope, contender, application, {}, first);
          const measure = async () => {
            resetPeak(proxyPid);
            const client = await startClient(scope, {
              port,
              path: `/?bytes=${SLOW_LENGTH}`,
              clients: SLOW_READERS,
              requests: SLOW_READERS,
              rate: SLOW_BYTES_PER_SECOND,
              limit: 600,
            });
            await pause(HELD_MS);
            const held = memoryMiB(proxyPid);
            await scope.stopOne(client);
            await pause(AFTER_MS);
            const peak = peakMemoryMiB(proxyPid);
            return { memoryMiB: held, peakMiB: peak, afterMiB: memoryMiB(proxyPid) };
          };
          return [{ name, measure }];
        }),
      );
    }
    return {
      rows,
      columns: ["memoryMiB", "peakMiB", "afterMiB"],
      bounds: [
        { row: "afcgi", column: "memoryMiB", most: SLOW_MIB },
        { row: "afcgi", column: "peakMiB", most: SLOW_MIB },
        { row: "afcgi", column: "afterMiB", most: 150 },
      ],
    };
  },
};

const START_MS = 150;
const LIMIT_MS = 20_000;

const manySites: TablePlan = {
  title: `from the start of the process to its first response, with one site and with ${MANY}`,
  prepare: async (bench) => {
    const { scope } = bench;
    const application = await cResponder()(scope);
    const rows = ours(bench).flatMap(({ contender }) =>
      [0, MANY].map((count) => ({
        name: `${count + 1} sites`,
        async measure() {
          const started = performance.now();
          const grown = { sites: { count } };
          const { child, port } = await launch(scope, contender, { application, kept: 64, grown });
          await untilServed(port);
          const firstResponseMs = performance.now() - started;
          const memory = memoryMiB(child.pid);
          await scope.stopOne(child);
          return { firstResponseMs, memoryMiB: memory };
        },
      }))
    );
    return {
      rows,
      columns: ["firstResponseMs", "memoryMiB"],
      bounds: [{ row: `${MANY + 1} sites`, column: "firstResponseMs", most: START_MS }],
    };
  },
};

async function untilServed(port: number): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const isServed = await fetch(`http://127.0.0.1:${port}/`, { keepalive: false }).then(
      async (response) => (await response.text()).length === LENGTH,
      () => false,
    );
    if (isServed) return;
    if (performance.now() > deadline) throw new Error(`Cannot see a response in ${LIMIT_MS} ms`);
    await pause(1);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const growth: BenchCase = {
  name: "growth",
  peers: ["cc", "wrk"],
  tables: () => [...SERIES.map(seriesTable), slowReaders, manySites],
};
