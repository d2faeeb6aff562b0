/**
 * Responses that afcgi makes itself: their form, and the status of every way in which one can fail.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownResponse, responseForError } from "../../src/http/own_responses.ts";
import { RequestBodyTooLargeError } from "../../src/http/body_limit.ts";
import type { OwnResponse, RequestContext } from "../../src/http/request_context.ts";
import { HTTP_LIMIT_DEFAULTS } from "../../src/http/options.ts";
import { compileSite } from "../../src/http/site.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { UpstreamError, type UpstreamErrorCode } from "../../src/upstream/errors.ts";
import { type Gateway, withGateway } from "../support/gateway.ts";

/** Every code; that none is missing is a matter of types. */
const STATUSES: Readonly<Record<UpstreamErrorCode, number>> = {
  connect_failed: 502,
  connect_timeout: 504,
  local_limit: 503,
  lookup_failed: 502,
  servers_down: 503,
  queue_full: 503,
  queue_timeout: 503,
  tunnels_full: 503,
  send_timeout: 504,
  request_body_timeout: 408,
  request_body_failed: 500,
  first_byte_timeout: 504,
  idle_timeout: 504,
  total_timeout: 504,
  connection_lost: 502,
  bad_record: 502,
  bad_answer: 502,
  answer_too_large: 502,
  spill_failed: 503,
  memory_full: 503,
  overloaded: 503,
  cannot_multiplex: 502,
  unknown_role: 502,
  client_gone: 499,
  slow_client: 499,
  draining: 503,
};

function errorOf(code: UpstreamErrorCode, cause?: unknown): UpstreamError {
  return new UpstreamError(code, "It failed", { phase: "queue", cause });
}

function respond(own: OwnResponse, accept: string | null = null, method = "GET"): Response {
  return ownResponse({ id: "id-1", trace: {}, method }, accept, own);
}

for (const [code, status] of Object.entries(STATUSES) as [UpstreamErrorCode, number][]) {
  test(`A request that fails with ${code} gets ${status}`, async () => {
    const own = responseForError(errorOf(code));
    assert.deepEqual(own, { status, code });
    const response = respond(own);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("x-request-id"), "id-1");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.has("retry-after"), status === 503);
    assert.match(await response.text(), new RegExp(`^${status} .*\\(${code}\\), request id-1\n$`));
  });
}

test("A body that turns out too large gets 413, anything unexpected 500", () => {
  const tooLarge = errorOf("request_body_failed", new RequestBodyTooLargeError("Too large"));
  assert.deepEqual(responseForError(tooLarge), { status: 413, code: "request_body_too_large" });
  for (const error of [new Error("secret"), "secret", undefined]) {
    assert.deepEqual(responseForError(error), { status: 500, code: "internal_error" });
  }
});

const ACCEPTED = [
  [null, "text/plain"],
  ["", "text/plain"],
  ["*/*", "text/plain"],
  ["text/plain", "text/plain"],
  ["image/png", "text/plain"],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "text/html"],
  ["application/json", "application/json"],
  ["Application/JSON; charset=utf-8", "application/json"],
  ["application/problem+json", "application/json"],
  ["text/html, application/json;q=0.9", "text/html"],
  ["text/html;q=0.5, application/json", "application/json"],
  ["text/html;q=0, */*", "text/plain"],
  ["text/html;q=high", "text/plain"],
] as const;

for (const [accept, type] of ACCEPTED) {
  test(`Accept ${JSON.stringify(accept)} gets ${type}`, async () => {
    const response = respond({ status: 404, code: "no_such_file" }, accept);
    assert.equal(response.headers.get("content-type")!.split(";")[0], type);
    const text = await response.text();
    assert.equal(response.headers.get("content-length"), String(text.length));
    assert.match(text, /no_such_file/);
    assert.match(text, /id-1/);
    if (type === "application/json") {
      assert.deepEqual(JSON.parse(text), {
        status: 404,
        error: "Not Found",
        code: "no_such_file",
        request_id: "id-1",
      });
    }
  });
}

