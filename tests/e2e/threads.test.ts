/** Several threads of the executable: how clients are spread, and bounds that hold for all of them. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

/** The busiest thread has at most so many times the mean. */
const SPREAD_MAX = 1.3;

interface Worker {
  readonly name: string;
  readonly connections: number;
}

/** A client that keeps its connection. */
class Client {
  readonly #socket: Socket;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Uint8Array) => this.#text += new TextDecoder().decode(bytes));
    socket.on("error", () => {});
  }

  static async connect(where: { port: number } | { path: string }): Promise<Client> {
    const socket = "port" in where
      ? connect({ ...where, host: "127.0.0.1" })
      : connect({ path: where.path });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new Client(socket);
  }

  static async connectTls(port: number): Promise<Client> {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await new Promise((resolve, reject) =>
      socket.once("secureConnect", resolve).once("error", reject)
    );
    return new Client(socket);
  }

  /** The status of the response. */
  async get(target: string): Promise<number> {
    this.#text = "";
    this.#socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await waitUntil(() => this.#isWhole || this.#socket.destroyed, `a response to ${target}`);
    return Number(this.#text.slice(9, 12));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  get #isWhole(): boolean {
    const end = this.#text.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const length = /content-length: (\d+)/i.exec(this.#text)?.[1];
    return length === undefined
      ? this.#text.endsWith("0\r\n\r\n")
      : this.#text.length >= end + 4 + Number(length);
  }
}

async function workersOf(afcgi: Afcgi): Promise<readonly Worker[]> {
  const { address } = await afcgi.waitForLog((line) => line.for === "admin");
  const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
  const response = await httpRequest(port, { target: "/status", headers: { Host: "localhost" } });
  return JSON.parse(response.body.toString()).workers;
}

/** Of all threads; by the number of the thread. */
async function requestsOf(afcgi: Afcgi): Promise<number[]> {
  const { address } = await afcgi.waitForLog((line) => line.for === "admin");
  const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
  const response = await httpRequest(port, { target: "/metrics", headers: { Host: "localhost" } });
  return [...response.body.toString().matchAll(/^afcgi_worker_requests_total\{[^}]*\} (\d+)/gm)]
    .map(([, count]) => Number(count));
}

function assertSpread(what: string, numbers: readonly number[]): void {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const text = `${what}: ${numbers.join(", ")}`;
  assert.ok(mean > 0 && Math.max(...numbers) <= SPREAD_MAX * mean, text);
}

async function withFiles(
  workers: number,
  more: Readonly<Record<string, unknown>>,
  use: (afcgi: Afcgi) => Promise<void>,
): Promise<void> {
  const root = temporaryDirectory();
  writeFileSync(join(root, "hello.txt"), "hello");
  const afcgi = await Afcgi.start({
    config: { ...ADMIN, workers, sites: [{ root, routes: [{ static: {} }] }], ...more },
  });
  try {
    await use(afcgi);
  } finally {
    await afcgi.stop();
  }
}

for (const workers of [2, 4]) {
  for (const network of ["tcp", "unix"] as const) {
    test(`16, 64 and 1,000 clients are spread evenly over ${workers} threads, ${network}`, async () => {
      const path = join(temporaryDirectory(), "http.sock");
      const listen = network === "unix" ? { listen: ["127.0.0.1:0", `unix:${path}`] } : {};
      await withFiles(workers, listen, async (afcgi) => {
        for (const count of [16, 64, 1_000]) {
          const before = await requestsOf(afcgi);
          const where = network === "unix" ? { path } : { port: afcgi.port };
          const clients = await Promise.all(
            Array.from({ length: count }, () => Client.connect(where)),
          );
          for (let round = 0; round < 2; round++) {
            const statuses = await Promise.all(clients.map((client) => client.get("/hello.txt")));
            assert.ok(statuses.every((status) => status === 200));
          }
          const connections = (await workersOf(afcgi)).map((worker) => worker.connections);
          assertSpread(`${count} clients`, connections);
          const after = await requestsOf(afcgi);
          assertSpread(`requests of ${count}`, after.map((value, index) => value - before[index]!));
          for (const client of clients) client.close();
          await waitUntil(
            async () => (await workersOf(afcgi)).every((worker) => worker.connections === 0),
            "threads to see that clients have left",
          );
        }
      });
    });
  }
}

