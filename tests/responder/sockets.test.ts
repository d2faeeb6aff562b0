/** `serveFastCgi` over real sockets of the runtime that runs the tests. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import type { FastCgiHandler, ServeFastCgiOptions } from "../../src/responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { WebServerClient } from "./web_server_client.ts";
import { connectable, gate } from "./setup.ts";

const COMPLETE = { appStatus: 0, protocolStatus: ProtocolStatus.REQUEST_COMPLETE };
const MIB = 1024 * 1024;

/** Serves over TCP and over a unix socket, one after the other. */
async function onEachSocket(
  handler: FastCgiHandler,
  use: (connect: () => Promise<WebServerClient>, server: FastCgiServer) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "afcgi-responder-"));
  try {
    for (const listen of ["127.0.0.1:0", `unix:${directory}/app.sock`]) {
      const server = await serveFastCgi(handler, { listen });
      await use(() => WebServerClient.connect(currentRuntime(), connectable(server)), server);
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

test("A real connection without KEEP_CONN is closed after all of the response has come", async () => {
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

test("A web server that vanishes fires the signal of its request, and the server goes on", async () => {
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
    const errors: string[] = [];
    const server = await serveFastCgi(() => new Response("x"), {
      listen,
      webServerAddrs: [webServer],
      onError: (error) => errors.push(String(error)),
    });
    const client = await WebServerClient.connect(currentRuntime(), connectable(server));
    const end = await client.begin().ended();
    assert.deepEqual(end, isTaken ? COMPLETE : "lost", `${listen} for ${webServer}`);
    if (!isTaken) assert.match(errors[0]!, /is not one of the web servers/);
    await client.destroy();
    await server.shutdown({ grace: 0 });
  }
});

/** A group that we may give a file to, by number. */
const GROUP = process.geteuid?.() === 0 ? 33 : process.getegid!();

const ACCESS: [Partial<ServeFastCgiOptions>, string, number | undefined][] = [
  [{}, "600", undefined],
  [{ mode: 0o666 }, "666", undefined],
  [{ mode: "0620" }, "620", undefined],
  [{ group: String(GROUP) }, "660", GROUP],
  [{ group: String(GROUP), mode: "666" }, "666", GROUP],
];

for (const [options, mode, group] of ACCESS) {
  test(`A unix socket has mode ${mode} with ${JSON.stringify(Object.keys(options))}, whatever the umask`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "afcgi-responder-"));
    const path = join(directory, "app.sock");
    for (const umask of [0, 0o022, 0o777]) {
      const before = process.umask(umask);
      const server = await serveFastCgi(() => new Response("x"), {
        listen: `unix:${path}`,
        ...options,
      });
      assert.equal(process.umask(before), umask);
      const { mode: bits, gid } = lstatSync(path);
      assert.equal((bits & 0o7777).toString(8), mode);
      if (group !== undefined) assert.equal(gid, group);
      await server.shutdown({ grace: 0 });
    }
    rmSync(directory, { recursive: true });
  });
}

test("A mode that is none, or that nothing can have, is refused", async () => {
  const mistakes: [string, Partial<ServeFastCgiOptions>, RegExp][] = [
    ["unix:/tmp/never.sock", { mode: "rw" }, /mode "rw" is none \(use "0660" or 0o660\)/],
    ["unix:/tmp/never.sock", { mode: 0o1777 }, /mode "1023" is none/],
    ["unix:/tmp/never.sock", { mode: "0888" }, /mode "0888" is none/],
    ["unix:/tmp/never.sock", { mode: NaN }, /mode "NaN" is none/],
    ["127.0.0.1:0", { mode: 0o660 }, /"mode" is for a unix socket with a path/],
    ["unix:@never", { group: "0" }, /"group" is for a unix socket with a path/],
  ];
  for (const [listen, options, message] of mistakes) {
    const refused = serveFastCgi(() => new Response("x"), { listen, ...options });
    await assert.rejects(refused, { name: "RangeError", message });
  }
});

for (const network of ["tcp", "unix"] as const) {
  test(`A handler that reads its body late holds up no neighbour on its connection, over ${network}`, async () => {
    const goOn = gate();
    const handler: FastCgiHandler = async (request) => {
      if (request.method !== "POST") return new Response("at once");
      await goOn.promise;
      return new Response(String((await request.arrayBuffer()).byteLength));
    };
    await onEachSocket(handler, async (connect, server) => {
      if (server.addr.transport !== network) return;
      const client = await connect();
      // As much as a web server may send before anybody reads: what waits for a handler is bounded.
      const late = client.begin({ method: "POST", uri: "/late", body: "x".repeat(MIB - 1024) });
      for (let count = 0; count < 20; count++) {
        assert.equal((await client.begin({ uri: `/${count}` }).answer()).body, "at once");
      }
      goOn.resolve();
      assert.equal((await late.answer()).body, String(MIB - 1024));
      await client.destroy();
    });
  });
}
