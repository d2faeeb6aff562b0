/**
 * Places of Gemini's clients, and who has to go: a client that another bound refused has taken none,
 * limits of another configuration hold at once, and a stop waits for responses and for nobody else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GeminiGateway, type GeminiHost } from "../../src/gemini/gateway.ts";
import { GeminiMetrics } from "../../src/gemini/gemini_metrics.ts";
import { GEMINI_LIMIT_DEFAULTS, type GeminiLimits } from "../../src/gemini/options.ts";
import type { GeminiReply } from "../../src/gemini/request.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import type { TcpAddress } from "../../src/runtime/address.ts";
import type { TlsConnection } from "../../src/runtime/tls.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryRuntime, MemorySink } from "../support/memory/memory.ts";

const AT: TcpAddress = { transport: "tcp", host: "127.0.0.1", port: 1965 };

const REPLY: GeminiReply = {
  header: { code: 20, meta: "text/plain" },
  body: new TextEncoder().encode("hello"),
};

async function world(limits: Partial<GeminiLimits> = {}) {
  const runtime = new MemoryRuntime();
  const replies: PromiseWithResolvers<GeminiReply>[] = [];
  const signals: AbortSignal[] = [];
  const bound = { isFull: false, count: 0 };
  const log = new Logger({
    sink: new MemorySink(),
    clock: runtime.clock,
    level: "debug",
    format: "json",
  });
  const deps = {
    runtime,
    limits: { ...GEMINI_LIMIT_DEFAULTS, ...limits },
    metrics: new GeminiMetrics(new MetricsRegistry()),
    log,
    accessLog: undefined,
    nextRequestId: () => "r",
    connections: {
      admit: () => !bound.isFull && ++bound.count > 0,
      leave: () => void bound.count--,
    },
  };
  const hosts: GeminiHost[] = [{
    host: "a.test",
    site: {
      name: "a.test",
      port: undefined,
      reply({ signal }) {
        signals.push(signal);
        const reply = Promise.withResolvers<GeminiReply>();
        replies.push(reply);
        return reply.promise;
      },
    },
    certificates: { find: () => ({ cert: "c", key: "k" }), held: () => [], close() {} },
  }];
  const gateway = new GeminiGateway(hosts, deps);
  await gateway.listen(AT, "1.2");
  const connect = () => runtime.tls.connect(AT, { serverName: "a.test" });
  const ask = async (): Promise<TlsConnection> => {
    const client = await connect();
    const line = new TextEncoder().encode("gemini://a.test/\r\n");
    await client.writable.getWriter().write(line);
    await untilIdle();
    return client;
  };
  const configure = (changed: Partial<GeminiLimits>) =>
    gateway.configure(hosts, { ...deps, limits: { ...deps.limits, ...changed } }, "1.2");
  return { runtime, gateway, replies, signals, bound, connect, ask, configure };
}

const isRefused = (connecting: Promise<unknown>): Promise<boolean> =>
  connecting.then(() => false, () => true);

test("Clients that the bound of all listeners refuses take no place of their address", async () => {
  const { bound, connect, gateway } = await world({ connectionsPerAddressMax: 2 });
  bound.isFull = true;
  for (let count = 0; count < 20; count++) assert.equal(await isRefused(connect()), true);
  bound.isFull = false;
  // Twice as many as may ask, so that the others can be told so.
  for (let count = 0; count < 4; count++) assert.equal(await isRefused(connect()), false);
  assert.equal(await isRefused(connect()), true);
  assert.equal(bound.count, 4);
  gateway.destroy();
  await untilIdle();
  assert.equal(bound.count, 0);
});

test("Limits of another configuration hold for those who come from then on", async () => {
  const { connect, gateway, configure } = await world({ connectionsPerAddressMax: 1 });
  for (let count = 0; count < 2; count++) assert.equal(await isRefused(connect()), false);
  assert.equal(await isRefused(connect()), true);
  configure({ connectionsPerAddressMax: 2 });
  for (let count = 0; count < 2; count++) assert.equal(await isRefused(connect()), false);
  assert.equal(await isRefused(connect()), true);
  configure({ connectionsPerAddressMax: 1 });
  assert.equal(await isRefused(connect()), true);
  gateway.destroy();
});

test("A stop drops who has not asked yet at once, and waits for who has", async () => {
  const { runtime, gateway, replies, connect, ask, bound } = await world();
  const silent = await connect();
  const asking = await ask();
  assert.equal(replies.length, 1);
  let isStopped = false;
  const stopped = gateway.stop().then(() => isStopped = true);
  await untilIdle();
  assert.equal((await silent.readable.getReader().read().catch(() => ({ done: true }))).done, true);
  assert.equal(bound.count, 1);
  assert.equal(isStopped, false);
  assert.equal(await isRefused(connect()), true);
  replies[0]!.resolve(REPLY);
  assert.match(await new Response(asking.readable).text(), /hello$/);
  asking.destroy();
  await untilIdle();
  runtime.clock.advance(GEMINI_LIMIT_DEFAULTS.closeTimeoutMs);
  await stopped;
  assert.deepEqual([bound.count, runtime.clock.timerCount], [0, 0]);
});

test("Who makes a response hears that its client has left, and not that another has", async () => {
  const { gateway, signals, replies, ask } = await world();
  const clients = [await ask(), await ask()];
  assert.deepEqual(signals.map(({ aborted }) => aborted), [false, false]);
  clients[0]!.destroy();
  await untilIdle();
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, false]);
  for (const reply of replies) reply.resolve(REPLY);
  assert.match(await new Response(clients[1]!.readable).text(), /hello$/);
  assert.equal(signals[1]!.aborted, false);
  gateway.destroy();
  await untilIdle();
});
