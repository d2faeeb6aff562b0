/**
 * A reload of several threads is one: when it is told that it is over, every thread serves with it, with
 * its certificates too; and one that has gone wrong has changed nothing, least of all where lines go.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi, type AfcgiOptions } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { KeptClient } from "../support/kept_client.ts";
import { giveOrder, obedientExecutable } from "../support/obedient_executable.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const workers = 4;
const CLIENTS = 3 * workers;
const ROUNDS = 30;

async function withAfcgi(
  config: Readonly<Record<string, unknown>>,
  use: (afcgi: Afcgi, reload: () => Promise<number>) => Promise<void>,
  more: Pick<AfcgiOptions, "program" | "env"> = {},
): Promise<void> {
  const afcgi = await Afcgi.start({ ...more, config: { ...ADMIN, workers, ...config } });
  const { address } = await afcgi.waitForLog((line) => line.for === "admin");
  const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
  const headers = { Host: "localhost" };
  const reload = async () => {
    const { status } = await httpRequest(port, { method: "POST", target: "/reload", headers });
    return status;
  };
  try {
    await use(afcgi, reload);
  } finally {
    await afcgi.stop();
  }
}

test("Threads: who hears that a reload is over is served by the new configuration in each", async () => {
  const config = (round: number) => ({
    ...ADMIN,
    workers,
    log: { access: "off" },
    sites: [{ routes: [{ respond: { body: `round ${round}` } }] }],
  });
  await withAfcgi(config(0), async (afcgi, reload) => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => KeptClient.connect({ port: afcgi.port })),
    );
    for (let round = 1; round <= ROUNDS; round++) {
      afcgi.rewrite(config(round));
      assert.equal(await reload(), 200);
      await Promise.all(clients.map(async (client) => {
        await client.get("/");
        assert.match(client.text, new RegExp(`round ${round}$`));
      }));
    }
    for (const client of clients) client.close();
  });
});

test("Threads: who hears that a reload is over gets its certificate in each", {
  skip: missingPeer("openssl"),
}, async () => {
  const port = await freePort();
  const certificates = ["one", "two"].map((name) => selfSigned(`/CN=${name}`));
  const config = (round: number) => {
    const { certPath: cert, keyPath: key } = certificates[round % 2]!;
    return {
      ...ADMIN,
      workers,
      log: { access: "off" },
      listen: [{ address: `127.0.0.1:${port}`, tls: { cert, key } }],
      sites: [{ routes: [{ respond: { body: "ok" } }] }],
    };
  };
  const nameAt = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", reject);
    });
  await withAfcgi(config(0), async (afcgi, reload) => {
    for (let round = 1; round <= 6; round++) {
      afcgi.rewrite(config(round));
      assert.equal(await reload(), 200);
      const names = await Promise.all(Array.from({ length: CLIENTS }, nameAt));
      assert.deepEqual([...new Set(names)], [round % 2 === 0 ? "one" : "two"], `round ${round}`);
    }
  });
});

test("Threads: a reload that fails leaves their access lines where they were", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port: takenPort } = taken.address() as { port: number };
  const directory = temporaryDirectory();
  const [first, second] = [join(directory, "first.log"), join(directory, "second.log")];
  const listen = `127.0.0.1:${await freePort()}`;
  const config = (access: string, more: readonly string[] = []) => ({
    ...ADMIN,
    workers,
    listen: [listen, ...more],
    log: { access },
    sites: [{ routes: [{ respond: { body: "ok" } }] }],
  });
  writeFileSync(second, "");
  await withAfcgi(config(first), async (afcgi, reload) => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => KeptClient.connect({ port: afcgi.port })),
    );
    const ask = () => Promise.all(clients.map((client) => client.get("/")));
    const lines = (path: string) => readFileSync(path, "utf8").split("\n").length - 1;
    await ask();
    afcgi.rewrite(config(second, [`127.0.0.1:${takenPort}`]));
    assert.notEqual(await reload(), 200);
    await ask();
    await waitUntil(() => lines(first) === 2 * CLIENTS, "lines behind a reload that failed");
    assert.equal(lines(second), 0);
    afcgi.rewrite(config(second));
    assert.equal(await reload(), 200);
    await ask();
    await waitUntil(() => lines(second) === CLIENTS, "lines behind a reload");
    assert.equal(lines(first), 2 * CLIENTS);
    for (const client of clients) client.close();
  });
  taken.close();
});

for (const count of [1, workers]) {
  test(`A socket that is about to speak TLS has no client before it does, ${count} threads`, {
    skip: missingPeer("openssl") || missingPeer("perl"),
  }, async () => {
    const { certPath: cert, keyPath: key } = selfSigned("/CN=localhost");
    const address = `127.0.0.1:${await freePort()}`;
    const config = (isTls: boolean, more: Readonly<Record<string, unknown>> = {}) => ({
      ...ADMIN,
      workers: count,
      log: { access: "off" },
      listen: ["127.0.0.1:0", isTls ? { address, tls: { cert, key } } : address],
      sites: [{ routes: [{ respond: { body: "ok" } }] }],
      ...more,
    });
    const port = Number(address.split(":")[1]);
    await withAfcgi(config(false), async (afcgi, reload) => {
      // It never listens, so the reload takes a while, and fails.
      const spawn = { command: ["perl", "-e", "sleep 60", "{socket}"], start_timeout: "2s" };
      afcgi.rewrite(config(true, { upstreams: { app: { spawn } } }));
      let isOver = false;
      const reloading = reload().finally(() => isOver = true);
      let served = 0;
      for (; !isOver; served++) {
        const client = await KeptClient.connect({ port });
        assert.equal(await client.get("/"), 200, `client ${served}`);
        client.close();
      }
      assert.notEqual(await reloading, 200);
      assert.ok(served > 20, `${served} clients: ${JSON.stringify(afcgi.log.slice(-4))}`);
      afcgi.rewrite(config(true));
      assert.equal(await reload(), 200);
      for (let client = 0; client < 2 * workers; client++) {
        const secure = await KeptClient.connectTls(port);
        assert.equal(await secure.get("/"), 200);
        secure.close();
      }
    });
  });
}

test("Threads: one that comes back while reloads go on serves the last of them", async () => {
  const orders = temporaryDirectory();
  const config = (round: number) => ({
    ...ADMIN,
    workers: 2,
    log: { access: "off" },
    sites: [{ routes: [{ respond: { body: `round ${round}` } }] }],
  });
  const env = { THREAD_ORDERS: orders };
  await withAfcgi(config(0), async (afcgi, reload) => {
    for (let life = 1; life <= 4; life++) {
      giveOrder(orders, "worker-1", "exit");
      const died = () => afcgi.log.filter(({ code }) => code === "thread_died").length;
      await waitUntil(() => died() === life, "its death");
      let isBack = false;
      const back = waitUntil(
        async () => (await workersOf(afcgi)).every((one) => one === "serving"),
        "it",
      )
        .finally(() => isBack = true);
      let round = 1_000 * life;
      while (!isBack) {
        afcgi.rewrite(config(++round));
        assert.equal(await reload(), 200);
      }
      await back;
      for (let client = 0; client < 8; client++) {
        const fresh = await KeptClient.connect({ port: afcgi.port });
        await fresh.get("/");
        assert.match(fresh.text, new RegExp(`round ${round}$`));
        fresh.close();
      }
    }
  }, { program: obedientExecutable(), env });
});

async function workersOf(afcgi: Afcgi): Promise<readonly string[]> {
  return (await (await Admin.of(afcgi)).workers()).map(({ state }) => state);
}
