/**
 * Bounds of the process, tried with four threads of the executable: clients that wait for a place are
 * never refused, what buffers may hold is what is configured, and a password that was checked once is
 * known to all threads.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { KeptClient } from "../support/kept_client.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const workers = 4;
const MIB = 1024 * 1024;

async function withAfcgi(
  config: Readonly<Record<string, unknown>>,
  use: (afcgi: Afcgi, admin: Admin) => Promise<void>,
): Promise<void> {
  const afcgi = await Afcgi.start({ config: { ...ADMIN, workers, ...config } });
  try {
    await use(afcgi, await Admin.of(afcgi));
  } finally {
    await afcgi.stop();
  }
}

test("Threads: clients that are to wait for a place get one, and none is refused", async () => {
  const limits = { http: { connections: 8, connections_per_address: 1_000, when_full: "wait" } };
  const sites = [{ routes: [{ respond: { body: "ok" } }] }];
  await withAfcgi({ limits, sites, log: { access: "off" } }, async (afcgi, admin) => {
    const clients = 200;
    await Promise.all(Array.from({ length: clients }, async (_, number) => {
      const client = await KeptClient.connect({ port: afcgi.port });
      assert.equal(await client.get("/"), 200, `client ${number}: ${client.text}`);
      assert.equal(await client.get("/"), 200);
      client.close();
    }));
    assert.equal(await admin.metric("afcgi_client_connections_refused_total"), 0);
    assert.ok(await admin.metric("afcgi_client_connections_waits_total") > 0);
    assert.equal(await admin.metric("afcgi_client_connections"), 0);
  });
});

test("Threads: what their buffers may hold together is what is configured", async () => {
  const idle = createServer((socket) => void socket.pause());
  await new Promise<void>((resolve) => idle.listen(0, "127.0.0.1", resolve));
  const { port } = idle.address() as { port: number };
  const config = {
    limits: { memory: 32 * MIB, request_buffer: MIB, http: { connections_per_address: 1_000 } },
    upstreams: {
      app: {
        servers: [`tcp://127.0.0.1:${port}`],
        multiplex: "off",
        connections: { max: 1 },
        queue: { max: 100, timeout: "60s" },
      },
    },
    sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    shutdown: { grace: "1s" },
  };
  await withAfcgi(config, async (afcgi, admin) => {
    const body = new Uint8Array(MIB / 2);
    const used = () => admin.metric('afcgi_buffer_memory_bytes{of="used"}');
    const uploads = await Promise.all(Array.from({ length: 28 }, async () => {
      const upload = await HttpConnection.open(afcgi.port);
      await upload.send({ method: "POST", body });
      return upload;
    }));
    await waitUntil(async () => await used() >= 13 * MIB, "bodies in memory");
    assert.equal(await admin.metric("afcgi_buffer_memory_full_total"), 0);
    assert.equal(await admin.metric('afcgi_spill_space_bytes{of="used"}'), 0);
    for (const upload of uploads) upload.destroy();
    await waitUntil(async () => await used() <= MIB, "memory of clients that have left");
  });
  idle.close();
});

test("Threads: a password that is right is checked by one of them", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "htpasswd");
  // bcrypt of "right", with a cost that takes a good part of a second.
  writeFileSync(file, `anna:$2b$13$HvrqTk3VrXTqjrKCXdkdMuXAWcrG8J3mIMDyaiywKInZb4skgmRC2\n`);
  const sites = [{ routes: [{ basic_auth: { file }, respond: { body: "ok" } }] }];
  await withAfcgi({ sites }, async (afcgi) => {
    const Authorization = `Basic ${btoa("anna:right")}`;
    const ask = async () => {
      const startMs = performance.now();
      const { status } = await httpRequest(afcgi.port, { headers: { Host: "a", Authorization } });
      assert.equal(status, 200);
      return performance.now() - startMs;
    };
    const firstMs = await ask();
    const others: number[] = [];
    for (let client = 0; client < 3 * workers; client++) others.push(await ask());
    assert.ok(Math.max(...others) < firstMs / 2, `${firstMs}, then ${others}`);
  });
});
