/**
 * Several servers behind several threads: which of them gets a request is decided as one thread would
 * decide it, whichever thread the client is with; and what one thread finds out of a server holds for
 * all of them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { KeptClient } from "../support/kept_client.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

const workers = 4;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  /** Of the servers. */
  readonly urls: readonly string[];
  /** Requests that each server has begun. */
  readonly begun: readonly number[];
  /** Those that are held until this is called. */
  release(): void;
  /** Each on a connection of its own, which stays: the first of each thread, and so on. */
  clients(count: number): Promise<readonly KeptClient[]>;
  start(index: number): Promise<void>;
  stop(index: number): Promise<void>;
  reload(servers: readonly unknown[]): Promise<void>;
}

/** Servers that say their number; `/held` waits. */
async function withServers(
  count: number,
  settings: Readonly<Record<string, unknown>>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const paths = Array.from({ length: count }, (_, index) => join(directory, `${index}.sock`));
  const servers: (FastCgiServer | undefined)[] = [];
  const begun = new Array<number>(count).fill(0);
  const held: (() => void)[] = [];
  const start = async (index: number) => {
    const listen = { transport: "unix", path: paths[index]! } as const;
    servers[index] = await serveFastCgi(async (request) => {
      begun[index]!++;
      if (request.url.endsWith("/held")) await new Promise<void>((resolve) => held.push(resolve));
      return new Response(String(index));
    }, { listen });
  };
  const stop = async (index: number) => {
    await servers[index]?.shutdown({ grace: 0 });
    servers[index] = undefined;
  };
  for (let index = 0; index < count; index++) await start(index);
  const all: KeptClient[] = [];
  const config = (given: readonly unknown[]) => ({
    ...ADMIN,
    workers,
    log: { access: "off" },
    upstreams: {
      app: { servers: given, multiplex: "on", ...settings },
    },
    sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
  });
  const urls = paths.map((path) => `unix:${path}`);
  const afcgi = await Afcgi.start({ config: config(urls) });
  try {
    await use({
      ...{ afcgi, urls, begun, start, stop },
      admin: await Admin.of(afcgi),
      release: () => held.splice(0).forEach((go) => go()),
      async clients(number) {
        const more: KeptClient[] = [];
        for (let client = 0; client < number; client++) {
          more.push(await KeptClient.connect({ port: afcgi.port }));
        }
        all.push(...more);
        return more;
      },
      async reload(given) {
        const from = afcgi.log.length;
        afcgi.rewrite(config(given));
        process.kill(afcgi.child.pid, "SIGHUP");
        await waitUntil(
          () => afcgi.log.slice(from).some(({ code }) => code === "reloaded"),
          "the reload",
        );
      },
    });
  } finally {
    for (const client of all) client.close();
    await afcgi.stop();
    for (let index = 0; index < count; index++) await stop(index);
  }
}

/** Who responds to one request of each client, one after the other. */
async function responders(clients: readonly KeptClient[]): Promise<string> {
  let names = "";
  for (const client of clients) {
    assert.equal(await client.get("/"), 200);
    names += client.text.at(-1);
  }
  return names;
}

test("Requests of each thread that are under way at once go to different servers", async () => {
  await withServers(workers, {}, async ({ begun, clients, release }) => {
    const all = await clients(2 * workers);
    const asked: Promise<number>[] = [];
    for (let round = 1; round <= 2; round++) {
      for (const client of all.slice((round - 1) * workers, round * workers)) {
        const before = begun.reduce((sum, number) => sum + number, 0);
        asked.push(client.get("/held"));
        await waitUntil(() => begun.reduce((sum, number) => sum + number, 0) > before, "it");
      }
      assert.deepEqual(begun, new Array(workers).fill(round));
    }
    release();
    assert.deepEqual(new Set(await Promise.all(asked)), new Set([200]));
  });
});

test("Servers have their turns whichever thread a client is with", async () => {
  await withServers(2, { balance: "round_robin" }, async ({ clients }) => {
    assert.match(await responders(await clients(4 * workers)), /^(01)+$|^(10)+$/);
  });
});

test("By weight servers have their shares of the requests of all threads", async () => {
  await withServers(3, { balance: "round_robin" }, async ({ begun, clients, urls, reload }) => {
    await reload(urls.map((address, index) => ({ address, weight: index + 1 })));
    const all = await clients(workers);
    const before = [...begun];
    for (let round = 0; round < 6; round++) await responders(all);
    assert.deepEqual(begun.map((number, index) => number - before[index]!), [4, 8, 12]);
  });
});

test("With hash a key has the same server in every thread", async () => {
  await withServers(5, { balance: "hash", hash: "PATH_INFO" }, async ({ clients }) => {
    const all = await clients(2 * workers);
    const owners = new Set<string>();
    for (let key = 0; key < 20; key++) {
      const names = new Set<string>();
      for (const client of all) {
        assert.equal(await client.get(`/key-${key}`), 200);
        names.add(client.text.at(-1)!);
      }
      assert.equal(names.size, 1, `key ${key}: ${[...names]}`);
      owners.add([...names][0]!);
    }
    assert.ok(owners.size > 1);
  });
});

test("A server that is found down is down for every thread, and up again for all", async () => {
  const health = { interval: "200ms", timeout: "1s", rise: 1, fall: 1 };
  await withServers(
    2,
    { balance: "round_robin", health },
    async ({ admin, clients, start, stop }) => {
      const all = await clients(2 * workers);
      const up = () => admin.metric("afcgi_upstream_server_up");
      assert.match(await responders(all), /0/);
      await stop(0);
      await waitUntil(async () => await up() === 1, "it to be down");
      assert.equal(await responders(all), "1".repeat(all.length));
      await start(0);
      await waitUntil(async () => await up() === 2, "it to be up");
      assert.match(await responders(all), /^(01)+$|^(10)+$/);
    },
  );
});

test("A server that joins begins slowly, for all threads together", async () => {
  const settings = { balance: "round_robin", slow_start: "10m" };
  await withServers(2, settings, async ({ begun, clients, urls, reload }) => {
    await reload(urls.slice(0, 1));
    const all = await clients(workers);
    await responders(all);
    await reload(urls);
    const before = [...begun];
    for (let round = 0; round < 21; round++) await responders(all);
    const [old, joined] = begun.map((number, index) => number - before[index]!);
    assert.equal(old! + joined!, 21 * workers);
    // A twentieth of the other one's weight, and a little more by now.
    assert.ok(joined! >= 3 && joined! <= 8, `${joined} of ${21 * workers}`);
  });
});
