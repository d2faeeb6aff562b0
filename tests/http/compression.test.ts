/** Responses compressed on their way, over HTTP: of applications, of files, as they are streamed. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brotliDecompressSync, createGunzip, gunzipSync, zstdDecompressSync } from "node:zlib";
import { COMPRESSION_DEFAULTS, type CompressionOptions } from "../../src/compression/options.ts";
import type { RouteOptions } from "../../src/http/options.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { FASTCGI_ROUTE, freshPath, type Gateway, withGateway } from "../support/gateway.ts";
import { untilTold } from "../support/idle.ts";
import { HttpConnection } from "../support/raw_http.ts";

const TEXT = "All work and no play makes Jack a dull boy.\n".repeat(100);
const ALL = { "Accept-Encoding": "gzip, br, zstd" };

/** A file route for `/files/*`, and the application for everything else, both compressed. */
async function withCompression(
  application: FastCgiHandler,
  use: (gateway: Gateway) => Promise<void>,
  options: Partial<CompressionOptions> = {},
): Promise<void> {
  const root = freshPath();
  mkdirSync(join(root, "files"), { recursive: true });
  writeFileSync(join(root, "files/a.txt"), TEXT);
  writeFileSync(join(root, "files/big.txt"), TEXT.repeat(100));
  writeFileSync(join(root, "files/a.png"), TEXT);
  const compression = { ...COMPRESSION_DEFAULTS, ...options };
  const files: RouteOptions = {
    path: "/files/*",
    methods: undefined,
    handler: { kind: "static", index: [] },
    compression,
  };
  const routes = [files, { ...FASTCGI_ROUTE, compression }];
  await withGateway({ application, root, routes }, use);
}

function text(fields: Record<string, string> = {}, status = 200): () => Response {
  return () => new Response(TEXT, { status, headers: { "content-type": "text/plain", ...fields } });
}

test("A response is compressed as the client prefers, with its length, Vary and a weak tag", async () => {
  await withCompression(
    text({ etag: '"v1"', "content-length": String(TEXT.length) }),
    async (gateway) => {
      const cases = [
        ["gzip, br, zstd", "zstd", zstdDecompressSync],
        ["gzip, br", "br", brotliDecompressSync],
        ["gzip, br;q=0.1", "gzip", gunzipSync],
      ] as const;
      for (const [accept, coding, decode] of cases) {
        const response = await gateway.send({ headers: { "Accept-Encoding": accept } });
        assert.equal(response.headers.get("content-encoding"), coding);
        assert.equal(response.headers.get("vary"), "Accept-Encoding");
        assert.equal(response.headers.get("etag"), 'W/"v1"');
        assert.equal(response.headers.get("content-length"), String(response.body.length));
        assert.ok(response.body.length < 500);
        assert.equal(Buffer.from(decode(response.body)).toString(), TEXT);
      }
      const lines = await gateway.access.findAll(3, ({ status }) => status === 200);
      for (const line of lines) assert.ok(Number(line.bytes_out) < 500, "what went out is counted");
    },
  );
});

test("A response that could have been compressed has Vary, and is otherwise as it was", async () => {
  await withCompression(text({ etag: '"v1"', vary: "Cookie" }), async (gateway) => {
    for (const accept of ["identity", "gzip;q=0", "deflate", "*;q=0", ""]) {
      const response = await gateway.send({ headers: { "Accept-Encoding": accept } });
      assert.equal(response.headers.get("content-encoding"), undefined, accept);
      assert.equal(response.headers.get("vary"), "Cookie, Accept-Encoding");
      assert.equal(response.headers.get("etag"), '"v1"');
      assert.equal(response.body.toString(), TEXT);
    }
  });
});

test("What should not be compressed is left alone", async () => {
  const cases: Record<string, () => Response> = {
    "/coded": text({ "content-encoding": "gzip" }),
    "/no-transform": text({ "cache-control": "public, no-transform" }),
    "/part": text({ "content-range": "bytes 0-1/2" }, 206),
    "/digest": text({ "content-digest": "sha-256=:x:" }),
    "/image": text({ "content-type": "image/png" }),
    "/small": () => new Response("x".repeat(1023), { headers: { "content-type": "text/plain" } }),
  };
  const application: FastCgiHandler = (request) => cases[new URL(request.url).pathname]!();
  await withCompression(application, async (gateway) => {
    for (const path of Object.keys(cases)) {
      const response = await gateway.send({ target: path, headers: ALL });
      // The whole that it is a part of would have been compressed (RFC 9110 section 15.3.7).
      const vary = path === "/part" ? "Accept-Encoding" : undefined;
      assert.equal(response.headers.get("vary"), vary, path);
      const expected = path === "/coded" ? "gzip" : undefined;
      assert.equal(response.headers.get("content-encoding"), expected, path);
      assert.equal(response.body.length, path === "/small" ? 1023 : TEXT.length, path);
    }
  });
});