test("A response of our own to HEAD has the length and no body", async () => {
  const response = respond({ status: 404, code: "no_such_file" }, null, "HEAD");
  assert.ok(Number(response.headers.get("content-length")) > 0);
  assert.equal(await response.text(), "");
});

test("An error of our own gets 500, is logged, and tells the client nothing", async () => {
  const errors: unknown[] = [];
  const runtime = {
    files: {
      realPath: () => {
        throw new Error("Cannot look: the disk is on fire");
      },
    },
  } as unknown as Runtime;
  const site = compileSite({
    hosts: [],
    root: "/srv",
    routes: [{ path: undefined, methods: undefined, handler: { kind: "static", index: [] } }],
  }, {
    runtime,
    upstreams: new Map(),
    limits: HTTP_LIMIT_DEFAULTS,
    serverSoftware: "afcgi/1.2.3",
    onError: (error) => errors.push(error),
  });
  const context = { id: "id-1", trace: {}, method: "GET", target: { path: "/x" } };
  const response = await site.app.fetch(
    new Request("http://a/x"),
    context as unknown as RequestContext,
  );
  assert.equal(response.status, 500);
  assert.equal(await response.text(), "500 Internal Server Error (internal_error), request id-1\n");
  assert.equal(errors.length, 1);
});

async function statusAndCode(gateway: Gateway, path: string): Promise<[number, unknown]> {
  const response = await gateway.send({ method: "POST", target: path, body: "x" });
  return [response.status, (await gateway.access.ofPath(path))["code"]];
}

test("No application gives 502, and the log names the address", async () => {
  await withGateway({}, async (gateway) => {
    assert.deepEqual(await statusAndCode(gateway, "/nobody"), [502, "connect_failed"]);
    const line = await gateway.log.ofPath("/nobody");
    const address = String((await gateway.access.ofPath("/nobody"))["server"]);
    assert.match(address, /^unix:\//);
    assert.ok(String(line["msg"]).includes(address.slice("unix:".length)), String(line["msg"]));
    assert.equal(line["level"], "error");
    assert.equal(line["upstream"], "app");
    assert.equal(line["phase"], "connect");
  });
});

test("A full queue gives 503 with Retry-After", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const application = async () => {
    arrived.resolve();
    await gate.promise;
    return new Response("done");
  };
  const upstream = {
    multiplex: "off",
    connections: { max: 1, streamsMax: 1, idleTimeoutMs: 1000, requestsMax: 0, reuse: true },
    queue: { lengthMax: 0, timeoutMs: 10_000 },
  } as const;
  await withGateway({ application, upstream }, async (gateway) => {
    const first = gateway.send("/first");
    await arrived.promise;
    const response = await gateway.send("/second");
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await gateway.access.ofPath("/second"))["code"], "queue_full");
    gate.resolve();
    assert.equal((await first).body.toString(), "done");
  });
});

test("An application that does not answer in time gives 504", async () => {
  const gate = Promise.withResolvers<Response>();
  const timeouts = { connectMs: 3000, firstByteMs: 50, idleMs: 50, totalMs: 0, abortMs: 50 };
  const options = { application: () => gate.promise, upstream: { timeouts } };
  await withGateway(options, async (gateway) => {
    assert.deepEqual(await statusAndCode(gateway, "/slow"), [504, "first_byte_timeout"]);
    gate.resolve(new Response("too late"));
  });
});

test("An application that stops in the middle of its response cuts it after its idle time", async () => {
  const application = () =>
    new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode("half")) }));
  const timeouts = { connectMs: 3000, firstByteMs: 5000, idleMs: 50, totalMs: 0, abortMs: 50 };
  await withGateway({ application, upstream: { timeouts } }, async (gateway) => {
    const response = await gateway.send("/stuck");
    assert.equal(response.status, 200);
    assert.equal(response.complete, false);
    assert.equal((await gateway.access.ofPath("/stuck"))["code"], "idle_timeout");
  });
});
