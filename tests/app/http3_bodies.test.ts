/** What bodies over HTTP/3 hold counts as what buffers hold, and nothing of it is left when they end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HTTP3_WINDOW, PIECE_LENGTH_MAX } from "../../src/app/http3_bodies.ts";
import { http3Handler } from "../../src/app/http3_handler.ts";
import { STALLED_MS } from "../../src/http1/held_memory.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/memory.ts";

const PEER = { host: "192.0.2.1", port: 1, protocol: "HTTP/3.0" } as const;
const SEND_MS = 3 * STALLED_MS;

function world(handle: (request: HttpRequest) => Response | BytesResponse) {
  const clock = new ManualClock();
  const memory = { isFull: false, held: 0, count: (more: number) => void (memory.held += more) };
  const handler = http3Handler(handle, { clock, memory, timeouts: { sendMs: SEND_MS } });
  const ask = (init: RequestInit & { duplex?: "half" } = {}) =>
    Promise.resolve(handler(new Request("https://a.test/", init), PEER));
  return { clock, memory, ask };
}

function piecesOf(count: number, length = 1_000): ReadableStream<Uint8Array> {
  let left = count;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(length));
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

const upload = (length: number, declared: string | undefined) => ({
  method: "POST",
  body: piecesOf(length / 1_000),
  duplex: "half" as const,
  ...(declared !== undefined && { headers: { "content-length": declared } }),
});

test("A request's body counts until it is read, by its length or by what a client may send", async () => {
  for (const declared of ["3000", undefined]) {
    let body!: ReadableStream<Uint8Array>;
    const { memory, ask } = world((request) => {
      body = request.body!;
      return new Response(piecesOf(1));
    });
    const response = await ask(upload(3_000, declared));
    assert.equal(memory.held, declared === undefined ? HTTP3_WINDOW : 3_000);
    const reader = body.getReader();
    await reader.read();
    assert.equal(memory.held, declared === undefined ? HTTP3_WINDOW : 2_000);
    while (!(await reader.read()).done);
    assert.equal(memory.held, 0);
    await response.bytes();
    assert.equal(memory.held, 0);
  }
});

test("A body that nobody reads counts until its exchange is over, in whichever way", async () => {
  const { memory, ask } = world(() => new Response(piecesOf(2)));
  const response = await ask(upload(3_000, "3000"));
  assert.equal(memory.held, 3_000);
  await response.bytes();
  assert.equal(memory.held, 0);
  await (await ask(upload(3_000, "3000"))).body!.cancel();
  assert.equal(memory.held, 0);
  const leaving = new AbortController();
  await ask({ ...upload(3_000, "3000"), signal: leaving.signal });
  leaving.abort();
  assert.equal(memory.held, 0);
  const without = world(() => new Response(null, { status: 204 }));
  await without.ask(upload(3_000, "3000"));
  assert.equal(without.memory.held, 0);
  const failing = world(() => {
    throw new Error("no");
  });
  await assert.rejects(failing.ask(upload(3_000, "3000")), /no/);
  assert.equal(failing.memory.held, 0);
});

test("A response counts while its client takes it, in pieces, and arrives as it was", async () => {
  const bytes = new Uint8Array(2 * PIECE_LENGTH_MAX + 5).fill(7);
  const { clock, memory, ask } = world(() => new BytesResponse(200, [["X-A", "b"]], bytes));
  const response = await ask();
  assert.deepEqual([response.status, response.headers.get("x-a")], [200, "b"]);
  assert.equal(response.headers.get("content-length"), String(bytes.length));
  const reader = response.body!.getReader();
  const lengths: number[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    assert.ok(memory.held >= value.length && memory.held <= bytes.length, `${memory.held}`);
    lengths.push(value.length);
  }
  assert.deepEqual(lengths.reduce((sum, length) => sum + length, 0), bytes.length);
  assert.ok(Math.max(...lengths) <= PIECE_LENGTH_MAX);
  assert.equal(memory.held, 0);
  assert.equal(clock.timerCount, 0);
});

test("A client that takes nothing of its response loses it, sooner where memory is full", async () => {
  for (const isFull of [false, true]) {
    const { clock, memory, ask } = world(() => new Response(piecesOf(9)));
    const reader = (await ask()).body!.getReader();
    await reader.read();
    memory.isFull = isFull;
    const times = isFull ? 1 : SEND_MS / STALLED_MS;
    for (let time = 1; time < times; time++) clock.advance(STALLED_MS);
    assert.ok(memory.held > 0);
    clock.advance(STALLED_MS);
    await untilIdle();
    await assert.rejects(reader.read(), /takes nothing/);
    assert.equal(memory.held, 0);
    assert.equal(clock.timerCount, 0);
  }
});
