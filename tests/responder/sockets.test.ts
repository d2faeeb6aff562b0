/** `serveFastCgi` over real sockets of the runtime that runs the tests. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { FrontClient } from "./front_client.ts";
import { connectable } from "./setup.ts";

const COMPLETE = { appStatus: 0, protocolStatus: ProtocolStatus.REQUEST_COMPLETE };
const MIB = 1024 * 1024;

/** Serves over TCP and over a unix socket, one after the other. */
async function onEachSocket(
  handler: FastCgiHandler,
  use: (connect: () => Promise<FrontClient>, server: FastCgiServer) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "afcgi-responder-"));
  try {
    for (const listen of ["127.0.0.1:0", `unix:${directory}/app.sock`]) {
      const server = await serveFastCgi(handler, { listen });
      await use(() => FrontClient.connect(currentRuntime(), connectable(server)), server);
      await server.shutdown({ grace: 1_000 });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("200 requests are in flight at once on one real connection", async () => {
  let waiting: (() => void)[] = [];
  const handler: FastCgiHandler = async (request, { server }) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length < 200) return;
      for (const goOn of waiting.reverse()) goOn();
      waiting = [];
    });
    return new Response(`${new URL(request.url).pathname} ${server.connectionsUsed}`);
  };
  await onEachSocket(handler, async (connect) => {
    const client = await connect();
    const requests = Array.from({ length: 200 }, (_, index) => client.begin({ uri: `/${index}` }));
    for (const [index, request] of requests.entries()) {
      assert.equal((await request.answer()).body, `/${index} 1`);
    }
    await client.destroy();
  });
});

test("16 MiB go up and come down over a real connection while short requests pass", async () => {
  const handler: FastCgiHandler = (request) =>
    new Response(request.url.endsWith("/echo") ? request.body : "short");
  await onEachSocket(handler, async (connect) => {
    const client = await connect();
    const echo = client.begin({ method: "POST", uri: "/echo", body: null });
    const upload = (async () => {
      for (let piece = 0; piece < 256; piece++) {
        client.protocol.sendStdin(echo.id, new Uint8Array(MIB / 16).fill(65 + (piece % 26)));
        await client.flush();
      }
      client.protocol.endStdin(echo.id);
      await client.flush();
    })();
    assert.equal((await client.begin().answer()).body, "short");
    await upload;
    const { body } = await echo.answer();
    assert.equal(body.length, 16 * MIB);
    for (let piece = 0; piece < 256; piece++) {
      const letter = String.fromCharCode(65 + (piece % 26));
      const start = piece * (MIB / 16);
      assert.equal(body[start], letter);
      assert.equal(body[start + MIB / 16 - 1], letter);
    }
    await client.destroy();
  });
});

test("A real connection without KEEP_CONN is closed after all of the answer has come", async () => {
  await onEachSocket(() => new Response(new Uint8Array(3 * MIB)), async (connect) => {
    const client = await connect();
    const request = client.begin({
      keepConnection: false,
      method: "POST",
      body: new Uint8Array(MIB),
    });
    assert.deepEqual(await request.ended(), COMPLETE);
    assert.ok(request.stdoutLength > 3 * MIB);
    await client.until(() => client.closed);
  });
});

test("A front that vanishes fires the signal of its request, and the server goes on", async () => {
  let began = Promise.withResolvers<void>();
  let aborted = Promise.withResolvers<void>();
  const handler: FastCgiHandler = (request) => {
    if (request.url.endsWith("/short")) return new Response("short");
    request.signal.addEventListener("abort", () => aborted.resolve());
    began.resolve();
    return new Promise<Response>(() => {});
  };
  await onEachSocket(handler, async (connect, server) => {
    began = Promise.withResolvers<void>();
    aborted = Promise.withResolvers<void>();
    const client = await connect();
    client.begin();
    await began.promise;
    await client.destroy();
    await aborted.promise;
    const next = await connect();
    assert.equal((await next.begin({ uri: "/short" }).answer()).body, "short");
    const shutdown = server.shutdown({ grace: 1_000 });
    await next.until(() => next.closed);
    await shutdown;
  });
});

test("An address in use is refused with a text that names it", async () => {
  await onEachSocket(() => new Response("x"), async (_, server) => {
    const listen = connectable(server);
    const name = listen.transport === "unix" ? listen.path : String(listen.port);
    await assert.rejects(
      serveFastCgi(() => new Response("x"), { listen }),
      (error) => error instanceof Error && error.message.includes(name),
    );
  });
});

test("Only the web servers that were named may connect, and over unix sockets none of them", async () => {
  for (
    const [listen, webServer, isTaken] of [
      ["127.0.0.1:0", "127.0.0.1", true],
      ["127.0.0.1:0", "192.0.2.1", false],
      [`unix:@afcgi-${crypto.randomUUID()}`, "127.0.0.1", false],
    ] as const
  ) {
    const faults: string[] = [];
    const server = await serveFastCgi(() => new Response("x"), {
      listen,
      webServerAddrs: [webServer],
      onError: (error) => faults.push(String(error)),
    });
    const client = await FrontClient.connect(currentRuntime(), connectable(server));
    const end = await client.begin().ended();
    assert.deepEqual(end, isTaken ? COMPLETE : "lost", `${listen} for ${webServer}`);
    if (!isTaken) assert.match(faults[0]!, /is not one of the web servers/);
    await client.destroy();
    await server.shutdown({ grace: 0 });
  }
});
