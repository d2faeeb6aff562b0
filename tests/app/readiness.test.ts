/** `/readyz` waits for the applications: each upstream must have a server that takes connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Readiness, READINESS_CONNECT_MS, READINESS_KEPT_MS } from "../../src/app/readiness.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { until } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { freshSocket, gatewayAppOptions, startGateway, withGateway } from "../support/gateway.ts";

const FIRST = parseAddress("127.0.0.1:9001");
const SECOND = parseAddress("127.0.0.1:9002");

interface World {
  readonly runtime: MemoryRuntime;
  /** Asks when the last response holds no longer. */
  ask(): Promise<readonly string[]>;
  readonly readiness: Readiness;
}

async function withUpstreams(
  upstreams: Readonly<Record<string, readonly string[]>>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const runtime = new MemoryRuntime();
  const made = Object.entries(upstreams).map(([name, servers]) =>
    new Upstream({ name, servers }, { runtime })
  );
  const readiness = new Readiness(runtime, made);
  const ask = () => {
    runtime.clock.advance(READINESS_KEPT_MS);
    return readiness.waitingFor();
  };
  await use({ runtime, ask, readiness });
  for (const upstream of made) await upstream.drain(0);
}

test("It waits until the application listens, again when it has gone, and no more when it is back", async () => {
  await withUpstreams({ app: ["127.0.0.1:9001"] }, async ({ runtime, ask }) => {
    const refused = ["app: Cannot connect to tcp://127.0.0.1:9001: refused"];
    assert.deepEqual(await ask(), refused);
    const listener = await runtime.listen(FIRST, () => {});
    assert.deepEqual(await ask(), []);
    listener.close();
    assert.deepEqual(await ask(), refused);
    await runtime.listen(FIRST, () => {});
    assert.deepEqual(await ask(), []);
  });
});

test("Of each upstream one server is enough, and each upstream needs one", async () => {
  const upstreams = { a: ["127.0.0.1:9001", "127.0.0.1:9002"], b: ["127.0.0.1:9002"] };
  await withUpstreams(upstreams, async ({ runtime, ask }) => {
    await runtime.listen(FIRST, () => {});
    assert.deepEqual(await ask(), ["b: Cannot connect to tcp://127.0.0.1:9002: refused"]);
    await runtime.listen(SECOND, () => {});
    assert.deepEqual(await ask(), []);
  });
});

test("An application whose queue of connections is full is there", async () => {
  await withUpstreams({ app: ["127.0.0.1:9001"] }, async ({ runtime, ask }) => {
    runtime.network.fail(FIRST, "full");
    assert.deepEqual(await ask(), []);
  });
});

test("One that never takes the connection is waited for, no longer than the limit", async () => {
  await withUpstreams({ app: ["127.0.0.1:9001"] }, async ({ runtime, ask }) => {
    runtime.network.silence(FIRST);
    const asked = ask();
    runtime.clock.advance(READINESS_CONNECT_MS);
    assert.deepEqual(await asked, [
      "app: Cannot connect to tcp://127.0.0.1:9001: given up before it stood",
    ]);
  });
});

test("Who asks often costs the application one connection in the time that a response holds", async () => {
  await withUpstreams({ app: ["127.0.0.1:9001"] }, async ({ runtime, ask, readiness }) => {
    await runtime.listen(FIRST, () => {});
    await ask();
    // Without that of the question whether it multiplexes, which is asked at the start.
    const before = runtime.network.connectCount(FIRST);
    for (let count = 0; count < 10; count++) await readiness.waitingFor();
    assert.equal(runtime.network.connectCount(FIRST), before);
    await ask();
    assert.equal(runtime.network.connectCount(FIRST), before + 1);
  });
});

test("/readyz says 503 and for what it waits, and 200 with an application", async () => {
  await withGateway({ admin: true }, async (gateway) => {
    const response = await gateway.admin("/readyz");
    assert.equal(response.status, 503);
    assert.match(response.body.toString(), /^waiting for app: Cannot connect to unix:[^\n]+\n$/);
  });
  await withGateway({ admin: true, application: () => new Response("ok") }, async (gateway) => {
    const response = await gateway.admin("/readyz");
    assert.deepEqual([response.status, response.body.toString()], [200, "ready\n"]);
  });
});

test("An open connection is enough: no other is made for /readyz", async () => {
  let connections = 0;
  const application = (_request: Request, info: { server: { connectionsSeen: number } }) => {
    connections = info.server.connectionsSeen;
    return new Response("ok");
  };
  await withGateway({ admin: true, application }, async (gateway) => {
    await gateway.send("/");
    assert.equal((await gateway.admin("/readyz")).status, 200);
    await gateway.send("/");
    assert.equal(connections, 1);
  });
});

test("With `ready: listening` no application is waited for", async () => {
  const options = gatewayAppOptions({ admin: true }, freshSocket());
  const gateway = await startGateway({ ...options, readyWhen: "listening" });
  try {
    assert.equal((await gateway.admin("/readyz")).status, 200);
  } finally {
    await gateway.app.stop();
  }
});

test("/metrics shows capacity, what is busy, the queue, and how long it was waited in", async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const server = freshSocket();
  const application = await serveFastCgi(async () => {
    arrived.resolve();
    await gate.promise;
    return new Response("ok");
  }, { listen: server });
  const defaults = gatewayAppOptions({ admin: true }, server);
  const upstreams = defaults.upstreams.map((upstream) => ({
    ...upstream,
    multiplex: "off" as const,
    connections: { ...upstream.connections, max: 1 },
  }));
  const gateway = await startGateway({ ...defaults, upstreams });
  try {
    const first = gateway.send("/1");
    await arrived.promise;
    const second = gateway.send("/2");
    const sample = async (name: string): Promise<string | undefined> => {
      const text = (await gateway.admin("/metrics")).body.toString();
      return text.split("\n").find((line) => line.startsWith(name))?.split(" ").at(-1);
    };
    const isQueued = async () => await sample("afcgi_upstream_queue_length{") === "1";
    await until(isQueued, "the second request in the queue");
    assert.equal(await sample("afcgi_upstream_capacity{"), "1");
    assert.equal(await sample("afcgi_upstream_streams{"), "1");
    assert.equal(await sample("afcgi_upstream_queue_wait_seconds_count"), undefined);
    gate.resolve();
    await Promise.all([first, second]);
    assert.equal(await sample('afcgi_upstream_queue_wait_seconds_count{upstream="app"}'), "1");
    assert.equal(
      await sample('afcgi_upstream_queue_wait_seconds_bucket{upstream="app",le="+Inf"}'),
      "1",
    );
    assert.equal(await sample("afcgi_upstream_queue_length{"), "0");
  } finally {
    await gateway.app.stop();
    await application.shutdown({ grace: 0 });
  }
});
