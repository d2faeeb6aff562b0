/** Bodies on their way: as they are written, no faster than they are read, until the client leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type MultiplexMode, UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { runtime, withGateway } from "../support/gateway.ts";
import { waitUntil } from "../support/places.ts";
import { HttpConnection, type HttpResponse, requestHeaders } from "../support/raw_http.ts";

const MODES: readonly MultiplexMode[] = ["on", "off"];
const MIB = 1024 * 1024;
const PIECE = new Uint8Array(64 * 1024).fill(0x61);

const encode = (text: string) => new TextEncoder().encode(text);

/** A body that a test writes by hand. */
function handWritten() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => cancelled.resolve(),
  });
  return {
    stream,
    cancelled: cancelled.promise,
    write: (text: string) => controller.enqueue(encode(text)),
    end: () => controller.close(),
    fail: () => controller.error(new Error("The handler failed")),
  };
}

for (const multiplex of MODES) {
  test(`An event arrives before the next one is written, multiplex ${multiplex}`, async () => {
    const body = handWritten();
    const application = () =>
      new Response(body.stream as ReadableStream<Uint8Array<ArrayBuffer>>, {
        headers: { "content-type": "text/event-stream" },
      });
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ headers: { Accept: "text/event-stream" }, target: "/events" });
      body.write("data: 0\n\n");
      const headers = await connection.readHeaders();
      assert.equal(headers.headers.get("content-type"), "text/event-stream");
      const pieces = connection.readBody(headers);
      let count = 0;
      for await (const piece of pieces.pieces) {
        assert.equal(Buffer.from(piece).toString(), `data: ${count}\n\n`);
        if (++count < 20) body.write(`data: ${count}\n\n`);
        else body.end();
      }
      assert.equal(count, 20);
      assert.ok(pieces.complete);
      connection.destroy();
      assert.equal((await gateway.access.ofPath("/events"))["bytes_out"], 10 * 9 + 10 * 10);
    });
  });

  test(`The header section arrives before the first byte of a body, multiplex ${multiplex}`, async () => {
    const body = handWritten();
    const application = () => new Response(body.stream as ReadableStream<Uint8Array<ArrayBuffer>>);
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({});
      // Bun holds all but the status line back until the first byte of the body.
      if (runtime.name === "bun") body.write("late");
      const headers = await connection.readHeaders();
      assert.equal(headers.status, 200);
      if (runtime.name !== "bun") body.write("late");
      body.end();
      const text: string[] = [];
      for await (const piece of connection.readBody(headers).pieces) text.push(piece.toString());
      connection.destroy();
      assert.equal(text.join(""), "late");
    });
  });

  test(`A long poll is answered when there is something to say, multiplex ${multiplex}`, async () => {
    const arrived = Promise.withResolvers<void>();
    const news = Promise.withResolvers<string>();
    const application = async () => {
      arrived.resolve();
      return new Response(await news.promise);
    };
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const response = gateway.send({});
      await arrived.promise;
      news.resolve("news");
      assert.equal((await response).body.toString(), "news");
    });
  });

  test(`A client that leaves a long poll ends it at the application, multiplex ${multiplex}`, async () => {
    const arrived = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const application = (request: Request) => {
      request.signal.addEventListener("abort", () => aborted.resolve());
      arrived.resolve();
      return aborted.promise.then(() => new Response("too late"));
    };
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target: "/poll" });
      await arrived.promise;
      connection.destroy();
      await aborted.promise;
      const line = await gateway.access.ofPath("/poll");
      assert.equal(line["code"], "client_gone");
      assert.equal(line["status"], 499);
    });
  });

  test(`A client that leaves a stream ends it at the application, multiplex ${multiplex}`, async () => {
    const body = handWritten();
    const application = () => new Response(body.stream as ReadableStream<Uint8Array<ArrayBuffer>>);
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target: "/left" });
      body.write("first");
      const headers = await connection.readHeaders();
      const { value } = await connection.readBody(headers).pieces.next();
      assert.equal(value?.toString(), "first");
      connection.destroy();
      await body.cancelled;
      const line = await gateway.access.ofPath("/left");
      assert.equal(line["code"], "client_gone");
      assert.equal(line["status"], 200);
      assert.equal(line["bytes_out"], 5);
      const errors = gateway.log.lines.filter((each) => each["level"] === "error");
      assert.deepEqual(errors, []);
    });
  });

  test(`A handler that fails in the middle cuts the response, multiplex ${multiplex}`, async () => {
    const body = handWritten();
    const application = () => new Response(body.stream as ReadableStream<Uint8Array<ArrayBuffer>>);
    await withGateway({ application, upstream: { multiplex } }, async (gateway) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target: "/broken" });
      body.write("first");
      const headers = await connection.readHeaders();
      body.fail();
      const pieces = connection.readBody(headers);
      for await (const piece of pieces.pieces) assert.equal(piece.toString(), "first");
      assert.equal(pieces.complete, false);
      connection.destroy();
      const line = await gateway.access.ofPath("/broken");
      assert.notEqual(line["code"], undefined);
      assert.notEqual(line["code"], "client_gone");
    });
  });

  test(`64 MiB go up and down unchanged, multiplex ${multiplex}`, async () => {
    const application = (request: Request) => new Response(request.body);
    const limits = { requestBodyMax: 0 };
    await withGateway({ application, limits, upstream: { multiplex } }, async (gateway) => {
      const body = Buffer.alloc(64 * MIB);
      for (let offset = 0; offset < body.length; offset += 4) body.writeUInt32LE(offset, offset);
      const response = await gateway.send({ method: "POST", body });
      assert.equal(response.status, 200);
      assert.equal(response.complete, true);
      assert.ok(response.body.equals(body));
    });
  });
}

