/**
 * A lock that is released at any moment of its heartbeat is free from then on: nobody says that its
 * holder lives, and no timer is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateStore } from "../../src/certificates/store.ts";
import { LOCK_HEARTBEAT_MS, LOCK_STALE_MS } from "../../src/certificates/store_lock.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryPrivateDirectory } from "../support/memory/memory_private_directory.ts";

/** Writes wait until a test lets them be done, or fail. */
class SlowDirectory extends MemoryPrivateDirectory {
  isSlow = false;
  readonly waiting: ((error?: Error) => void)[] = [];

  override async write(name: string, text: string): Promise<void> {
    if (this.isSlow) {
      await new Promise<void>((resolve, reject) =>
        this.waiting.push((error) => error === undefined ? resolve() : reject(error))
      );
    }
    await super.write(name, text);
  }

  finish(error?: Error): void {
    this.isSlow = false;
    for (const done of this.waiting.splice(0)) done(error);
  }
}

type Moment = (world: {
  readonly clock: ManualClock;
  readonly directory: SlowDirectory;
  release(): Promise<void>;
}) => Promise<void>;

const MOMENTS: Readonly<Record<string, Moment>> = {
  "before the first": ({ release }) => release(),
  async "behind one"({ clock, release }) {
    clock.advance(LOCK_HEARTBEAT_MS);
    await untilIdle();
    await release();
  },
  async "while one is written"({ clock, directory, release }) {
    directory.isSlow = true;
    clock.advance(LOCK_HEARTBEAT_MS);
    await untilIdle();
    const released = release();
    await untilIdle();
    directory.finish();
    await released;
  },
  async "while one is written, which fails"({ clock, directory, release }) {
    directory.isSlow = true;
    clock.advance(LOCK_HEARTBEAT_MS);
    await untilIdle();
    const released = release();
    await untilIdle();
    directory.finish(new Error("EIO"));
    await released;
  },
};

for (const [name, run] of Object.entries(MOMENTS)) {
  test(`A lock is free for good that is released ${name} heartbeat`, async () => {
    const directory = new SlowDirectory("/store");
    const clock = new ManualClock();
    const lock = await new CertificateStore(directory, clock).lock("a");
    await run({ clock, directory, release: () => lock.release() });
    const texts = () => [...directory.texts.values()];
    assert.deepEqual(texts(), ["free"]);
    assert.equal(clock.timerCount, 0, "a timer is left");
    clock.advance(LOCK_STALE_MS);
    await untilIdle();
    assert.deepEqual([texts(), clock.timerCount], [["free"], 0]);
    assert.equal(lock.lost.aborted, false);
  });
}
