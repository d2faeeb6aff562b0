import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { ConnectError, ListenError } from "../../src/runtime/network.ts";
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts";
import {
  bodyOf,
  decode,
  encode,
  freshAddress,
  rawHttp,
  readAll,
  runtime,
  serve,
  statusOf,
  turn,
} from "./support.ts";
import { until } from "../support/idle.ts";

const TLS = { identify: () => ({ cert: CERTIFICATE, key: PRIVATE_KEY }) };
const GET = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

/** Sends and leaves the response to be read piece by piece. */
async function ask(connection: ByteConnection, text: string): Promise<void> {
  const writer = connection.writable.getWriter();
  await writer.write(encode(text));
  writer.releaseLock();
}

/** Reads on until the text has come. */
async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  wanted: string,
): Promise<void> {
  for (let text = ""; !text.includes(wanted);) {
    const { value, done } = await reader.read();
    assert.ok(!done, `ended before "${wanted}" came`);
    text += decode(value);
  }
}

for (const kind of ["tcp", "unix", "abstract"] as const) {
  test(`An HTTP server over ${kind} answers`, async () => {
    const server = await serve(
      async (request) => {
        const body = await new Response(request.body).text();
        return new Response(`${request.method} ${body}`);
      },
      { address: freshAddress(kind) },
    );
    const response = await rawHttp(
      server.address,
      "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert.equal(statusOf(response), 200);
    assert.equal(bodyOf(response), "POST body");
    await server.stop();
  });
}

test("An HTTP server over TLS answers", async () => {
  const server = await serve(() => new Response("sealed"), {
    tls: TLS,
  });
  assert.ok(server.address.transport === "tcp");
  const { port } = server.address;
  const response = await new Promise<string>((resolve, reject) => {
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      ca: CERTIFICATE,
      servername: "localhost",
    });
    let text = "";
    socket.on("secureConnect", () => socket.write(GET));
    socket.on("data", (bytes: Uint8Array) => text += decode(bytes));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  assert.equal(bodyOf(response), "sealed");
  await server.stop();
});

test("TLS on a unix socket is refused, never plain text", async () => {
  const serving = serve(() => new Response("sealed"), {
    address: freshAddress("unix"),
    tls: TLS,
  });
  await assert.rejects(serving, /: use TCP$/);
});

test("HEAD is told a length where there is one, and none is made up", async () => {
  const responses: Record<string, () => Response> = {
    "/known": () => new Response(null, { headers: { "content-length": "7" } }),
    "/unknown": () => new Response(null, { headers: { "x-a": "1" } }),
    "/missing": () => new Response(null, { status: 404 }),
    "/empty": () => new Response(null, { status: 204 }),
  };
  const server = await serve((request) => {
    const path = request.url.slice(request.url.lastIndexOf("/"));
    return responses[path]!();
  });
  const lengths: Record<string, string | undefined> = {};
  for (const path of Object.keys(responses)) {
    const headers = `HEAD ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`;
    const response = await rawHttp(server.address, headers);
    assert.match(response, /^HTTP\/1\.1 [^]*\r\n\r\n$/, "there is a header section and no body");
    lengths[path] = /\r\ncontent-length: (\d+)\r\n/i.exec(response)?.[1];
  }
  server.destroy();
  assert.deepEqual(lengths, {
    "/known": "7",
    "/unknown": undefined,
    "/missing": undefined,
    "/empty": undefined,
  });
});

test("A streamed response arrives piece by piece", async () => {
  let body!: ReadableStreamDefaultController<Uint8Array>;
  const server = await serve(() =>
    new Response(new ReadableStream({ start: (controller) => void (body = controller) }))
  );
  const connection = await runtime.connect(server.address);
  await ask(connection, GET);
  const reader = connection.readable.getReader();
  await until(() => body !== undefined, "the request's body");
  for (const piece of ["first", "second", "third"]) {
    body.enqueue(encode(piece));
    await readUntil(reader, piece);
  }
  body.close();
  await readUntil(reader, "0\r\n\r\n");
  connection.destroy();
  await server.stop();
});

test("A body that errors cuts the connection, so that the client can see it", async () => {
  const server = await serve(() => {
    let pulls = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await turn();
          if (pulls++ === 0) controller.enqueue(encode("beginning"));
          else controller.error();
        },
      }),
    );
  });
  const response = await rawHttp(server.address, GET);
  assert.equal(statusOf(response), 200);
  assert.match(response, /transfer-encoding: chunked/i);
  assert.match(response, /beginning/);
  assert.ok(!response.endsWith("0\r\n\r\n"), "the response looks complete");
  await server.stop();
});

