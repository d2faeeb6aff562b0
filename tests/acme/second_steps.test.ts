/**
 * What must be forgotten, and come back: the failures behind a success, an authority's advice for a
 * certificate that has been replaced, challenges that were left behind, names that were refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHALLENGE_AGE_MAX_MS, Challenges } from "../../src/acme/challenges.ts";
import { REFUSED_MS, REFUSED_NAMES_MAX } from "../../src/acme/on_demand.ts";
import { OutgoingError } from "../../src/runtime/https_client.ts";
import { CertificateStore } from "../../src/certificates/store.ts";
import {
  type AcmeProcess,
  AcmeWorld,
  DAY_MS,
  hello,
  HOUR_MS,
  MINUTE_MS,
  SECOND_MS,
} from "../support/acme_world.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";

const response = (status: number) => ({ status, headers: new Headers(), body: "" });

const failures = (process: AcmeProcess) =>
  process.lines().filter(({ code }) => code === "certificate_failed");

test("Failures behind a success begin to count anew", async () => {
  let works = false;
  const world = new AcmeWorld({ check: () => works });
  const process = await world.start([["a.test"]]);
  await world.until(() => failures(process).length === 3);
  works = true;
  await world.until(() => world.authority.issued === 1);
  works = false;
  const count = failures(process).length;
  await world.until(() => failures(process).length > count, 70 * DAY_MS, HOUR_MS);
  assert.deepEqual(failures(process).map((line) => line["failures"]), [1, 2, 3, 1]);
  await world.stop();
});

test("An authority's advice is for the certificate that it was given for", async () => {
  const world = new AcmeWorld();
  const startMs = world.clock.wallMs();
  const dueMs = startMs + 10 * DAY_MS;
  world.authority.renewalInfo = { start: dueMs, end: dueMs };
  await world.start([["a.test"]]);
  // For the next certificate it gives none.
  world.authority.interfere = (_request, path) => {
    if (!path.startsWith("/renewal/") || world.authority.orders.length === 1) return undefined;
    throw new OutgoingError("It is down");
  };
  await world.until(() => world.authority.issued === 2, 11 * DAY_MS, HOUR_MS);
  await world.pass(50 * DAY_MS, 6 * HOUR_MS);
  assert.equal(world.authority.issued, 2, "the usual time holds for the next one");
  await world.until(() => world.authority.issued === 3, 15 * DAY_MS, 6 * HOUR_MS);
  await world.stop();
});

test("A challenge is answered for an hour, and what a process has left behind is removed", async () => {
  const runtime = new MemoryRuntime();
  const store = CertificateStore.open("/store", runtime);
  const challenges = new Challenges(store, runtime.clock);
  const token = "t".repeat(43);
  await challenges.present("http-01", "a.test", token, "authorization");
  await challenges.present("tls-alpn-01", "a.test", token, "authorization");
  const isPending = async () => [
    challenges.httpBody("a.test", token) !== undefined,
    await challenges.identity("a.test") !== undefined,
  ];
  runtime.clock.advance(CHALLENGE_AGE_MAX_MS);
  challenges.removeOld();
  assert.deepEqual(await isPending(), [true, true]);
  assert.deepEqual(
    [challenges.httpBody("b.test", token), await challenges.identity("b.test")],
    [undefined, undefined],
  );
  runtime.clock.advance(1);
  assert.deepEqual(await isPending(), [false, false]);
  assert.equal(store.list("challenges").length, 2);
  challenges.removeOld();
  assert.deepEqual(store.list("challenges"), []);
});

test("The certificate of a challenge is shown to who wants nothing else", async () => {
  const seen: (readonly [protocols: string, isShown: boolean])[] = [];
  const world: AcmeWorld = new AcmeWorld({
    async check() {
      const [process] = world.processes;
      for (
        const protocols of [["acme-tls/1"], ["acme-tls/1", "h2"], ["h2", "acme-tls/1"], ["h2"]]
      ) {
        const found = await process!.source.find("a.test", hello("a.test", protocols));
        seen.push([protocols.join(), found !== undefined]);
      }
      return true;
    },
  });
  await world.start([["a.test"]], { challenges: ["tls-alpn-01"] });
  await world.until(() => world.authority.issued === 1);
  assert.deepEqual(seen, [
    ["acme-tls/1", true],
    ["acme-tls/1,h2", false],
    ["h2,acme-tls/1", false],
    ["h2", false],
  ]);
  await world.stop();
});

/** Names on demand, of which nobody may have one unless a test says so. */
async function onDemand(rateCount: number, ratePeriodMs: number) {
  const world = new AcmeWorld();
  const asked: string[] = [];
  const allowed = { status: 404 };
  world.elsewhere = ({ url }) => {
    asked.push(new URL(url).searchParams.get("domain")!);
    return Promise.resolve(response(allowed.status));
  };
  const onDemand = { ask: "http://ask.test/may", rateCount, ratePeriodMs };
  const { source } = await world.start([[]], { onDemand });
  const find = (name: string) => source.find(name, hello(name));
  return { world, asked, allowed, find };
}

test("A name that was refused is asked for again after its time, each time it was", async () => {
  const { world, asked, find } = await onDemand(9, MINUTE_MS);
  for (let round = 1; round <= 3; round++) {
    assert.equal(await find("a.example"), undefined);
    assert.equal(asked.length, round);
    world.clock.advance(REFUSED_MS - 1);
    assert.equal(await find("a.example"), undefined);
    assert.equal(asked.length, round, "not before");
    world.clock.advance(1);
  }
  await world.stop();
});

test("Orders on demand come back with time, so many of a period and no more", async () => {
  const { world, allowed, find } = await onDemand(2, HOUR_MS);
  allowed.status = 200;
  let count = 0;
  /** How many of so many new names got one. */
  const ask = async (names: number): Promise<number> => {
    const before = world.authority.issued;
    const found = Array.from({ length: names }, () => find(`n${++count}.example`));
    await world.pass(3 * SECOND_MS);
    await Promise.all(found);
    return world.authority.issued - before;
  };
  assert.equal(await ask(5), 2);
  assert.equal(await ask(5), 0);
  // Not counted twice, however often somebody asks meanwhile.
  for (let part = 0; part < 6; part++) {
    await world.pass(4 * MINUTE_MS, MINUTE_MS);
    assert.equal(await ask(1), 0, `after ${4 * (part + 1)} minutes`);
  }
  await world.pass(7 * MINUTE_MS, MINUTE_MS);
  assert.equal(await ask(5), 1);
  await world.pass(10 * HOUR_MS, HOUR_MS);
  assert.equal(await ask(5), 2);
  await world.stop();
});

test("Names that were refused are remembered up to a bound, the latest of them", async () => {
  const { world, asked, find } = await onDemand(9, MINUTE_MS);
  const refuse = async (first: number, end: number): Promise<void> => {
    for (let at = first; at < end; at += 32) {
      const names = Array.from({ length: Math.min(32, end - at) }, (_, index) => at + index);
      await Promise.all(names.map((index) => find(`n${index}.example`)));
    }
  };
  // One after the other: of those that are asked at once any may be refused first.
  await refuse(0, 1);
  await refuse(1, 2);
  await refuse(2, REFUSED_NAMES_MAX + 1);
  await untilIdle();
  assert.equal(asked.length, REFUSED_NAMES_MAX + 1);
  await refuse(1, 2);
  assert.equal(asked.length, REFUSED_NAMES_MAX + 1, "remembered");
  await refuse(0, 1);
  assert.equal(asked.length, REFUSED_NAMES_MAX + 2, "the oldest is not");
  await world.stop();
});
