/**
 * Requests at every phase at the same time, and then a drain: `UpstreamWorld.close` finds no request,
 * queue, connection, timer or temporary file, and here ids, sockets and listeners are counted too.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { fedBody, UpstreamWorld } from "../support/upstream_world.ts";

const LIMITS = { responseBufferMax: 100, spillMax: 10_000 };

/** Signals of clients, and how many listeners are on them. */
class Signals {
  count = 0;

  next(): AbortController {
    const controller = new AbortController();
    const { signal } = controller;
    const { addEventListener, removeEventListener } = signal;
    const listeners = new Set<unknown>();
    const counted = (change: (listener: unknown) => void) => (...args: unknown[]) => {
      this.count -= listeners.size;
      change(args[1]);
      this.count += listeners.size;
    };
    const onAdd = counted((listener) => listeners.add(listener));
    const onRemove = counted((listener) => listeners.delete(listener));
    signal.addEventListener = (...args: unknown[]) => {
      onAdd(...args);
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      onRemove(...args);
      Reflect.apply(removeEventListener, signal, args);
    };
    return controller;
  }
}

for (const multiplex of ["on", "off"] as const) {
  test(`A drain with requests at every phase leaves nothing behind, multiplex ${multiplex}`, async () => {
    const world = new UpstreamWorld({
      multiplex,
      connections: { max: multiplex === "on" ? 1 : 5, streamsMax: 5 },
      limits: LIMITS,
      retry: { delayMs: 60_000 },
    });
    const application = await world.application({ multiplex: multiplex === "on" });
    const signals = new Signals();
    const send = async (parts: Parameters<UpstreamWorld["send"]>[0] = {}): Promise<void> => {
      world.send({ ...parts, signal: signals.next().signal });
      await world.settle();
    };
    const begun: ScriptedRequest[] = [];
    const next = async (): Promise<ScriptedRequest> => {
      begun.push(await application.next());
      return begun.at(-1)!;
    };

    // Waits for its first byte.
    await send();
    await next();
    // Half answered, and more than fits into memory: the rest is in a file.
    await send();
    (await next()).stdout(`A: 1\n\n${"b".repeat(LIMITS.responseBufferMax * 5)}`);
    // Its client has left.
    const leaving = signals.next();
    world.send({ signal: leaving.signal });
    await next();
    leaving.abort();
    // A body on its way: streamed to the one, gathered into a file for the other.
    const { body, feed } = fedBody(1_000);
    await send({ method: "POST", body: { ...body, memoryMax: 1 } });
    feed.enqueue(new Uint8Array(500));
    // One waits for its next attempt, and the rest for room.
    await send();
    (await next()).end(ProtocolStatus.OVERLOADED);
    for (let count = 0; count < 8; count++) await send();
    await world.settle();
    assert.ok(world.upstream.queueLength > 0);
    assert.ok(world.runtime.files.temporaryCount > 0);
    assert.ok(world.runtime.clock.timerCount > 0);
    assert.ok(signals.count > 0);

    await world.upstream.drain(0);
    await world.settle();
    const { servers } = world.upstream;
    assert.equal(servers.reduce((sum, { streams }) => sum + streams, 0), 0);
    assert.equal(signals.count, 0);
    await Promise.all(application.connections.map(({ closed }) => closed));
    await world.close();
  });
}
