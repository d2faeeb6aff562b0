/** Starting and stopping a whole afcgi: what is in flight finishes, and nothing stays open. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { ListenError } from "../../src/runtime/network.ts";
import {
  freshPath,
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LOOPBACK,
  runtime,
  startGateway,
  withGateway,
} from "../support/gateway.ts";
import { freePort, waitUntil } from "../support/places.ts";
import { HttpConnection } from "../support/raw_http.ts";

/** Longer than any test may take: who waits for it has failed. */
const ENDLESS_MS = 3_600_000;

/** An application that answers when it is told to. */
function gatedApplication() {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<Request>();
  const application = async (request: Request) => {
    arrived.resolve(request);
    await gate.promise;
    return new Response("finished");
  };
  return { application, arrived: arrived.promise, open: gate.resolve };
}

async function isRefused(port: number): Promise<boolean> {
  try {
    (await HttpConnection.open(port)).destroy();
    return false;
  } catch {
    return true;
  }
}

async function readyStatus(gateway: Gateway): Promise<number> {
  return (await gateway.admin("/readyz")).status;
}

for (const multiplex of ["on", "off"] as const) {
  test(`What is in flight finishes within the grace, multiplex ${multiplex}`, async () => {
    const { application, arrived, open } = gatedApplication();
    const options = {
      application,
      admin: true,
      shutdownGraceMs: ENDLESS_MS,
      upstream: { multiplex },
    };
    await withGateway(options, async (gateway) => {
      assert.equal(await readyStatus(gateway), 200);
      const response = gateway.send("/flight");
      await arrived;
      const stopped = gateway.app.stop();
      assert.equal(await readyStatus(gateway), 503);
      assert.equal((await gateway.admin("/livez")).status, 200);
      assert.ok(await isRefused(gateway.port));
      open();
      const { status, body, complete } = await response;
      assert.deepEqual([status, body.toString(), complete], [200, "finished", true]);
      await stopped;
      assert.ok(await isRefused(gateway.adminPort));
      const line = gateway.access.lines.find((each) => each["path"] === "/flight");
      assert.equal(line?.["status"], 200);
    });
  });

  test(`What has not finished is cut after the grace, multiplex ${multiplex}`, async () => {
    const { application, arrived, open } = gatedApplication();
    await withGateway(
      { application, shutdownGraceMs: 10, upstream: { multiplex } },
      async (gateway) => {
        const response = gateway.send("/cut").then(({ status }) => status, () => "cut");
        const aborted = arrived.then(({ signal }) =>
          new Promise<void>((resolve) => {
            if (signal.aborted) resolve();
            else signal.addEventListener("abort", () => resolve());
          })
        );
        await arrived;
        await gateway.app.stop();
        assert.ok(["cut", 503].includes(await response), String(await response));
        await aborted;
        assert.ok(await isRefused(gateway.port));
        const line = gateway.access.lines.find((each) => each["path"] === "/cut");
        assert.ok(
          ["draining", "client_gone"].includes(String(line?.["code"])),
          gateway.access.text,
        );
        open();
      },
    );
  });
}

test("A stream that has not finished is cut after the grace, visibly", async () => {
  const application = () =>
    new Response(
      new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode("first")) }),
    );
  await withGateway({ application, shutdownGraceMs: 10 }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({ target: "/stream" });
    const headers = await connection.readHeaders();
    const body = connection.readBody(headers);
    const { value } = await body.pieces.next();
    assert.equal(value?.toString(), "first");
    await gateway.app.stop();
    for await (const piece of body.pieces) assert.fail(`There is more: ${piece}`);
    assert.equal(body.complete, false);
    connection.destroy();
  });
});

test("A connection on which nothing is asked does not hold the stop up", async () => {
  const options = { application: () => new Response("ok"), shutdownGraceMs: ENDLESS_MS };
  await withGateway(options, async (gateway) => {
    const silent = await HttpConnection.open(gateway.port);
    const used = await HttpConnection.open(gateway.port);
    await used.send({});
    assert.equal((await used.readResponse()).status, 200);
    await gateway.app.stop();
    silent.destroy();
    used.destroy();
  });
});

test("Stopping twice is stopping once", async () => {
  await withGateway({ application: () => new Response("ok") }, async (gateway) => {
    await Promise.all([gateway.app.stop(), gateway.app.stop()]);
    await gateway.app.stop();
    assert.ok(await isRefused(gateway.port));
  });
});

test("A listener that cannot start takes those before it with it", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port: takenPort } = taken.address() as { port: number };
  const freeTcp = { ...LOOPBACK, port: await freePort() };
  const unix = { transport: "unix" as const, path: freshPath() };
  const inUse = { ...LOOPBACK, port: takenPort };
  const listen = [freeTcp, unix].map((address) => ({ address, tls: undefined }));
  try {
    for (
      const changed of [
        { listen: [...listen, { address: inUse, tls: undefined }], admin: undefined },
        { listen, admin: inUse },
      ]
    ) {
      const options = { ...gatewayAppOptions({}, freshSocket()), ...changed };
      await assert.rejects(startGateway(options), (error: unknown) => {
        assert.ok(error instanceof ListenError);
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${takenPort}.*in use`));
        return true;
      });
      assert.ok(await isRefused(freeTcp.port));
      await waitUntil(() => !existsSync(unix.path), "the end of the unix socket");
    }
  } finally {
    taken.close();
  }
});

test("A site that names an upstream that is not there does not start", async () => {
  const options = gatewayAppOptions({}, freshSocket());
  await assert.rejects(
    startGateway({ ...options, upstreams: [] }),
    /No upstream is named "app"/,
  );
});

test("Connections to the application end with the stop", async () => {
  let open = 0;
  const path = freshPath();
  const listener = await runtime.listen({ transport: "unix", path }, (connection) => {
    open++;
    void connection.readable.pipeTo(new WritableStream()).catch(() => {}).finally(() => open--);
  });
  try {
    const server = { transport: "unix" as const, path };
    await withGateway({ server, shutdownGraceMs: 0 }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({});
      await waitUntil(() => open === 1, "the connection to the application");
      await gateway.app.stop();
      await waitUntil(() => open === 0, "its end");
      connection.destroy();
    });
  } finally {
    listener.close();
  }
});

test("A program that has stopped ends by itself: no socket and no timer is left", async () => {
  const script = fileURLToPath(new URL("start_and_stop.ts", import.meta.url));
  const args = runtime.name === "deno" ? ["run", "-A", "--no-check", script] : [script];
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { timeout: 30_000 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
  assert.equal(output.trim(), "answered");
});

test("A stop takes connections for its delay while it is not ready, and then no more", async () => {
  const server = freshSocket();
  const responder = await serveFastCgi(() => new Response("served"), { listen: server });
  const shutdownDelayMs = 400;
  const options = { ...gatewayAppOptions({ admin: true }, server), shutdownDelayMs };
  const gateway = await startGateway(options);
  const begunMs = performance.now();
  const stopped = gateway.app.stop();
  assert.equal(await readyStatus(gateway), 503);
  assert.equal((await gateway.send("/")).status, 200);
  await stopped;
  assert.ok(performance.now() - begunMs >= shutdownDelayMs);
  assert.ok(await isRefused(gateway.port));
  await responder.shutdown({ grace: 0 });
});
