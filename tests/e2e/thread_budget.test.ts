/**
 * Connections to applications hold for the process: counted at the application's own port, with real
 * php-fpm and real Go, while clients of one thread ask for more than its part.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startApplication } from "../interop/application.ts";
import { gatePath } from "../interop/common.ts";
import { go } from "../interop/go.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { KeptClient } from "../support/kept_client.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { mostConnections } from "../support/tcp_connections.ts";

const THREADS = 4;
const CONNECTIONS_MAX = 8;

/** Says which child it runs in, and ends when the file `gate` is there. */
const HELD = `<?php
touch("$_GET[marks]/" . getmypid());
while (!file_exists("$_GET[marks]/gate")) { usleep(5000); clearstatcache(); }
echo "ok";
`;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  /** Of the application. */
  readonly port: number;
  /** By the thread that has them, from 0 on. */
  clients(count: number): Promise<readonly (readonly KeptClient[])[]>;
}

/** They are given out in turns: every fourth is with the same thread. */
async function connectAll(port: number, count: number) {
  const clients: KeptClient[] = [];
  for (let index = 0; index < count; index++) clients.push(await KeptClient.connect({ port }));
  return Array.from(
    { length: THREADS },
    (_, thread) => clients.filter((_, index) => index % THREADS === thread),
  );
}

async function withAfcgi(
  port: number,
  upstream: Readonly<Record<string, unknown>>,
  site: Readonly<Record<string, unknown>>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const afcgi = await Afcgi.start({
    config: {
      ...ADMIN,
      workers: THREADS,
      log: { access: "off" },
      upstreams: { app: { servers: [`tcp://127.0.0.1:${port}`], ...upstream } },
      sites: [site],
    },
  });
  try {
    const admin = await Admin.of(afcgi);
    await use({ afcgi, admin, port, clients: (count) => connectAll(afcgi.port, count) });
  } finally {
    await afcgi.stop();
  }
}

async function withPhp(use: (world: World) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  mkdirSync(root);
  writeFileSync(join(root, "slow.php"), "<?php usleep(20000); echo 'ok';");
  writeFileSync(join(root, "held.php"), HELD);
  writeFileSync(join(root, "quick.php"), "<?php echo 'ok';");
  const port = await freePort();
  const place = { network: "tcp", host: "127.0.0.1", port } as const;
  const fpm = await startPhpFpm({ directory, place, children: CONNECTIONS_MAX + 4 });
  try {
    const connections = { max: CONNECTIONS_MAX };
    await withAfcgi(port, { connections }, { root, routes: [{ php: { upstream: "app" } }] }, use);
  } finally {
    await fpm.stop("SIGTERM");
  }
}

/**
 * Nobody waits until something runs out: half of them wait no longer than a machine takes that is busy
 * with other things, and the slowest less than a connection stays idle.
 */
function assertQuick(times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const half = sorted[sorted.length >> 1]!;
  const slowest = sorted.at(-1)!;
  assert.ok(half < 1_000 && slowest < 10_000, `half of them ${half} ms, the slowest ${slowest} ms`);
}

async function timed(client: KeptClient, target: string): Promise<number> {
  const startMs = performance.now();
  assert.equal(await client.get(target), 200, client.text);
  return performance.now() - startMs;
}

test("Eight connections to php-fpm stay eight with four threads, and no thread starves", async () => {
  await withPhp(async ({ admin, port, clients }) => {
    const [greedy = [], ...rest] = await clients(64);
    const others = rest.map((ofThread) => ofThread.slice(0, 2)).flat();
    let isOver = false;
    let served = 0;
    const times: number[] = [];
    const most = await mostConnections(port, async () => {
      const load = Promise.all(greedy.map(async (client) => {
        for (; !isOver; served++) await timed(client, "/slow.php");
      }));
      for (let round = 0; round < 10; round++) {
        times.push(...await Promise.all(others.map((client) => timed(client, "/slow.php"))));
      }
      isOver = true;
      await load;
      // All at once: every thread has its part, and no more than eight in all.
      await Promise.all([greedy, ...rest].flat().map((client) => timed(client, "/slow.php")));
    });
    assert.ok(served > 50, `${served} requests of the greedy thread`);
    assertQuick(times);
    assert.equal(most, CONNECTIONS_MAX);
    assert.equal(await admin.metric("afcgi_upstream_queue_length"), 0);
    for (const client of [greedy, ...rest].flat()) client.close();
  });
});

