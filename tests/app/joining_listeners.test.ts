/**
 * Listeners that join and leave while clients have to wait, for want of descriptors or of connections:
 * each that is there is paused just as long as that lasts, and who has left hears nothing more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_DEFAULTS, ClientBounds } from "../../src/app/client_bounds.ts";
import { ClientConnections, type Pausable } from "../../src/app/client_connections.ts";
import { DescriptorWatch } from "../../src/app/descriptor_watch.ts";
import { LimitedLog } from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import type { PauseReason } from "../../src/runtime/listener.ts";
import { Random } from "../simulation/random.ts";
import { ManualClock, MemoryRuntime, MemorySink } from "../support/memory/memory.ts";

/** Pauses by one reason. */
class Listener implements Pausable {
  isPaused = false;
  changes = 0;
  readonly #reason: PauseReason;

  constructor(reason: PauseReason) {
    this.#reason = reason;
  }

  pause(reason: PauseReason): void {
    assert.equal(reason, this.#reason);
    this.isPaused = true;
    this.changes++;
  }

  resume(reason: PauseReason): void {
    assert.equal(reason, this.#reason);
    this.isPaused = false;
    this.changes++;
  }
}

interface Want {
  readonly reason: PauseReason;
  add(listener: Listener): void;
  remove(listener: Listener): void;
  /** From now on clients have to wait, or need not. */
  set(isShort: boolean): void;
}

const WANTS: Readonly<Record<string, () => Want>> = {
  descriptors() {
    const clock = new ManualClock();
    let hasDescriptors = true;
    const watch = new DescriptorWatch({
      clock,
      process: { descriptorLimit: 1_000, hasDescriptors: () => hasDescriptors },
      logger: new Logger({ sink: new MemorySink(), clock, level: "info", format: "json" }),
    });
    watch.start();
    return {
      reason: "descriptors",
      add: (listener) => watch.add(listener),
      remove: (listener) => watch.remove(listener),
      set(isShort) {
        hasDescriptors = !isShort;
        clock.advance(1_000);
      },
    };
  },
  "descriptors, by all bounds together"() {
    const runtime = new MemoryRuntime({ process: { descriptorLimit: 1_000 } });
    const { clock, process } = runtime;
    const logger = new Logger({ sink: new MemorySink(), clock, level: "info", format: "json" });
    const bounds = new ClientBounds(CLIENT_DEFAULTS, { sites: [], upstreams: [] }, {
      runtime,
      registry: new MetricsRegistry(),
      logger,
      limited: new LimitedLog(logger, clock),
      isMain: true,
    });
    bounds.start();
    return {
      reason: "descriptors",
      add: (listener) => bounds.add(listener),
      remove: (listener) => bounds.remove(listener),
      set(isShort) {
        process.descriptorsFree = isShort ? 0 : Infinity;
        clock.advance(1_000);
      },
    };
  },
  connections() {
    const connections = new ClientConnections({
      max: 1,
      perAddressMax: 1,
      whenFull: "wait",
      isExempt: () => false,
      onRefused: () => assert.fail("one is refused"),
      onWaiting() {},
    });
    let isShort = false;
    return {
      reason: "full",
      add: (listener) => connections.add(listener),
      remove: (listener) => connections.remove(listener),
      set(isNow) {
        if (isNow === isShort) return;
        isShort = isNow;
        if (isNow) assert.equal(connections.admit("192.0.2.1"), true);
        else connections.leave("192.0.2.1");
      },
    };
  },
};

for (const [name, create] of Object.entries(WANTS)) {
  test(`Each listener waits for ${name} just while they are short, whenever it has joined (100 seeds)`, () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed);
      const want = create();
      const there: Listener[] = [];
      const gone: { readonly listener: Listener; readonly changes: number }[] = [];
      let isShort = false;
      for (let step = 1; step <= 40; step++) {
        switch (random.pick(["add", "remove", "change"])) {
          case "add": {
            const listener = new Listener(want.reason);
            there.push(listener);
            want.add(listener);
            break;
          }
          case "remove": {
            const listener = there.shift();
            if (listener === undefined) break;
            want.remove(listener);
            gone.push({ listener, changes: listener.changes });
            break;
          }
          case "change":
            isShort = !isShort;
            want.set(isShort);
        }
        for (const { isPaused } of there) {
          assert.equal(isPaused, isShort, `seed ${seed}, step ${step}`);
        }
        for (const { listener, changes } of gone) assert.equal(listener.changes, changes);
      }
    }
  });
}