test("Over TLS threads get certificates of the main thread, and sessions of HTTP/1.1 and HTTP/2", async () => {
  const directory = temporaryDirectory();
  const { cert, key } = selfSigned("/CN=localhost", "subjectAltName=DNS:localhost");
  writeFileSync(join(directory, "cert.pem"), cert);
  writeFileSync(join(directory, "key.pem"), key);
  const tls = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  const listen = [{ address: "127.0.0.1:0", tls }];
  await withFiles(2, { listen }, async (afcgi) => {
    const clients = await Promise.all(
      Array.from({ length: 16 }, () => Client.connectTls(afcgi.port)),
    );
    const statuses = await Promise.all(clients.map((client) => client.get("/hello.txt")));
    assert.deepEqual(new Set(statuses), new Set([200]));
    assertSpread("TLS", (await workersOf(afcgi)).map(({ connections }) => connections));
    for (const client of clients) client.close();
  });
});

test("Bounds of clients hold for all threads together", async () => {
  const limits = { http: { connections_per_address: 5 } };
  await withFiles(2, { limits }, async (afcgi) => {
    const clients = await Promise.all(
      Array.from({ length: 12 }, () => Client.connect({ port: afcgi.port })),
    );
    const statuses = await Promise.all(
      clients.map((client) => client.get("/hello.txt").catch(() => 0)),
    );
    assert.equal(statuses.filter((status) => status === 200).length, 5, statuses.join(" "));
    for (const client of clients) client.close();
  });
});

/** Connections to a port of ours that whoever connected has open: SYN_SENT, or ESTABLISHED. */
function connectionsTo(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "utf8").split("\n").filter((line) => {
    const [, , to, state] = line.trim().split(/\s+/);
    return to?.endsWith(remote) && (state === "01" || state === "02");
  }).length;
}

test("Eight connections to php-fpm stay eight with four threads, and no thread starves", async () => {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  mkdirSync(root);
  writeFileSync(join(root, "slow.php"), "<?php usleep(20000); echo 'ok';");
  const port = await freePort();
  const fpm = await startPhpFpm({
    directory,
    place: { network: "tcp", host: "127.0.0.1", port },
    children: 12,
  });
  const afcgi = await Afcgi.start({
    config: {
      ...ADMIN,
      workers: 4,
      log: { access: "off" },
      upstreams: { php: { servers: [`tcp://127.0.0.1:${port}`], connections: { max: 8 } } },
      sites: [{ root, routes: [{ php: { upstream: "php" } }] }],
    },
  });
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, connectionsTo(port)), 2);
  try {
    const admin = await Admin.of(afcgi);
    const clients = await Promise.all(
      Array.from({ length: 64 }, () => Client.connect({ port: afcgi.port })),
    );
    // They were given out in turns: every fourth is with the same thread.
    const greedy = clients.filter((_, index) => index % 4 === 0);
    const others = clients.filter((_, index) => index % 4 !== 0);
    let isOver = false;
    let served = 0;
    const load = Promise.all(greedy.map(async (client) => {
      while (!isOver) {
        assert.equal(await client.get("/slow.php"), 200);
        served++;
      }
    }));
    let slowestMs = 0;
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        others.slice(0, 6).map(async (client) => {
          const startMs = performance.now();
          assert.equal(await client.get("/slow.php"), 200);
          slowestMs = Math.max(slowestMs, performance.now() - startMs);
        }),
      );
    }
    isOver = true;
    await load;
    assert.ok(served > 50, `${served} requests of the greedy thread`);
    assert.ok(slowestMs < 2_000, `another thread waited ${slowestMs} ms`);
    assert.ok(most <= 8 && most > 4, `${most} connections`);
    // All at once: every thread has its part, and no more than eight in all.
    const statuses = await Promise.all(clients.map((client) => client.get("/slow.php")));
    assert.deepEqual(new Set(statuses), new Set([200]));
    assert.ok(most <= 8, `${most} connections`);
    assert.equal(await admin.metric("afcgi_upstream_queue_length"), 0);
    for (const client of clients) client.close();
  } finally {
    clearInterval(watch);
    await afcgi.stop();
    await fpm.stop("SIGTERM");
  }
});