test("A client that leaves before the response fires the request's signal", async () => {
  const began = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = await serve(async (request) => {
    request.signal.addEventListener("abort", () => left.resolve());
    began.resolve();
    await left.promise;
    return new Response("nobody reads this");
  });
  const connection = await runtime.connect(server.address);
  await ask(connection, GET);
  await began.promise;
  connection.destroy();
  await left.promise;
  await server.stop();
});

test("A client that leaves during the response cancels its body", async () => {
  const left = Promise.withResolvers<void>();
  const server = await serve(() =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          await turn();
          controller.enqueue(encode("more"));
        },
        cancel: () => left.resolve(),
      }),
    )
  );
  const connection = await runtime.connect(server.address);
  await ask(connection, GET);
  await readUntil(connection.readable.getReader(), "more");
  connection.destroy();
  await left.promise;
  await server.stop();
});

test("A client that got its response does not fire the request's signal", async () => {
  const signals: AbortSignal[] = [];
  const server = await serve((request) => {
    signals.push(request.signal);
    return new Response("done");
  });
  assert.equal(bodyOf(await rawHttp(server.address, GET)), "done");
  await server.stop();
  assert.deepEqual(signals.map((signal) => signal.aborted), [false]);
});

test("A reader that does not read stops the producer of its response", async () => {
  const length = 64 * 1024 * 1024;
  let produced = 0;
  const server = await serve(() =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          await turn();
          if (produced >= length) return controller.close();
          controller.enqueue(new Uint8Array(256 * 1024));
          produced += 256 * 1024;
        },
      }),
    )
  );
  const connection = await runtime.connect(server.address);
  await ask(connection, GET);
  for (let last = -1, idleTurns = 0; idleTurns < 50;) {
    await turn();
    idleTurns = produced === last ? idleTurns + 1 : 0;
    last = produced;
  }
  assert.ok(produced < length, "everything was produced though nobody read");
  const response = await readAll(connection.readable.pipeThrough(untilEnd()));
  assert.equal(produced, length);
  assert.ok(response.length > length);
  connection.destroy();
  await server.stop();
});

/** Passes all through and ends at the last chunk of a chunked body. */
function untilEnd(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(bytes, controller) {
      controller.enqueue(bytes);
      if (decode(bytes.subarray(-5)) === "0\r\n\r\n") controller.terminate();
    },
  });
}

