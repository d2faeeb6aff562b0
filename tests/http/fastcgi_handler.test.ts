/** `fastcgi()` behind a Hono app, asked without a server in front: what the library does by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { fastcgi, type FastCgiOptions } from "../../src/http/fastcgi_handler.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { Upstream } from "../../src/upstream/upstream.ts";

async function appBefore(options: Partial<FastCgiOptions> = {}) {
  const runtime = new MemoryRuntime();
  await serveFastCgi(async (request, { params }) => {
    const length = params.get("CONTENT_LENGTH") ?? "none";
    return new Response(`${request.method} ${length} ${await request.text()}`);
  }, { listen: "127.0.0.1:9000", runtime });
  const upstream = new Upstream("127.0.0.1:9000", { runtime });
  const app = new Hono();
  app.all("*", fastcgi({ upstream, ...options }));
  const ask = async (init: RequestInit, url = "http://app.test/") => {
    const response = await app.request(url, init);
    return `${response.status} ${await response.text()}`;
  };
  return { ask, stop: () => upstream.drain(0) };
}

test("A body reaches the application, whether a header tells its length or not", async () => {
  const { ask, stop } = await appBefore();
  const stream = () => new Blob(["a ", "body"]).stream();
  const duplex = "half" as const;
  assert.equal(await ask({ method: "POST", body: "a body" }), "200 POST 6 a body");
  assert.equal(
    await ask({ method: "PUT", body: "a body", headers: { "content-length": "6" } }),
    "200 PUT 6 a body",
  );
  const streamed = { method: "PATCH", body: stream(), duplex };
  assert.equal(await ask(streamed as RequestInit), "200 PATCH 6 a body");
  assert.equal(await ask({ method: "POST" }), "200 POST none ");
  assert.equal(await ask({}), "200 GET none ");
  await stop();
});

test("A body without a length header is held to the limit as well", async () => {
  const { ask, stop } = await appBefore({ limits: { requestBodyMax: 6 } });
  assert.equal(await ask({ method: "POST", body: "a body" }), "200 POST 6 a body");
  assert.match(await ask({ method: "POST", body: "a body." }), /^413 /);
  await stop();
});

test("What is no upstream is refused at once, and says what to pass", () => {
  for (const upstream of ["tcp://127.0.0.1:9000", undefined, null, {}]) {
    assert.throws(() => fastcgi({ upstream } as never), {
      name: "TypeError",
      message: /no Upstream \(use new Upstream\("tcp:/,
    });
  }
});
