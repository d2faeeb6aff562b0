/**
 * A server that leaves and is back, in every state that it may have then, with health checks and
 * without: requests are answered by it again, what was in flight ends well, and one that is gone is
 * asked nothing more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, parseAddress } from "../../src/runtime/address.ts";
import { type MemoryConnection, MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import { NEGOTIATION_TIMEOUT_MS } from "../../src/upstream/negotiation.ts";
import { ASK_AGAIN_MAX_MS, ASK_AGAIN_MS } from "../../src/upstream/server_question.ts";
import {
  ADDRESS,
  type ApplicationOptions,
  ScriptedApplication,
  type ScriptedRequest,
} from "../support/scripted_application.ts";
import { textOf, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";

const SERVER = { address: parseAddress(ADDRESS), weight: 1, backup: false };

/** Longer than any server needs to leave. */
const LONG_MS = 30_000;

const HEALTH = { intervalMs: 1_000, timeoutMs: 500, rise: 1, fall: 1 } as const;

interface State {
  readonly settings?: WorldSettings;
  readonly application?: ApplicationOptions;
  /** Gives a request that is in flight, where there is one. */
  readonly reach: (
    world: UpstreamWorld,
    application: ScriptedApplication,
  ) => Promise<ScriptedRequest | undefined>;
}

async function ask(world: UpstreamWorld, application: ScriptedApplication): Promise<void> {
  const answered = world.send();
  (await application.next()).answer("first");
  assert.equal(await textOf(await answered), "first");
}

async function hold(
  world: UpstreamWorld,
  application: ScriptedApplication,
): Promise<ScriptedRequest> {
  void world.send({ id: "held" }).then(textOf, () => {});
  return await application.next();
}

const STATES: Readonly<Record<string, State>> = {
  "never asked": { reach: () => Promise.resolve(undefined) },
  "being asked whether it multiplexes": {
    application: { values: "silence" },
    async reach(world) {
      await world.settle();
      assert.equal(world.upstream.servers[0]!.mode, "asking");
      return undefined;
    },
  },
  "idle, and shared": {
    settings: { multiplex: "on" },
    reach: (world, application) => ask(world, application).then(() => undefined),
  },
  "busy, and shared": { settings: { multiplex: "on" }, reach: hold },
  "idle, and not shared": {
    settings: { multiplex: "off" },
    application: { multiplex: false },
    reach: (world, application) => ask(world, application).then(() => undefined),
  },
  "busy, and not shared": {
    settings: { multiplex: "off" },
    application: { multiplex: false },
    reach: hold,
  },
  "ejected": {
    settings: { multiplex: "on", retry: { attemptsMax: 0 } },
    async reach(world) {
      const { network } = world.runtime;
      network.fail(SERVER.address, "refused");
      await world.send().catch(() => {});
      assert.equal(world.upstream.servers[0]!.isEjected, true);
      network.fail(SERVER.address);
      return undefined;
    },
  },
};

/** An application that listens before anybody asks it. */
async function worldWith(
  options: ApplicationOptions = {},
  settings: WorldSettings = {},
  network = new MemoryNetwork(),
) {
  const application = new ScriptedApplication(options);
  await application.listen(new MemoryRuntime({ network }));
  return { world: new UpstreamWorld(settings, { network }), application };
}

const PAUSES = { "at once": 0, "later": LONG_MS } as const;

for (const [name, { settings, application: options, reach }] of Object.entries(STATES)) {
  for (const [when, pauseMs] of Object.entries(PAUSES)) {
    for (const isChecked of [false, true]) {
      const how = `${when}, ${isChecked ? "with" : "without"} health checks`;
      test(`A server that leaves when it is ${name} answers when it is back ${how}`, async () => {
        const { world, application } = await worldWith(options, {
          supplied: true,
          ...settings,
          ...(isChecked && { health: HEALTH }),
        });
        const held = await reach(world, application);
        const gone = world.upstream.useServers([]);
        await world.advance(pauseMs);
        // One that is checked must say something by now.
        application.options = { ...options, values: "truth" };
        // What it had may end while it is away, or when it is back.
        if (pauseMs > 0) held?.answer("held");
        await world.settle();
        void world.upstream.useServers([SERVER]);
        await gone;
        if (pauseMs === 0) held?.answer("held");
        for (let count = 0; count < 3; count++) {
          const answered = world.send();
          let request: ScriptedRequest | undefined;
          void application.next().then((next) => request = next);
          for (let second = 0; second < 5 && request === undefined; second++) {
            await world.advance(1_000);
          }
          assert.ok(request, `request ${count} comes to it`);
          request.answer("back");
          assert.equal(await textOf(await answered), "back");
        }
        const [server] = world.upstream.servers;
        assert.equal(world.upstream.servers.length, 1);
        assert.deepEqual([server!.isUp, server!.isLeaving, server!.streams], [true, false, 0]);
        await world.upstream.useServers([]);
        assert.equal(world.upstream.servers.length, 0);
        await world.advance(LONG_MS);
        assert.equal(world.connectionCount, 0);
        assert.equal(world.runtime.clock.timerCount, 0, "nobody is asked or waited for");
        await world.close();
      });
    }
  }
}

/** An application whose system says that it reads nothing of what it was sent. */
class BusyNetwork extends MemoryNetwork {
  override async connect(
    address: Address,
    options?: { signal?: AbortSignal },
  ): Promise<MemoryConnection> {
    return Object.assign(await super.connect(address, options), {
      peerProgress: () => "behind" as const,
    });
  }
}

test("A server that was too busy to be asked is asked again, but not once it has left", async () => {
  for (const leaves of ["before the time is over", "after it", "not at all"] as const) {
    for (const isBack of leaves === "not at all" ? [false] : [false, true]) {
      const { world, application } = await worldWith(
        { values: "silence" },
        { supplied: true, multiplex: "auto" },
        new BusyNetwork(),
      );
      await world.settle();
      let gone: Promise<void> | undefined;
      if (leaves === "before the time is over") gone = world.upstream.useServers([]);
      await world.advance(NEGOTIATION_TIMEOUT_MS + 100);
      if (leaves === "after it") gone = world.upstream.useServers([]);
      const before = application.questions;
      if (isBack) void world.upstream.useServers([SERVER]);
      await world.advance(ASK_AGAIN_MS + 100);
      const what = `${leaves}, ${isBack ? "back" : "not back"}`;
      if (leaves === "not at all" || isBack) assert.ok(application.questions > before, what);
      else {
        for (let passedMs = 0; passedMs < ASK_AGAIN_MAX_MS; passedMs += ASK_AGAIN_MS) {
          world.runtime.clock.advance(ASK_AGAIN_MS);
          await world.settle();
        }
        assert.equal(application.questions, before, what);
        await gone;
        assert.equal(world.upstream.servers.length, 0, what);
        assert.equal(world.runtime.clock.timerCount, 0, what);
      }
      // It may be asked just now.
      void world.upstream.useServers([]);
      await world.advance(2 * NEGOTIATION_TIMEOUT_MS);
      await world.close();
    }
  }
});
