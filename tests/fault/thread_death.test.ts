/**
 * Threads of the executable that throw, end, or stand still: what their neighbours serve meanwhile,
 * what becomes of their clients and of the connections that they held, and what is told of it.
 *
 * The executable is one of the tests' own, whose threads take orders (support/obedient_threads/).
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { KeptClient } from "../support/kept_client.ts";
import { giveOrder, obedientExecutable, type Order } from "../support/obedient_executable.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { startServiceManager } from "../support/service_manager.ts";
import { connectionsTo, mostConnections } from "../support/tcp_connections.ts";

const CONNECTIONS_MAX = 4;
/** A thread that stands still is noticed by then, and its new clients go to others. */
const LATE_MS = 4_000;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  /** Of php-fpm. */
  readonly port: number;
  order(thread: string, order: Order): Promise<void>;
}

async function withThreads(
  use: (world: World) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  const orders = join(directory, "orders");
  for (const path of [root, orders]) mkdirSync(path);
  writeFileSync(join(root, "hello.txt"), "hello");
  writeFileSync(join(root, "quick.php"), "<?php usleep(5000); echo 'ok';");
  writeFileSync(join(root, "slow.php"), "<?php usleep(4000000); echo 'ok';");
  const port = await freePort();
  const place = { network: "tcp", host: "127.0.0.1", port } as const;
  const fpm = await startPhpFpm({ directory, place, children: 12 });
  const connections = { max: CONNECTIONS_MAX };
  const afcgi = await Afcgi.start({
    program: obedientExecutable(),
    config: {
      ...ADMIN,
      workers: 2,
      log: { access: "off" },
      shutdown: { grace: "2s" },
      upstreams: { php: { servers: [`tcp://127.0.0.1:${port}`], connections } },
      sites: [{ root, routes: [{ static: {} }, { php: { upstream: "php" } }] }],
    },
    env: { THREAD_ORDERS: orders, ...env },
  });
  try {
    const order = async (thread: string, what: Order) => {
      giveOrder(orders, thread, what);
      await waitUntil(() => !existsSync(join(orders, thread)), "the thread to take its order");
    };
    await use({ afcgi, admin: await Admin.of(afcgi), port, order });
  } finally {
    await afcgi.child.stop("SIGTERM");
    await fpm.stop("SIGTERM");
  }
}

/** Eight of them, in turns with the first thread and the second. */
async function connectAll({ afcgi: { port } }: World) {
  const clients: KeptClient[] = [];
  for (let count = 0; count < 8; count++) {
    const client = await KeptClient.connect({ port });
    assert.equal(await client.get("/hello.txt"), 200);
    clients.push(client);
  }
  const ofThread = (thread: 1 | 2) => clients.filter((_, index) => index % 2 === thread - 1);
  return { first: ofThread(1), second: ofThread(2) };
}

async function timed(request: Promise<number>): Promise<number> {
  const startMs = performance.now();
  assert.equal(await request, 200);
  return performance.now() - startMs;
}

/** Of its clients none is left waiting, and what it held is there for all. */
async function checkBuried(world: World, first: readonly KeptClient[]): Promise<void> {
  const { afcgi, admin, port } = world;
  await waitUntil(
    () => first.every(({ isOpen }) => !isOpen),
    "the dead thread's clients to be told",
  );
  assert.equal(await admin.metric("afcgi_worker_restarts_total"), 1);
  await waitUntil(
    async () => (await admin.workers()).every(({ state }) => state === "serving"),
    "it again",
  );
  const clients = await Promise.all(
    Array.from({ length: 16 }, () => KeptClient.connect({ port: afcgi.port })),
  );
  const most = await mostConnections(port, async () => {
    for (let round = 0; round < 20; round++) {
      const statuses = await Promise.all(clients.map((client) => client.get("/quick.php")));
      assert.deepEqual(new Set(statuses), new Set([200]));
    }
  });
  assert.equal(most, CONNECTIONS_MAX);
  for (const client of clients) client.close();
}