test("A server that does not read an upload stops its sender", async () => {
  const began = Promise.withResolvers<void>();
  const mayRead = Promise.withResolvers<void>();
  const server = await serve(async (request) => {
    began.resolve();
    await mayRead.promise;
    let length = 0;
    for await (const bytes of request.body ?? []) length += bytes.length;
    return new Response(String(length));
  });
  const length = 64 * 1024 * 1024;
  const connection = await runtime.connect(server.address);
  const writer = connection.writable.getWriter();
  const headers =
    `POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  await writer.write(encode(headers));
  let written = 0;
  const writing = (async () => {
    for (; written < length; written += 256 * 1024) await writer.write(new Uint8Array(256 * 1024));
  })();
  await began.promise;
  for (let last = -1, idleTurns = 0; idleTurns < 50;) {
    await turn();
    idleTurns = written === last ? idleTurns + 1 : 0;
    last = written;
  }
  assert.ok(written < length, "everything was taken though nobody read");
  mayRead.resolve();
  await writing;
  assert.equal(bodyOf(decode(await readAll(connection.readable))), String(length));
  connection.destroy();
  await server.stop();
});

test("The handler is told the client's address", async () => {
  const server = await serve((_, { host, port }) => Response.json({ host, port }));
  assert.ok(server.address.transport === "tcp");
  const { port } = server.address;
  const socket = createConnection(port, "127.0.0.1");
  await new Promise<void>((resolve) => socket.on("connect", resolve));
  const localPort = socket.localPort;
  const response = await new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (bytes: Uint8Array) => text += decode(bytes));
    socket.on("close", () => resolve(text));
    socket.write(GET);
  });
  assert.deepEqual(JSON.parse(bodyOf(response)), { host: "127.0.0.1", port: localPort });
  await server.stop();
});

test("A client over a listener for both families has its own IPv4 address", async () => {
  const server = await serve((_, peer) => new Response(peer.host), {
    address: { transport: "tcp", host: "::", port: 0 },
  });
  assert.ok(server.address.transport === "tcp");
  const response = await rawHttp({ ...server.address, host: "127.0.0.1" }, GET);
  assert.equal(bodyOf(response), "127.0.0.1");
  await server.stop();
});

test("A client over a unix socket has no address", async () => {
  const server = await serve((_, { host, port }) => Response.json({ host, port }), {
    address: freshAddress("unix"),
  });
  const response = await rawHttp(server.address, GET);
  assert.deepEqual(JSON.parse(bodyOf(response)), { host: "", port: 0 });
  await server.stop();
});

test("Stopping waits for the request in flight, and not for silent clients", async () => {
  const began = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  const server = await serve(async () => {
    began.resolve();
    await mayAnswer.promise;
    return new Response("finished");
  });
  const silent = await runtime.connect(server.address);
  const halfway = await runtime.connect(server.address);
  await ask(halfway, "GET / HT");
  const response = rawHttp(server.address, GET);
  await began.promise;

  let stopped = false;
  const stopping = server.stop().then(() => stopped = true);
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.ok(!stopped, "stopped while a request was in flight");
  mayAnswer.resolve();
  assert.equal(bodyOf(await response), "finished");
  await stopping;
  await assert.rejects(runtime.connect(server.address), ConnectError);
  silent.destroy();
  halfway.destroy();
});

test("Stopping waits for a response that is still being streamed", async () => {
  let body!: ReadableStreamDefaultController<Uint8Array>;
  const server = await serve(() =>
    new Response(new ReadableStream({ start: (controller) => void (body = controller) }))
  );
  const connection = await runtime.connect(server.address);
  await ask(connection, GET);
  const reader = connection.readable.getReader();
  const headers = readUntil(reader, "one");
  await until(() => body !== undefined, "the request's body");
  body.enqueue(encode("one"));
  await headers;
  const stopping = server.stop();
  await turn();
  body.enqueue(encode("two"));
  await readUntil(reader, "two");
  body.close();
  await stopping;
  connection.destroy();
});

test("Destroying cuts the request in flight", async () => {
  const began = Promise.withResolvers<void>();
  const server = await serve(() => {
    began.resolve();
    return new Promise<Response>(() => {});
  });
  const response = rawHttp(server.address, GET);
  await began.promise;
  server.destroy();
  assert.equal(await response, "");
});

test("A unix socket's path is removed with its HTTP server", async () => {
  const address = freshAddress("unix");
  assert.ok(address.transport === "unix");
  const server = await serve(() => new Response(), { address });
  assert.ok(existsSync(address.path));
  await server.stop();
  assert.ok(!existsSync(address.path));
});

test("An HTTP port in use is an error that names it", async () => {
  const server = await serve(() => new Response());
  await assert.rejects(serve(() => new Response(), { address: server.address }), (error) => {
    assert.ok(error instanceof ListenError);
    assert.match(
      error.message,
      /^Cannot listen on 127\.0\.0\.1:\d+: the port is in use \(stop what listens there, or choose another\)$/,
    );
    return true;
  });
  await server.stop();
});

test("A live unix socket is in use for HTTP as well", async () => {
  const server = await serve(() => new Response(), { address: freshAddress("unix") });
  await assert.rejects(serve(() => new Response(), { address: server.address }), /is in use/);
  await server.stop();
});

test("A request's header section over the limit is refused, one below it is taken", async () => {
  const server = await serve((request) => new Response(request.headers.get("x-long")?.slice(0, 3)));
  const send = (length: number) =>
    rawHttp(server.address, GET.replace("\r\n\r\n", `\r\nX-Long: ${"x".repeat(length)}\r\n\r\n`));
  assert.equal(bodyOf(await send(60_000)), "xxx");
  assert.equal(statusOf(await send(70_000)), 431);
  await server.stop();
});

test("An upload of more than 128 MiB is taken", async () => {
  const server = await serve(async (request) => {
    let length = 0;
    for await (const bytes of request.body ?? []) length += bytes.length;
    return new Response(String(length));
  });
  const length = 130 * 1024 * 1024;
  const connection = await runtime.connect(server.address);
  const writer = connection.writable.getWriter();
  const headers =
    `POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  await writer.write(encode(headers));
  const mebibyte = new Uint8Array(1024 * 1024);
  for (let sent = 0; sent < length; sent += mebibyte.length) await writer.write(mebibyte);
  assert.equal(bodyOf(decode(await readAll(connection.readable))), String(length));
  connection.destroy();
  await server.stop();
});

test("Two servers share a port, with TLS and without", async () => {
  for (const options of [{}, { tls: TLS }]) {
    const first = await serve(() => new Response("shared"), { reusePort: true, ...options });
    const { address } = first;
    const second = await serve(() => new Response("shared"), {
      address,
      reusePort: true,
      ...options,
    });
    if (!("tls" in options)) assert.equal(bodyOf(await rawHttp(address, GET)), "shared");
    await second.stop();
    await first.stop();
  }
});
