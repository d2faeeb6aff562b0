/**
 * What a thread is told at odd moments, and what it forgets: messages before it serves, a reload that
 * is committed twice or discarded behind its commit, listeners that come and go with configurations.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { SocketTlsOptions } from "../../src/runtime/callback_socket.ts";
import { createUpstreamMemory } from "../../src/shared/upstream_memory.ts";
import type { FromThread } from "../../src/threads/messages.ts";
import { SharedProcess } from "../../src/threads/shared_process.ts";
import { until, untilIdle } from "../support/idle.ts";
import { APPLICATION, AT, GET, optionsOf, ServingWorld } from "../support/serving_thread_world.ts";
import { hello } from "../support/acme_world.ts";
import { inWorld } from "../support/world_test.ts";

const OTHER: Address = { transport: "tcp", host: "127.0.0.1", port: 8081 };
const PLACE = "tcp://127.0.0.1:8080";
const OTHER_PLACE = "tcp://127.0.0.1:8081";

function listeningAt(...addresses: readonly Address[]): AppOptions {
  return optionsOf({ listen: addresses.map((address) => ({ address, tls: undefined })) });
}

function kindsOf({ said }: ServingWorld): string[] {
  return said.map(({ kind }) => kind).filter((kind) => kind !== "log" && kind !== "news");
}

/** Whether its only server is up, as it says itself. */
function isUp(world: ServingWorld): boolean {
  world.tell({ kind: "question", id: 77 });
  const report = world.said.findLast((message) => message.kind === "response");
  assert.ok(report?.kind === "response");
  return report.status.upstreams[0]!.servers[0]!.up;
}

test(
  "What it is told while it starts is done once it serves, in the order in which it was told",
  inWorld(async () => {
    const memory = createUpstreamMemory(2, 1, 4);
    const supplied = optionsOf({
      upstreams: optionsOf().upstreams.map((upstream) => ({ ...upstream, supplied: true })),
    });
    const world = ServingWorld.starting(supplied, memory);
    const server = "unix:/run/app.sock";
    const news = { kind: "news", upstream: memory.id, server } as const;
    const { servers } = supplied.upstreams[0]!;
    world.tell({ kind: "servers", id: 1, upstream: "app", servers });
    for (const state of ["down", "up", "down"] as const) world.tell({ ...news, news: state });
    world.tell({ kind: "servers", id: 2, upstream: "app", servers });
    await until(() => world.said.length >= 3, "the thread's start");
    assert.deepEqual(kindsOf(world), ["ready", "supplied", "supplied"]);
    assert.deepEqual(
      world.said.flatMap((message) => message.kind === "supplied" ? [message.id] : []),
      [1, 2],
    );
    assert.equal(isUp(world), false);
    world.tell({ ...news, news: "up" });
    assert.equal(isUp(world), true);
    await world.stop();
  }),
);

test(
  "A configuration that cannot be started with is told, with its reason",
  inWorld(async () => {
    const world = ServingWorld.starting(optionsOf({
      upstreams: optionsOf().upstreams.map((upstream) => ({
        ...upstream,
        protocol: "http" as const,
        tls: { serverName: "a.test", authorities: undefined, caFile: "/missing.pem" },
      })),
    }));
    const failed = () => world.said.find((message) => message.kind === "failed");
    await until(() => failed() !== undefined, "the failure");
    assert.match(JSON.stringify(failed()), /missing\.pem/);
    assert.ok(!kindsOf(world).includes("ready"));
    world.tell({ kind: "question", id: 1 });
    assert.ok(!kindsOf(world).includes("response"), "it has nothing to say of itself");
  }),
);

for (const access of ["-", "off"]) {
  test(
    `Access lines of a log at "${access}" go to the main thread, or nowhere`,
    inWorld(async () => {
      const options = optionsOf();
      const world = await ServingWorld.serving({ ...options, log: { ...options.log, access } });
      const client = world.open();
      client.send(GET);
      await untilIdle();
      world.runtime.clock.advance(1);
      client.close();
      await world.stop();
      const texts = world.said.flatMap((message) =>
        message.kind === "log" && message.log === "access" ? [message.text] : []
      );
      assert.equal(texts.length, access === "off" ? 0 : 1);
    }),
  );
}

test(
  "Certificates are the main thread's: a thread reads no file of them",
  inWorld(async () => {
    const pairs = [{ cert: "/missing.pem", key: "/missing.key" }];
    const options = optionsOf();
    const world = await ServingWorld.serving({
      ...options,
      sites: options.sites.map((site) => ({ ...site, tls: { kind: "files", pairs } })),
    });
    await world.stop();
  }),
);

