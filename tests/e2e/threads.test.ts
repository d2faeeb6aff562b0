/** Several threads of the executable: how clients are spread, and bounds that hold for all of them. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { KeptClient } from "../support/kept_client.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

/** The busiest thread has at most so many times the mean. */
const SPREAD_MAX = 1.3;

interface Worker {
  readonly name: string;
  readonly connections: number;
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
            Array.from({ length: count }, () => KeptClient.connect(where)),
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
      Array.from({ length: 16 }, () => KeptClient.connectTls(afcgi.port)),
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
      Array.from({ length: 12 }, () => KeptClient.connect({ port: afcgi.port })),
    );
    const statuses = await Promise.all(
      clients.map((client) => client.get("/hello.txt").catch(() => 0)),
    );
    assert.equal(statuses.filter((status) => status === 200).length, 5, statuses.join(" "));
    for (const client of clients) client.close();
  });
});
