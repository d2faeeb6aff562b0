/**
 * What a server is known for holds until something newer is known, whichever of the ways that comes: a
 * look at its health, another thread, a name that is no longer there, a question that is still due.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import type { Address } from "../../src/runtime/address.ts";
import { NEGOTIATION_TIMEOUT_MS } from "../../src/upstream/negotiation.ts";
import { ASK_AGAIN_MS, QUESTION_PATIENCE_MS } from "../../src/upstream/server_question.ts";
import { SERVER_ADDRESS_RULES, type ServerOptions } from "../../src/upstream/options.ts";
import { OwnTurns } from "../../src/upstream/server_turns.ts";
import { FAILED_SERVER_REST_MS } from "../../src/upstream/server_standing.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import type {
  ServerNews,
  ServerPermits,
  ShareListener,
  UpstreamShare,
} from "../../src/upstream/upstream_share.ts";
import { type MemoryConnection, MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import { ScriptedApplication } from "../support/scripted_application.ts";
import { untilIdle } from "../support/idle.ts";
import { UpstreamWorld } from "../support/upstream_world.ts";

const NAME = "app.test";

function server(host: string): ServerOptions {
  const address = parseAddress(`tcp://${host}:9000`, SERVER_ADDRESS_RULES);
  return { address, weight: 1, backup: false };
}

for (const isChecked of [true, false]) {
  test(`A server that failed ${isChecked ? "is back with its next check" : "rests for its time"}`, async () => {
    const world = new UpstreamWorld({
      multiplex: "on",
      servers: [server("10.0.0.1"), server("10.0.0.2")],
      retry: { attemptsMax: 0 },
      health: isChecked ? { intervalMs: 1_000, timeoutMs: 500 } : {},
    });
    for (const host of ["10.0.0.1", "10.0.0.2"]) {
      const application = await world.application({ address: `tcp://${host}:9000` });
      void (async () => {
        for (;;) (await application.next()).answer(host);
      })();
    }
    const { network } = world.runtime;
    const failing = server("10.0.0.1").address;
    network.fail(failing, "refused");
    for (let count = 0; count < 2; count++) await world.send().catch(() => {});
    network.fail(failing);
    const isEjected = () => world.upstream.servers[0]!.isEjected;
    assert.equal(isEjected(), true);
    await world.advance(FAILED_SERVER_REST_MS / 2);
    assert.equal(isEjected(), !isChecked);
    await world.advance(FAILED_SERVER_REST_MS);
    assert.equal(isEjected(), false);
    await world.close();
  });
}

const LOOK_UPS = ["that hangs", "that is over", "that has failed"] as const;

for (const lookUp of LOOK_UPS) {
  test(`A name that no configuration has any more, with a look-up ${lookUp}, is asked nothing more`, async () => {
    const world = new UpstreamWorld({
      multiplex: "on",
      servers: [server(NAME), server("10.0.0.9")],
      health: { intervalMs: 1_000, timeoutMs: 500 },
    });
    const { resolver, clock } = world.runtime;
    resolver.setHost(NAME, ["10.0.0.1"], 2_000);
    if (lookUp === "that hangs") resolver.hold(NAME);
    if (lookUp === "that has failed") resolver.fail(NAME, "unavailable");
    void world.send().catch(() => {});
    await world.settle();
    assert.equal(resolver.lookUpCount(NAME), 1);
    world.upstream.configureServers([server("10.0.0.9")]);
    await world.settle();
    const count = resolver.lookUpCount(NAME);
    const seen = world.seen.length;
    resolver.setHost(NAME, ["10.0.0.2"], 2_000);
    await world.advance(60_000);
    resolver.release(NAME);
    await world.advance(60_000);
    assert.equal(resolver.lookUpCount(NAME), count);
    assert.deepEqual(world.seen.slice(seen).filter((text) => text.includes(NAME)), []);
    assert.deepEqual(world.upstream.servers.map(({ address }) => address), ["tcp://10.0.0.9:9000"]);
    await world.upstream.drain(0);
    assert.equal(clock.timerCount, 0);
  });
}

/** What other threads say, and nothing that bounds anything. */
class OtherThreads implements UpstreamShare {
  readonly leads = false;
  readonly threads = 2;
  readonly thread = 1;
  readonly queueLength = 0;
  listener: ShareListener | undefined;