test(
  "Listeners come and go with the configuration, and a reload that is discarded leaves none",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    assert.deepEqual(world.places(), [PLACE]);
    const { id } = await world.prepare(world.config(listeningAt(AT, OTHER)));
    assert.deepEqual(world.places(), [PLACE, OTHER_PLACE]);
    world.tell({ kind: "discard", id });
    await untilIdle();
    assert.deepEqual(world.places(), [PLACE]);
    const isRefused = (place: string): boolean => {
      const { length } = world.closed;
      const client = world.open(place);
      if (world.closed.length > length) return true;
      client.close();
      return false;
    };
    assert.deepEqual([PLACE, OTHER_PLACE].map(isRefused), [false, true]);
    await world.reload(listeningAt(OTHER));
    await untilIdle();
    assert.deepEqual(world.places(), [OTHER_PLACE]);
    assert.deepEqual([PLACE, OTHER_PLACE].map(isRefused), [true, false]);
    await world.reload(listeningAt(AT, OTHER));
    await untilIdle();
    assert.deepEqual([PLACE, OTHER_PLACE].map(isRefused), [false, false]);
    assert.ok(!kindsOf(world).includes("pause"), "until a commit the main thread accepts nothing");
    assert.ok(!kindsOf(world).includes("resume"));
    await world.stop();
  }),
);

test(
  "A listener that is opened anew at its place is not taken away by the one before it",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    // The first one has a client that it waits for.
    const client = world.open();
    client.send("GET / HTTP/1.1\r\n");
    await world.reload(listeningAt(OTHER));
    await world.reload(listeningAt(AT));
    client.close();
    await untilIdle();
    world.runtime.clock.advance(10_000);
    await untilIdle();
    const { length } = world.closed;
    world.open(PLACE).close();
    assert.equal(world.closed.length, length);
    assert.deepEqual(world.places(), [PLACE]);
    await world.stop();
  }),
);

test(
  "A commit that comes twice, or a discard behind it, changes nothing",
  inWorld(async () => {
    const world = await ServingWorld.serving();
    const application = await serveFastCgi(() => new Response("whole"), {
      listen: APPLICATION,
      runtime: world.runtime,
    });
    const id = await world.reload(listeningAt(AT, OTHER));
    await world.commit(id);
    world.tell({ kind: "discard", id });
    await untilIdle();
    assert.deepEqual(world.places(), [PLACE, OTHER_PLACE]);
    for (const place of [PLACE, OTHER_PLACE]) {
      const client = world.open(place);
      client.send(GET);
      await untilIdle();
      assert.match(client.text, /^HTTP\/1\.1 200 /);
      client.close();
    }
    await world.stop();
    await application.shutdown({ grace: 0 });
  }),
);

test(
  "Upstreams of the configuration that serves and of the one before are kept, and no others",
  inWorld(async () => {
    const kept: number[][] = [];
    const { keep } = SharedProcess.prototype;
    SharedProcess.prototype.keep = function (memories) {
      kept.push(memories.map(({ id }) => id).sort((a, b) => a - b));
      keep.call(this, memories);
    };
    try {
      const [first, second, third, fourth] = Array.from(
        { length: 4 },
        () => createUpstreamMemory(2, 1, 4),
      );
      const world = ServingWorld.starting(optionsOf(), first);
      await until(() => world.said.length > 0, "the thread's start");
      const discarded = await world.prepare(world.config(optionsOf(), second));
      world.tell({ kind: "discard", id: discarded.id });
      await untilIdle();
      await world.reload(optionsOf(), third);
      const bad = optionsOf({
        upstreams: optionsOf().upstreams.map((upstream) => ({
          ...upstream,
          protocol: "http" as const,
          tls: { serverName: "a.test", authorities: undefined, caFile: "/missing.pem" },
        })),
      });
      const { error } = await world.prepare(world.config(bad, second));
      assert.match(error ?? "", /missing\.pem/);
      await world.reload(optionsOf(), fourth);
      assert.deepEqual(kept, [[first!.id, third!.id], [third!.id, fourth!.id]]);
      await world.stop();
    } finally {
      SharedProcess.prototype.keep = keep;
    }
  }),
);

test(
  "What the main thread said of a certificate is forgotten with the configuration",
  inWorld(async () => {
    const options = (): AppOptions =>
      optionsOf({ listen: [{ address: AT, tls: {} }] as unknown as AppOptions["listen"] });
    const world = await ServingWorld.serving(options());
    const { tls } = world.adopters[0]!.options as { readonly tls: SocketTlsOptions };
    const questions = () =>
      world.said.filter((message): message is Extract<FromThread, { kind: "identify" }> =>
        message.kind === "identify"
      );
    const ask = async (): Promise<void> => {
      const before = questions().length;
      const found = tls.identify!("a.test", hello("a.test"), "127.0.0.1");
      const question = questions().at(before);
      if (question !== undefined) {
        assert.equal(question.listener, `${PLACE} tls`);
        const identity = { cert: "CERT", key: "KEY" };
        world.tell({ kind: "identity", id: question.id, number: 1, identity, error: undefined });
      }
      assert.equal((await found)?.cert, "CERT");
    };
    await ask();
    await ask();
    assert.equal(questions().length, 1);
    const { id } = await world.prepare(world.config(options()));
    await ask();
    assert.equal(questions().length, 1, "it does not serve yet");
    await world.commit(id);
    await ask();
    assert.equal(questions().length, 2);
    await world.stop();
  }),
);