test("A kilobyte is compressed, 204 and 304 have nothing to compress", async () => {
  const statuses: Record<string, number> = { "/204": 204, "/304": 304 };
  const application: FastCgiHandler = (request) => {
    const status = statuses[new URL(request.url).pathname];
    const headers = { "content-type": "text/plain", etag: '"v"' };
    if (status !== undefined) return new Response(null, { status, headers });
    return new Response("x".repeat(1024), { headers });
  };
  await withCompression(application, async (gateway) => {
    assert.equal((await gateway.send({ headers: ALL })).headers.get("content-encoding"), "zstd");
    for (const [target, status] of Object.entries(statuses)) {
      const response = await gateway.send({ target, headers: ALL });
      assert.deepEqual([response.status, response.headers.get("etag")], [status, '"v"']);
      assert.equal(response.headers.has("content-encoding"), false);
    }
  });
});

test("HEAD has the fields of GET where the length is known, and Vary in any case", async () => {
  const application: FastCgiHandler = (request) => {
    const headers = { "content-type": "text/plain", etag: '"v"' };
    const hasLength = new URL(request.url).pathname === "/length";
    const length: Record<string, string> = hasLength
      ? { "content-length": String(TEXT.length) }
      : {};
    const body = request.method === "HEAD" ? null : TEXT;
    return new Response(body, { headers: { ...headers, ...length } });
  };
  await withCompression(application, async (gateway) => {
    const headers = await gateway.send({ method: "HEAD", target: "/length", headers: ALL });
    assert.equal(headers.headers.get("content-encoding"), "zstd");
    assert.equal(headers.headers.get("etag"), 'W/"v"');
    assert.equal(headers.headers.get("vary"), "Accept-Encoding");
    assert.notEqual(headers.headers.get("content-length"), String(TEXT.length));
    const unknown = await gateway.send({ method: "HEAD", target: "/", headers: ALL });
    assert.equal(unknown.headers.get("vary"), "Accept-Encoding");
    assert.equal(unknown.headers.get("content-encoding"), undefined);
  });
});

test("Several Set-Cookie stay several in a compressed response", async () => {
  const application: FastCgiHandler = () => {
    const headers = new Headers({ "content-type": "text/html" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    return new Response(TEXT, { headers });
  };
  await withCompression(application, async (gateway) => {
    for (let count = 0; count < 2; count++) {
      const response = await gateway.send({ headers: ALL });
      assert.equal(response.headers.get("set-cookie"), "a=1, b=2");
      assert.equal(response.headers.get("content-encoding"), "zstd");
    }
  });
});

test("An event stream is compressed and each event arrives when it was sent", async () => {
  let send!: (text: string | undefined) => void;
  const application: FastCgiHandler = () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        send = (text) =>
          text === undefined
            ? controller.close()
            : controller.enqueue(new TextEncoder().encode(text));
        send("data: 1\n\n");
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  await withCompression(application, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.send({ headers: { "Accept-Encoding": "gzip" } });
    const headers = await connection.readHeaders();
    assert.equal(headers.headers.get("content-encoding"), "gzip");
    const gunzip = createGunzip();
    const arrived: string[] = [];
    let wake = () => {};
    gunzip.on("data", (bytes: Buffer) => {
      arrived.push(bytes.toString());
      wake();
    });
    const body = connection.readBody(headers);
    const reading = (async () => {
      for await (const piece of body.pieces) gunzip.write(piece);
    })();
    for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
      // The next one is sent only when this one has come out.
      await untilTold(() => arrived.join("") === event, (woken) => wake = woken, `event ${event}`);
      arrived.length = 0;
      const number = Number(event[6]);
      send(number < 3 ? `data: ${number + 1}\n\n` : undefined);
    }
    await reading;
    assert.ok(body.complete);
    connection.destroy();
    assert.ok(Number((await gateway.access.ofPath("/")).bytes_out) > 0);
  });
});