for (const order of ["spin", "block"] as const) {
  test(`A thread that stands still (${order}) costs its neighbours nothing, and is replaced`, async () => {
    await withThreads(async (world) => {
      const { afcgi, admin, port } = world;
      const { first, second } = await connectAll(world);
      const lost = first.slice(0, 2).map((client) => client.get("/slow.php"));
      await waitUntil(() => connectionsTo(port) >= 2, "requests of the first thread");
      await world.order("worker-1", order);
      const startMs = performance.now();
      let slowestMs = 0;
      let slowestNewMs = 0;
      let slowestLateMs = 0;
      const hasDied = () => afcgi.log.some(({ code }) => code === "thread_died");
      while (!hasDied()) {
        const nowMs = performance.now() - startMs;
        assert.ok(nowMs < 15_000, "nobody notices that it stands still");
        for (const client of second) {
          slowestMs = Math.max(slowestMs, await timed(client.get("/hello.txt")));
          slowestMs = Math.max(slowestMs, await timed(client.get("/quick.php")));
        }
        const fresh = await KeptClient.connect({ port: afcgi.port });
        const newMs = await timed(fresh.get("/hello.txt"));
        if (nowMs < LATE_MS) slowestNewMs = Math.max(slowestNewMs, newMs);
        else slowestLateMs = Math.max(slowestLateMs, newMs);
        fresh.close();
        assert.ok(Math.min(connectionsTo(port), connectionsTo(port)) <= CONNECTIONS_MAX);
      }
      assert.ok(slowestMs < 1_000, `a neighbour's client waited ${slowestMs} ms`);
      assert.ok(slowestNewMs < LATE_MS, `a new client waited ${slowestNewMs} ms`);
      assert.ok(slowestLateMs < 1_000, `a new client waited ${slowestLateMs} ms`);
      const line = await afcgi.waitForLog(({ code }) => code === "thread_died");
      assert.match(String(line.msg), /worker-1 has died: its event loop has stood still for 10 s/);
      assert.deepEqual(await Promise.all(lost), [NaN, NaN]);
      await checkBuried(world, first);
      assert.equal(await admin.metric("afcgi_upstream_queue_length"), 0);
      for (const client of second) client.close();
    });
  });
}

test("While a thread stands still, its delay is told, and it is not counted on", async () => {
  await withThreads(async (world) => {
    const { admin } = world;
    await world.order("worker-1", "pause");
    await waitUntil(
      async () => (await admin.metric("afcgi_event_loop_delay_seconds")) >= 2,
      "the delay in metrics",
    );
    const [late, other] = await admin.workers();
    assert.ok(late!.event_loop_delay_ms >= 2_000, `${late!.event_loop_delay_ms}`);
    assert.ok(other!.event_loop_delay_ms < 1_000, `${other!.event_loop_delay_ms}`);
    await waitUntil(
      async () =>
        (await admin.metric("afcgi_worker_requests_total")) >= 0 &&
        (await admin.workers())[0]!.state === "serving",
      "it to go on",
    );
    assert.equal(await admin.metric("afcgi_worker_restarts_total"), 0);
  });
});

test("A thread that ends costs its neighbours nothing, and is started again", async () => {
  await withThreads(async (world) => {
    const { first, second } = await connectAll(world);
    const lost = first[0]!.get("/slow.php");
    await waitUntil(() => connectionsTo(world.port) >= 1, "the request");
    await world.order("worker-1", "exit");
    for (const client of second) assert.equal(await client.get("/quick.php"), 200);
    assert.deepEqual(await lost, NaN);
    await checkBuried(world, first);
    for (const client of second) assert.equal(await client.get("/hello.txt"), 200);
  });
});

for (const order of ["throw", "reject"] as const) {
  test(`A thread in which something is thrown (${order}) tells it and serves on`, async () => {
    await withThreads(async (world) => {
      const { afcgi, admin } = world;
      const { first, second } = await connectAll(world);
      await world.order("worker-1", order);
      const line = await afcgi.waitForLog(({ code }) => code === "internal_error");
      assert.match(JSON.stringify(line), /(thrown|rejected) in a test/);
      for (const client of [...first, ...second]) {
        assert.equal(await client.get("/quick.php"), 200);
        client.close();
      }
      assert.equal(await admin.metric("afcgi_worker_restarts_total"), 0);
    });
  });
}

test("The watchdog is fed while one thread serves, and not while none does", async () => {
  const name = join(temporaryDirectory(), "notify");
  const heard = await startServiceManager(name);
  const feeds = () => heard.stdout.lines.filter((line) => line.includes("WATCHDOG=1")).length;
  await withThreads(async (world) => {
    const { address } = await world.afcgi.waitForLog((line) => line.for === "admin");
    const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
    const ask = (target: string) => httpRequest(port, { target, headers: { Host: "localhost" } });
    await world.order("worker-1", "spin");
    await pause(LATE_MS);
    const withOne = feeds();
    await waitUntil(() => feeds() > withOne + 3, "the watchdog with one thread");
    assert.equal((await ask("/readyz")).status, 200);
    await world.order("worker-2", "spin");
    await waitUntil(async () => (await ask("/readyz")).status === 503, "it not to be ready");
    assert.match((await ask("/readyz")).body.toString(), /^waiting for threads: none serves$/m);
    assert.equal((await ask("/livez")).status, 200);
    const withNone = feeds();
    await pause(1_000);
    assert.ok(feeds() <= withNone + 1, `${feeds() - withNone} times`);
    // The first one is replaced.
    await waitUntil(() => feeds() > withNone + 3, "the watchdog with a thread again");
    assert.equal((await ask("/readyz")).status, 200);
  }, { NOTIFY_SOCKET: name, WATCHDOG_USEC: "200000" });
  await heard.stop("SIGKILL");
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
