/** Cases of large bodies: how fast they pass, and how much memory they take on their way. */
import { cResponder } from "../applications/application.ts";
import type { Bound } from "../comparison.ts";
import { type ClientOptions, runClient } from "../load/client.ts";
import { AFCGI, type Bench, type BenchCase, FLOOR, NGINX } from "./case.ts";
import { proxyRows, type Variant, variantsOf } from "./proxy_rows.ts";
import { byFloor } from "./requests.ts";

const MIB = 1024 * 1024;
const LENGTH = 64 * MIB;
const SMALL_LENGTH = 12;
const CLIENTS = 4;

/** Bodies of the case `stream`, and what a proxy may take for one. */
const STREAM_LENGTH = 1024 * MIB;
const STREAM_PEAK_MIB = 150;

const COLUMNS = [
  "mibPerSecond",
  "p50Ms",
  "p99Ms",
  "proxyCpuUs",
  "applicationCpuUs",
  "peakMiB",
  "connections",
  "failed",
] as const;

type Body = Pick<ClientOptions, "path" | "body" | "expect">;

function down(length: number): Body {
  return { path: `/?bytes=${length}`, expect: length };
}

function up(length: number): Body {
  return { path: "/", body: length, expect: SMALL_LENGTH };
}

/** The floor knows no bodies of requests. */
function variants(bench: Bench, { body }: Body): readonly Variant[] {
  return variantsOf(bench, ({ title }) => body === undefined || title !== FLOOR);
}

interface TransferCase {
  readonly name: string;
  readonly about: string;
  readonly body: Body;
}

function transferCase({ name, about, body }: TransferCase): BenchCase {
  return {
    name,
    peers: ["cc"],
    tables: (clients = [CLIENTS]) =>
      clients.map((count) => ({
        title: `${about}, ${count} clients`,
        prepare: async (bench) => ({
          rows: await transferRows(
            bench,
            variants(bench, body),
            (seconds) => ({ ...body, clients: count, seconds }),
          ),
          columns: COLUMNS,
          compared: "mibPerSecond",
          bounds: [
            { row: AFCGI, column: "mibPerSecond", least: 1, of: { row: NGINX } },
            ...floorBound(body),
          ],
        }),
      })),
  };
}

function transferRows(
  bench: Bench,
  variants: readonly Variant[],
  load: (seconds: number) => Omit<ClientOptions, "port">,
) {
  return proxyRows(bench, variants, {
    application: cResponder({ byQuery: true }),
    path: "/",
    length: SMALL_LENGTH,
    load: (scope, port, seconds) => runClient(scope, { port, ...load(seconds) }),
  });
}

export const download = transferCase({
  name: "download",
  about: "responses of 64 MiB from a multiplexing application",
  body: down(LENGTH),
});

export const upload = transferCase({
  name: "upload",
  about: "request bodies of 64 MiB to a multiplexing application",
  body: up(LENGTH),
});

function floorBound({ body }: Body): readonly Bound[] {
  return body === undefined ? [byFloor] : [];
}

function streamTable(direction: string, body: Body, bounds: readonly Bound[] = []) {
  const memory: Bound = { row: AFCGI, column: "peakMiB", most: STREAM_PEAK_MIB };
  return {
    title: `one ${direction} of 1 GiB`,
    prepare: async (bench: Bench) => ({
      rows: await transferRows(
        bench,
        variants(bench, body),
        () => ({ ...body, clients: 1, requests: 1, limit: 120 }),
      ),
      columns: COLUMNS,
      compared: "mibPerSecond" as const,
      bounds: [memory, ...bounds, ...floorBound(body)],
    }),
  };
}

export const stream: BenchCase = {
  name: "stream",
  peers: ["cc"],
  tables: () => [
    streamTable("download", down(STREAM_LENGTH), [
      { row: AFCGI, column: "mibPerSecond", least: 0.9, of: { row: NGINX } },
    ]),
    streamTable("upload", up(STREAM_LENGTH)),
  ],
};