test("An application writes no faster than its client reads", async () => {
  const total = 64 * MIB;
  let written = 0;
  const application = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          if (written >= total) return controller.close();
          written += PIECE.length;
          controller.enqueue(PIECE);
        },
      }, { highWaterMark: 0 }),
    );
  const limits = { responseHeaderMax: 65_536, responseBufferMax: 256 * 1024, spillMax: 0 };
  const upstream = { multiplex: "on", limits } as const;
  await withGateway({ application, upstream, admin: true }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({});
    const headers = await connection.readHeaders();
    connection.pause();
    await waitUntil(async () => {
      const metrics = (await gateway.admin("/metrics")).body.toString();
      return /afcgi_upstream_paused_total\{upstream="app"\} [1-9]/.test(metrics);
    }, "the pause of the connection");
    assert.ok(written < total, `${written} bytes were written to a client that does not read`);
    connection.resume();
    let length = 0;
    const body = connection.readBody(headers);
    for await (const piece of body.pieces) length += piece.length;
    assert.equal(length, total);
    assert.ok(body.complete);
    connection.destroy();
  });
});

test("A client sends no faster than the application reads", async () => {
  const total = 64 * MIB;
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const application = async (request: Request) => {
    begun.resolve();
    await gate.promise;
    return new Response(`${(await request.arrayBuffer()).byteLength}`);
  };
  await withGateway({ application, upstream: { multiplex: "on" } }, async (gateway) => {
    // The first request shows that the application multiplexes: the second is streamed.
    const first = gateway.send({});
    await begun.promise;
    const connection = await HttpConnection.open(gateway.port);
    await connection.write(
      requestHeaders({ method: "POST", headers: { "Content-Length": String(total) } }),
    );
    let sent = 0;
    const sending = (async () => {
      while (sent < total) {
        await connection.write(PIECE);
        sent += PIECE.length;
      }
    })();
    let before = -1;
    let unchanged = 0;
    await waitUntil(() => {
      unchanged = sent === before ? unchanged + 1 : 0;
      before = sent;
      return unchanged >= 40;
    }, "the upload coming to a stop");
    assert.ok(sent < total, `${sent} bytes went to an application that does not read`);
    gate.resolve();
    await sending;
    const response = await connection.readResponse();
    assert.equal(response.body.toString(), String(total));
    connection.destroy();
    assert.equal((await first).status, 200);
  });
});

for (const method of ["GET", "POST"] as const) {
  test(`100 requests at once share a connection and get each its own response, ${method}`, async () => {
    const all = Promise.withResolvers<void>();
    let waiting = 0;
    let used = 0;
    const application = async (
      request: Request,
      info: { server: { connectionsUsed: number } },
    ) => {
      if (++waiting === 100) all.resolve();
      await all.promise;
      used = info.server.connectionsUsed;
      return new Response(`response to ${new URL(request.url).pathname} ${await request.text()}`);
    };
    // A body that may not have been read wants the next connection, where there may be one.
    const { connections: byDefault } = UPSTREAM_DEFAULTS;
    const upstream = {
      multiplex: "on",
      ...(method === "POST" && { connections: { ...byDefault, max: 1 } }),
    } as const;
    await withGateway({ application, upstream }, async (gateway) => {
      const bodyOf = (index: number) => method === "POST" ? "x".repeat(index * 10) : "";
      const responses = await Promise.all(
        Array.from({ length: 100 }, (_, index): Promise<HttpResponse> => {
          const body = method === "POST" ? { body: bodyOf(index) } : {};
          return gateway.send({ method, target: `/${index}`, ...body });
        }),
      );
      responses.forEach((response, index) => {
        assert.equal(response.body.toString(), `response to /${index} ${bodyOf(index)}`);
      });
      assert.equal(used, 1);
    });
  });
}