  attach(listener: ShareListener): void {
    this.listener = listener;
  }

  detach(): void {
    this.listener = undefined;
  }

  permitsOf(): ServerPermits {
    let total = 0;
    return {
      turns: new OwnTurns(),
      take: () => ++total > 0,
      give: () => void total--,
      rest: () => false,
      mustYield: () => false,
      wake() {},
      giveSpare() {},
      ask() {},
      get total() {
        return total;
      },
      begunElsewhere: 0,
      enterRequest: () => true,
      offerRequests() {},
      begin() {},
      streamsElsewhere: 0,
      count() {},
      manner: undefined,
      workers: Infinity,
      hasTrait: () => false,
      addTrait: () => true,
      dropTrait() {},
    };
  }

  enterQueue(): boolean {
    return true;
  }

  leaveQueue(): void {}

  enterTunnel(): boolean {
    return true;
  }

  leaveTunnel(): void {}

  supply(): Promise<void> {
    return Promise.resolve();
  }

  tell(): void {}
}

/** What was said last holds, for a server that was away meanwhile, too. */
const SAID: readonly (readonly [news: readonly ServerNews[], isUp: boolean])[] = [
  [[], true],
  [["down"], false],
  [["down", "up"], true],
  [["up", "down"], false],
  [["down", "up", "down"], false],
  [["down", "down", "up"], true],
];

for (const [news, isUp] of SAID) {
  for (const isAway of [false, true]) {
    const said = news.length > 0 ? news.join(", ") : "nothing";
    test(`A server of which others said ${said}, ${isAway ? "and that was away" : "and that stayed"}, is ${isUp ? "up" : "down"}`, async () => {
      const runtime = new MemoryRuntime();
      const share = new OtherThreads();
      const upstream = new Upstream({
        multiplex: "on",
        servers: [server("10.0.0.1"), server("10.0.0.2")],
      }, { runtime, share });
      for (const one of news) share.listener!.onNews("tcp://10.0.0.1:9000", one);
      if (isAway) {
        upstream.configureServers([server("10.0.0.2")]);
        await untilIdle();
        upstream.configureServers([server("10.0.0.1"), server("10.0.0.2")]);
      }
      const found = upstream.servers.find(({ address }) => address === "tcp://10.0.0.1:9000");
      assert.equal(found!.isUp, isUp);
      await upstream.drain(0);
      assert.equal(runtime.clock.timerCount, 0);
    });
  }
}

/** The system says that nothing of what was sent has been read. */
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

for (const leaves of ["while it is being asked", "when it is to be asked again"] as const) {
  test(`A busy server that is back with a request from before, and left ${leaves}, is asked again`, async () => {
    const network = new BusyNetwork();
    const busy = server("10.0.0.1");
    const application = new ScriptedApplication({
      address: "tcp://10.0.0.1:9000",
      values: "silence",
    });
    await application.listen(new MemoryRuntime({ network }));
    const world = new UpstreamWorld(
      { supplied: true, multiplex: "auto", servers: [busy] },
      { network },
    );
    // Those that come meanwhile do not wait for the response to the question.
    void world.send().catch(() => {});
    await world.advance(2 * QUESTION_PATIENCE_MS);
    const held = await application.next();
    if (leaves !== "while it is being asked") await world.advance(NEGOTIATION_TIMEOUT_MS);
    const gone = world.upstream.useServers([]);
    await world.advance(NEGOTIATION_TIMEOUT_MS);
    const before = application.questions;
    const [known] = world.upstream.servers;
    void world.upstream.useServers([busy]);
    await gone;
    assert.equal(world.upstream.servers[0], known, "it is the same");
    await world.advance(ASK_AGAIN_MS + 100);
    assert.ok(application.questions > before, "it is asked again");
    held.answer("done");
    await world.settle();
    void world.upstream.useServers([]);
    await world.advance(2 * NEGOTIATION_TIMEOUT_MS);
    await world.close();
  });
}
