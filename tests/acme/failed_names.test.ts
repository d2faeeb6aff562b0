/**
 * Names on demand that cannot be had, for whatever reason: nothing is left of the attempt, nobody
 * tries by himself, a client that asks again changes nothing for a while, and then it is tried anew.
 * And failures of an order: who tells the authority something else need not wait for their time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REFUSED_MS } from "../../src/acme/on_demand.ts";
import type { AcmeOptions } from "../../src/acme/options.ts";
import { PrivateDirectoryError } from "../../src/certificates/store.ts";
import { OutgoingError } from "../../src/runtime/https_client.ts";
import { AcmeWorld, DAY_MS, hello, HOUR_MS, MINUTE_MS, SECOND_MS } from "../support/acme_world.ts";

const NAME = "a.example";

interface Reason {
  /** Of the response to whether the name may have one; undefined: there is none. */
  readonly status?: number | undefined;
  readonly isProved?: boolean;
  readonly storeFails?: boolean;
}

const REASONS: Readonly<Record<string, Reason>> = {
  "it is not allowed": { status: 404 },
  "nobody says whether it is": { status: undefined },
  "it cannot be proved": { status: 200, isProved: false },
  "the store cannot be read": { status: 200, storeFails: true },
};

for (const [reason, { status, isProved = true, storeFails = false }] of Object.entries(REASONS)) {
  test(`A name on demand of which ${reason} leaves nothing, and is tried again after its time`, async () => {
    const world = new AcmeWorld({ check: () => isProved });
    let attempts = 0;
    const { runtime } = world;
    const open = runtime.openPrivateDirectory.bind(runtime);
    runtime.openPrivateDirectory = (path) => {
      const directory = open(path);
      const read = directory.read.bind(directory);
      directory.read = (name) => {
        if (!name.startsWith(`certificates/${NAME}`)) return read(name);
        if (storeFails) {
          attempts++;
          throw new PrivateDirectoryError("EIO");
        }
        return read(name);
      };
      return directory;
    };
    world.elsewhere = () => {
      attempts++;
      if (status === undefined) return Promise.reject(new OutgoingError("It is down"));
      return Promise.resolve({ status, headers: new Headers(), body: "" });
    };
    const onDemand = { ask: "http://ask.test/may", rateCount: 99, ratePeriodMs: HOUR_MS };
    const { source } = await world.start([[]], { onDemand });
    await world.settled();
    const timers = world.clock.timerCount;
    const find = async (): Promise<unknown> => {
      const found = Promise.resolve(source.find(NAME, hello(NAME)));
      await world.pass(10 * SECOND_MS);
      return await found;
    };
    for (let round = 1; round <= 3; round++) {
      assert.equal(await find(), undefined);
      assert.equal(attempts, round, "it is tried");
      const { length } = world.authority.orders;
      assert.equal(await find(), undefined);
      assert.equal(attempts, round, "not tried again at once");
      assert.deepEqual(source.held(), []);
      assert.equal(world.clock.timerCount, timers, "a timer is left");
      await world.pass(DAY_MS, HOUR_MS);
      assert.equal(world.authority.orders.length, length, "nobody has asked for it");
      assert.ok(DAY_MS > REFUSED_MS);
    }
    await world.stop();
  });
}

const CHANGES: Readonly<Record<string, Partial<AcmeOptions>>> = {
  "nothing else": {},
  "another address": { email: "admin@a.test" },
  "another challenge": { challenges: ["http-01"] },
};

for (const [change, options] of Object.entries(CHANGES)) {
  test(`After a failure with a time to wait, a process that tells the authority ${change}`, async () => {
    const world = new AcmeWorld({ check: () => true });
    world.authority.interfere = (request, path) => {
      if (request.method !== "POST" || !/order/.test(path)) return undefined;
      const headers = { "retry-after": String(DAY_MS / SECOND_MS) };
      return { status: 429, headers, body: { type: "urn:ietf:params:acme:error:rateLimited" } };
    };
    const first = await world.start([["a.test"]]);
    const failed = () => first.lines().some(({ code }) => code === "certificate_failed");
    await world.until(failed, HOUR_MS);
    first.source.close();
    await world.settled();
    world.authority.interfere = () => undefined;
    await world.start([["a.test"]], options);
    await world.pass(10 * MINUTE_MS);
    assert.equal(world.authority.issued, change === "nothing else" ? 0 : 1);
    await world.pass(DAY_MS, MINUTE_MS);
    assert.equal(world.authority.issued, 1, "after its time");
    await world.stop();
  });
}