test("A response that breaks off breaks off compressed too", async () => {
  const application: FastCgiHandler = () => {
    let count = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (count++ === 3) throw new Error("broken");
        controller.enqueue(new TextEncoder().encode(TEXT));
        await new Promise((resolve) => setTimeout(resolve, 0));
      },
    });
    return new Response(body, { headers: { "content-type": "text/plain" } });
  };
  await withCompression(application, async (gateway) => {
    const response = await gateway.send({ headers: ALL });
    assert.equal(response.complete, false);
    const line = await gateway.access.ofPath("/");
    assert.notEqual(line.code, undefined);
  });
});

test("A file is compressed whole, a large one as a stream, and a part of one not at all", async () => {
  await withCompression(text(), async (gateway) => {
    const small = await gateway.send({ target: "/files/a.txt", headers: ALL });
    assert.equal(Buffer.from(zstdDecompressSync(small.body)).toString(), TEXT);
    assert.equal(small.headers.get("content-length"), String(small.body.length));
    assert.equal(small.headers.has("accept-ranges"), false);
    assert.match(small.headers.get("etag") ?? "", /^W\/"/);
    const large = await gateway.send({ target: "/files/big.txt", headers: ALL });
    assert.equal(Buffer.from(zstdDecompressSync(large.body)).toString(), TEXT.repeat(100));
    const line = await gateway.access.ofPath("/files/big.txt");
    assert.equal(line.bytes_out, large.body.length);
    const headers = { ...ALL, Range: "bytes=0-2" };
    const part = await gateway.send({ target: "/files/a.txt", headers });
    assert.deepEqual([part.status, part.body.toString()], [206, "All"]);
    assert.equal(part.headers.get("vary"), "Accept-Encoding");
    const image = await gateway.send({ target: "/files/a.png", headers: ALL });
    assert.equal(image.headers.has("content-encoding"), false);
    const imagePart = await gateway.send({ target: "/files/a.png", headers });
    assert.deepEqual([imagePart.status, imagePart.headers.has("vary")], [206, false]);
  });
});

test("A client that holds a compressed response is told that it is unchanged by the same tag", async () => {
  const application: FastCgiHandler = () =>
    new Response(null, { status: 304, headers: { etag: '"v1"' } });
  await withCompression(application, async (gateway) => {
    const whole = await gateway.send({ target: "/files/a.txt", headers: ALL });
    const weak = whole.headers.get("etag")!;
    for (const [target, tag] of [["/files/a.txt", weak], ["/app", 'W/"v1"']] as const) {
      const asked = { ...ALL, "If-None-Match": `"x", ${tag}` };
      const response = await gateway.send({ target, headers: asked });
      assert.equal(response.status, 304);
      assert.deepEqual([response.headers.get("etag"), response.headers.get("vary")], [
        tag,
        "Accept-Encoding",
      ]);
      const strong = tag.slice("W/".length);
      const other = await gateway.send({ target, headers: { ...ALL, "If-None-Match": strong } });
      assert.deepEqual([other.status, other.headers.get("etag")], [304, strong]);
    }
  });
});

test("No more responses are compressed at a time than the limit; the others go out as they are", async () => {
  const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  const application: FastCgiHandler = () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(TEXT));
        streams.push(controller);
      },
    });
    return new Response(body, { headers: { "content-type": "text/plain" } });
  };
  await withCompression(application, async (gateway) => {
    const open = async () => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ headers: ALL });
      return { connection, headers: await connection.readHeaders() };
    };
    const first = await open();
    const second = await open();
    assert.equal(first.headers.headers.get("content-encoding"), "zstd");
    assert.equal(second.headers.headers.get("content-encoding"), undefined);
    assert.equal(second.headers.headers.get("vary"), "Accept-Encoding");
    first.connection.destroy();
    await gateway.access.find(({ code }) => code === "client_gone");
    const third = await open();
    assert.equal(third.headers.headers.get("content-encoding"), "zstd");
    second.connection.destroy();
    third.connection.destroy();
  }, { concurrentMax: 1 });
});

test("A route without compression says nothing of codings", async () => {
  await withGateway({ application: text() }, async (gateway) => {
    const response = await gateway.send({ headers: ALL });
    assert.equal(response.headers.has("vary"), false);
    assert.equal(response.body.toString(), TEXT);
  });
});
