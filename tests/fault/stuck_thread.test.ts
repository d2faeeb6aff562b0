/**
 * A thread that stands still, or dies, while something else is done to the process: a reload, an
 * upgrade, a stop. What its neighbours can serve they do, nothing that it had not taken is lost, and
 * what was asked for comes about.
 *
 * The executable is one of the tests' own, whose threads take orders (support/obedient_threads/).
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { atExit } from "../support/at_exit.ts";
import { KeptClient } from "../support/kept_client.ts";
import { giveOrder, obedientExecutable, type Order } from "../support/obedient_executable.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

/** A thread that stands still for so long is ended. */
const STUCK_MS = 10_000;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  /** Another body from the next reload on. */
  rewrite(body: string): void;
  order(thread: string, order: Order): Promise<void>;
}

async function withThreads(
  use: (world: World) => Promise<void>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const directory = temporaryDirectory();
  const [root, orders] = [join(directory, "www"), join(directory, "orders")];
  for (const path of [root, orders]) mkdirSync(path);
  writeFileSync(join(root, "slow.php"), "<?php usleep(1500000); echo 'slow';");
  const port = await freePort();
  const fpm = await startPhpFpm({
    directory,
    place: { network: "tcp", host: "127.0.0.1", port },
    children: 8,
  });
  const config = (body: string) => ({
    ...ADMIN,
    workers: 2,
    log: { access: "off" },
    shutdown: { grace: "20s" },
    upstreams: { php: { servers: [`tcp://127.0.0.1:${port}`] } },
    sites: [{
      root,
      routes: [{ path: "/slow.php", php: { upstream: "php" } }, { respond: { body } }],
    }],
    ...more,
  });
  const afcgi = await Afcgi.start({
    program: obedientExecutable(),
    config: config("one"),
    env: { THREAD_ORDERS: orders },
  });
  try {
    await use({
      afcgi,
      admin: await Admin.of(afcgi),
      rewrite: (body) => afcgi.rewrite(config(body)),
      async order(thread, what) {
        giveOrder(orders, thread, what);
        await waitUntil(() => !existsSync(join(orders, thread)), "the thread to take its order");
      },
    });
  } finally {
    afcgi.child.kill("SIGKILL");
    await fpm.stop("SIGTERM");
  }
}

async function adminPort(afcgi: Afcgi): Promise<number> {
  const { address } = await afcgi.waitForLog((line) => line.for === "admin");
  return Number(/:(\d+)$/.exec(String(address))?.[1]);
}

/** Clients that ask at once, in turns of both threads. */
async function askAll(port: number, count: number): Promise<readonly Promise<number>[]> {
  const clients: KeptClient[] = [];
  for (let index = 0; index < count; index++) clients.push(await KeptClient.connect({ port }));
  return clients.map((client) => client.get("/").finally(() => client.close()));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

for (const order of ["spin", "exit"] as const) {
  test(`A reload that finds a thread out of order (${order}) takes effect in all of them`, async () => {
    await withThreads(async ({ afcgi, admin, rewrite, order: tell }) => {
      const port = await adminPort(afcgi);
      await tell("worker-1", order);
      rewrite("two");
      const startMs = performance.now();
      const headers = { Host: "localhost" };
      const reload = httpRequest(port, { method: "POST", target: "/reload", headers });
      let isOver = false;
      const over = reload.finally(() => isOver = true);
      while (!isOver) {
        // Who comes meanwhile is served: at first some wait for the thread that stands still.
        for (const asked of await askAll(afcgi.port, 2)) assert.equal(await asked, 200);
      }
      assert.equal((await over).status, 200);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < STUCK_MS + 5_000, `the reload took ${tookMs} ms`);
      await waitUntil(
        async () => (await admin.workers()).every(({ state }) => state === "serving"),
        "both threads",
      );
      for (let client = 0; client < 8; client++) {
        const fresh = await KeptClient.connect({ port: afcgi.port });
        await fresh.get("/");
        assert.match(fresh.text, /two$/);
        fresh.close();
      }
      assert.equal(await admin.metric("afcgi_config_generation"), 2);
    });
  });

  test(`An upgrade while a thread is out of order (${order}) loses nothing of what it had not taken`, async () => {
    const port = await freePort();
    await withThreads(async ({ afcgi, order: tell }) => {
      const { pid } = afcgi.child;
      await tell("worker-1", order);
      const asked = await askAll(port, 8);
      process.kill(pid, "SIGUSR2");
      const line = await afcgi.waitForLog(({ code }) => /^upgrade/.test(String(code)));
      assert.equal(line.code, "upgraded");
      const successor = Number(line.pid);
      atExit(() => isAlive(successor) && process.kill(successor, "SIGKILL"));
      for (const one of await askAll(port, 8)) assert.equal(await one, 200);
      assert.deepEqual(await Promise.all(asked), new Array(8).fill(200));
      await waitUntil(() => !isAlive(pid), "the end of the old process");
      for (const one of await askAll(port, 4)) assert.equal(await one, 200);
      process.kill(successor, "SIGTERM");
      await waitUntil(() => !isAlive(successor), "the end of the new process");
    }, { listen: [`127.0.0.1:${port}`] });
  });
}

test("A stop waits for a thread that stands still no longer than it is given, and tells it", async () => {
  await withThreads(async ({ afcgi, order }) => {
    const slow = await KeptClient.connect({ port: afcgi.port });
    const other = await KeptClient.connect({ port: afcgi.port });
    const requests = [slow, other].map((client) => client.get("/slow.php"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await order("worker-1", "spin");
    const startMs = performance.now();
    const exit = await afcgi.child.stop("SIGTERM");
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.ok(performance.now() - startMs < STUCK_MS + 3_000);
    assert.deepEqual(await Promise.all(requests), [NaN, 200]);
    const died = afcgi.log.filter(({ code }) => code === "thread_died");
    assert.match(String(died[0]?.msg), /worker-1 has died: .*; its connections are cut/);
  });
});

test("A thread that dies while all is drained takes nothing of its neighbours with it", async () => {
  await withThreads(async ({ afcgi, order }) => {
    const clients = [];
    for (let index = 0; index < 4; index++) {
      clients.push(await KeptClient.connect({ port: afcgi.port }));
    }
    const requests = clients.map((client) => client.get("/slow.php"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(afcgi.child.pid, "SIGTERM");
    await afcgi.waitForLog(({ msg }) => msg === "stopping");
    await order("worker-1", "exit");
    assert.deepEqual(await Promise.all(requests), [NaN, 200, NaN, 200]);
    assert.deepEqual(await afcgi.child.exited, { code: 0, signal: null });
    assert.equal(afcgi.log.filter(({ code }) => code === "thread_died").length, 1);
  });
});