test("Nobody waits while connections of another thread are idle", async () => {
  await withPhp(async ({ admin, port, clients }) => {
    const threads = await clients(32);
    const times: number[] = [];
    const most = await mostConnections(port, async () => {
      for (const [thread, own] of [...threads, ...threads].entries()) {
        // All eight are this thread's, and idle then.
        await Promise.all(own.slice(0, CONNECTIONS_MAX).map((client) => client.get("/slow.php")));
        const states = await admin.connections();
        assert.ok(states.length > 0 && states.every(({ state }) => state !== "busy"));
        const [next] = threads[(thread + 1) % THREADS]!;
        times.push(await timed(next!, "/quick.php"));
      }
    });
    assertQuick(times);
    assert.ok(most <= CONNECTIONS_MAX, `${most} connections`);
    for (const client of threads.flat()) client.close();
  });
});

test("One thread's load has all eight, also after another one's had them", async () => {
  await withPhp(async ({ port, clients }) => {
    const threads = await clients(64);
    for (const own of threads) {
      const marks = temporaryDirectory();
      chmodSync(marks, 0o777);
      const most = await mostConnections(port, async () => {
        const held = own.slice(0, CONNECTIONS_MAX)
          .map((client) => timed(client, `/held.php?marks=${marks}`));
        await waitUntil(
          () => readdirSync(marks).length === CONNECTIONS_MAX,
          "requests of one thread in as many children as there may be connections",
        );
        writeFileSync(join(marks, "gate"), "");
        await Promise.all(held);
      });
      assert.equal(most, CONNECTIONS_MAX);
    }
    for (const client of threads.flat()) client.close();
  });
});

/** Requests of one thread are with the application all at once, over what connections it has. */
async function holdAll(
  threads: readonly (readonly KeptClient[])[],
  gate: string,
): Promise<void> {
  const [own = [], others = []] = threads;
  const [other] = others;
  const waiting = own.map((client) => timed(client, `/wait?gate=${gate}`));
  await waitUntil(async () => {
    await timed(other!, "/report");
    return Number(/in_flight=(\d+)/.exec(other!.text)?.[1]) === own.length;
  }, "requests of one thread");
  writeFileSync(gate, "");
  await Promise.all(waiting);
}

for (const connectionsMax of [2, THREADS]) {
  test(`Go gets ${connectionsMax} connections of four threads at most, and many requests on each`, {
    skip: missingPeer("go"),
  }, async () => {
    const directory = temporaryDirectory();
    await go.prepare(directory);
    const port = await freePort();
    const place = { network: "tcp", host: "127.0.0.1", port } as const;
    const running = await startApplication(go, directory, place);
    const upstream = { connections: { max: connectionsMax } };
    const site = { routes: [{ fastcgi: { upstream: "app" } }] };
    try {
      await withAfcgi(port, upstream, site, async ({ clients }) => {
        const threads = await clients(64);
        const all = threads.flat();
        const most = await mostConnections(port, async () => {
          for (let round = 0; round < 5; round++) {
            await Promise.all(all.map((client) => timed(client, "/hello")));
          }
          // Where there are fewer connections than threads they take turns: nobody is left out.
          for (const [first] of threads) await timed(first!, "/hello");
          if (connectionsMax === THREADS) await holdAll(threads, gatePath(directory));
        });
        assert.ok(most > 0 && most <= connectionsMax, `${most} connections`);
        for (const client of all) client.close();
      });
    } finally {
      await running.child.stop();
    }
  });
}
