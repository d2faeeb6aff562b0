/**
 * How long an authority is waited for and what ends that, what is kept before it is sent, and errors
 * that are the store's or our own.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Challenges } from "../../src/acme/challenges.ts";
import { AcmeClient } from "../../src/acme/client.ts";
import { readIssued } from "../../src/acme/issued_certificate.ts";
import { type CertificateStore, PrivateDirectoryError } from "../../src/certificates/store.ts";
import { OutgoingError } from "../../src/runtime/https_client.ts";
import { DIRECTORY, problem } from "../support/acme_authority.ts";
import {
  type AcmeProcess,
  AcmeWorld,
  DAY_MS,
  hello,
  HOUR_MS,
  MINUTE_MS,
  SECOND_MS,
} from "../support/acme_world.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { ManualClock } from "../support/memory/memory.ts";

const failures = (process: AcmeProcess) =>
  process.lines().filter(({ code }) => code === "certificate_failed");

const ORDER = {
  authorizations: ["https://authority.test/authorization/0"],
  finalize: "https://authority.test/finalize/1",
};

for (const [waitMs, isIssued] of [[290 * SECOND_MS, true], [310 * SECOND_MS, false]] as const) {
  test(`An authority that takes ${waitMs / SECOND_MS} s to issue is ${isIssued ? "" : "not "}waited for`, async () => {
    const world = new AcmeWorld();
    let finalizedMs = Infinity;
    world.authority.interfere = (_request, path) => {
      if (path.startsWith("/finalize/")) finalizedMs = world.clock.nowMs();
      const isEarly = finalizedMs !== Infinity && world.clock.nowMs() < finalizedMs + waitMs;
      if (!path.startsWith("/orders/") || !isEarly) return undefined;
      return { body: { ...ORDER, status: "processing" } };
    };
    const process = await world.start([["a.test"]]);
    await world.until(() => process.results.length > 0, HOUR_MS);
    assert.deepEqual(process.results, [isIssued ? "issued" : "failed"]);
    if (!isIssued) assert.match(`${failures(process)[0]!["msg"]}`, /Cannot wait longer: .* 5 min/);
    await world.stop();
  });
}

test("An order that the authority gives up is told at once, with its reason", async () => {
  const world = new AcmeWorld();
  let isFinalized = false;
  world.authority.interfere = (_request, path) => {
    if (path.startsWith("/finalize/")) isFinalized = true;
    if (!path.startsWith("/orders/") || !isFinalized) return undefined;
    const error = { type: "urn:ietf:params:acme:error:caa", detail: "CAA forbids it" };
    return { body: { ...ORDER, status: "invalid", error } };
  };
  const process = await world.start([["a.test"]]);
  const tookMs = await world.until(() => process.results.length > 0, HOUR_MS);
  assert.ok(tookMs < MINUTE_MS, `${tookMs} ms`);
  assert.match(`${failures(process)[0]!["msg"]}`, /have the order fulfilled: caa: CAA forbids it/);
  await world.stop();
});

test("An account's key is kept before the authority knows it, and used by who comes later", async () => {
  const world = new AcmeWorld();
  const keys: unknown[] = [];
  const readKey = (): unknown => {
    const texts = world.runtime.privateTexts.get("/store") ?? new Map<string, string>();
    const file = [...texts].find(([name]) => name.startsWith("accounts/"));
    return file && JSON.parse(file[1]).key.x;
  };
  world.authority.interfere = (_request, path) => {
    if (path !== "/account") return undefined;
    keys.push(readKey());
    // The response never comes.
    return keys.length === 1 ? { status: 500, body: "" } : undefined;
  };
  await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  assert.equal(typeof keys[0], "string");
  assert.deepEqual(keys, [keys[0], keys[0]]);
  assert.deepEqual([...world.authority.accounts.values()].map(({ x }) => x), [keys[0]]);
  await world.stop();
});

test("An exception of our own is told as such, and is no failure of the authority", async () => {
  const world = new AcmeWorld();
  const startMs = world.clock.wallMs();
  world.authority.renewalInfo = { start: startMs + 70 * DAY_MS, end: startMs + 72 * DAY_MS };
  world.authority.interfere = (_request, path) => {
    if (path.startsWith("/renewal/")) throw new Error("a bug");
    return undefined;
  };
  const process = await world.start([["a.test"]]);
  const bugs = () => process.lines().filter(({ code }) => code === "internal_error");
  await world.until(() => bugs().length > 0);
  assert.deepEqual(bugs().map(({ msg }) => msg), ["a bug"]);
  assert.deepEqual(process.results, ["issued"]);
  await world.stop();
  assert.equal(bugs().length, 1, "a stop is none");
});

test("No more new names on demand is told, with the key that says how many", async () => {
  const world = new AcmeWorld();
  world.elsewhere = () => Promise.resolve({ status: 200, headers: new Headers(), body: "" });
  const onDemand = { ask: "http://ask.test/may", rateCount: 1, ratePeriodMs: HOUR_MS };
  const process = await world.start([[]], { onDemand });
  for (const name of ["a.example", "b.example"]) {
    void process.source.find(name, hello(name));
    await world.pass(5 * SECOND_MS);
  }
  const told = process.lines().filter(({ msg }) => /acme\.on_demand\.rate/.test(String(msg)));
  assert.deepEqual(told.map(({ level, name }) => [level, name]), [["warn", "b.example"]]);
  await world.stop();
});

test("A chain has ten certificates at most", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(SECOND_MS);
  const { cert, key } = process.source.find("a.test", hello("a.test")) as {
    readonly cert: string;
    readonly key: string;
  };
  const [own] = /-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/.exec(cert)!;
  const read = (count: number) =>
    readIssued({ cert: own.repeat(count), key }, ["a.test"], currentRuntime().tls);
  assert.equal(read(10).identity.cert.match(/BEGIN/g)?.length, 10);
  assert.throws(() => read(11), /it is no chain in PEM form/);
  await world.stop();
});

/** A store that fails as it is told, and holds nothing. */
function failingStore(error: Error): CertificateStore {
  const fail = () => {
    throw error;
  };
  return {
    list: fail,
    remove: fail,
    read: fail,
    write: () => Promise.resolve(),
  } as unknown as CertificateStore;
}

test("A store that fails is no challenge and no harm, an exception of our own is one", async () => {
  const clock = new ManualClock();
  const token = "t".repeat(43);
  const present = async (error: Error) => {
    const challenges = new Challenges(failingStore(error), clock);
    const shown = await challenges.present("http-01", "a.test", token, "authorization");
    return { challenges, shown };
  };
  const failed = await present(new PrivateDirectoryError("EIO"));
  failed.challenges.removeOld();
  failed.shown.withdraw();
  assert.equal(failed.challenges.httpBody("a.test", token), undefined);
  assert.equal(await failed.challenges.identity("a.test"), undefined);
  const broken = await present(new Error("a bug"));
  assert.throws(() => broken.challenges.removeOld(), /a bug/);
  assert.throws(() => broken.shown.withdraw(), /a bug/);
  assert.throws(() => broken.challenges.httpBody("a.test", token), /a bug/);
  await assert.rejects(broken.challenges.identity("a.test"), /a bug/);
});

function client(clock: ManualClock, status: () => number) {
  const asked: string[] = [];
  const places = { newNonce: "n", newAccount: "a", newOrder: "o" };
  const origin = new URL(DIRECTORY).origin;
  const body = JSON.stringify(
    Object.fromEntries(Object.entries(places).map(([key, path]) => [key, `${origin}/${path}`])),
  );
  const made = new AcmeClient(DIRECTORY, {
    sendRequest: ({ url, method }) => {
      asked.push(`${method} ${url.slice(origin.length)}`);
      const headers = new Headers({ "replay-nonce": `nonce-${asked.length}` });
      return Promise.resolve({ status: method === "POST" ? status() : 200, headers, body });
    },
    clock,
    userAgent: "afcgi/test",
    authorities: undefined,
    signal: new AbortController().signal,
  });
  return { made, asked };
}

test("A directory is good for an hour, and read again then", async () => {
  const clock = new ManualClock();
  const { made, asked } = client(clock, () => 200);
  for (const [passMs, reads] of [[0, 1], [HOUR_MS - 1, 1], [1, 2], [HOUR_MS - 1, 2]] as const) {
    clock.advance(passMs);
    await made.directory();
    assert.equal(asked.length, reads);
  }
});

test("What is signed has succeeded with a status from 200 to 299, and with no other", async () => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const { crv = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", publicKey);
  const signer = {
    key: privateKey,
    account: "https://authority.test/account/1",
    publicJwk: { kty: "EC", crv, x, y },
  };
  let status = 0;
  const { made } = client(new ManualClock(), () => status);
  for (const [said, isRight] of [[199, 0], [200, 1], [299, 1], [300, 0], [400, 0]] as const) {
    status = said;
    const posted = made.post("https://authority.test/o", {}, signer, "ask");
    if (isRight === 1) assert.equal((await posted).status, said);
    else await assert.rejects(posted, new RegExp(`HTTP status ${said}`));
  }
});

test("What a killed process has left of challenges is removed by a start, what is pending is not", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]], {}, false);
  const texts = world.runtime.privateTexts.get("/store")!;
  const keep = (token: string, untilMs: number) => {
    const kept = { name: "a.test", untilMs, value: "authorization", key: "" };
    texts.set(`challenges/http.${token.padEnd(43, "x")}`, JSON.stringify(kept));
  };
  keep("old", world.clock.wallMs() - 1);
  keep("pending", world.clock.wallMs() + HOUR_MS);
  process.source.start();
  await world.until(() => world.authority.issued === 1);
  const left = [...texts.keys()].filter((name) => name.startsWith("challenges/"));
  assert.deepEqual(left, [`challenges/http.${"pending".padEnd(43, "x")}`]);
  texts.delete(left[0]!);
  await world.stop();
});

const REPLACING = [
  [409, "alreadyReplaced", true],
  [400, "malformed", true],
  [404, "serverInternal", true],
  [409, "serverInternal", true],
  [429, "rateLimited", false],
  [403, "rejectedIdentifier", false],
] as const;

for (const [status, type, isTriedAgain] of REPLACING) {
  test(`A renewal to which the authority says ${status} ${type} is ${isTriedAgain ? "" : "not "}ordered without what it replaces`, async () => {
    const world = new AcmeWorld();
    const process = await world.start([["a.test"]]);
    await world.until(() => world.authority.issued === 1);
    let refused = 0;
    world.authority.interfere = (_request, path) =>
      path === "/order" && ++refused === 1 ? problem(status, type, "no") : undefined;
    await world.until(() => refused > 0, 70 * DAY_MS, HOUR_MS);
    await world.settled();
    await world.pass(30 * SECOND_MS);
    assert.equal(refused, isTriedAgain ? 2 : 1);
    assert.equal(process.results.includes("failed"), !isTriedAgain);
    if (isTriedAgain) assert.equal(world.authority.orders[1]!.replaces, undefined);
    await world.stop();
  });
}

const LOOKS = [
  ["says that it is valid", { status: 200, body: { status: "valid" } }, false],
  ["says nothing of it", { status: 200, body: {} }, false],
  ["is down", problem(500, "serverInternal", "down"), false],
  ["has deactivated it", { status: 200, body: { status: "deactivated" } }, true],
  ["does not know it", problem(400, "accountDoesNotExist", "who?"), true],
  ["lets it do nothing", problem(403, "unauthorized", "no"), true],
] as const;

for (const [what, response, isMadeAnew] of LOOKS) {
  test(`An account that may not order, of which the authority ${what}, is ${isMadeAnew ? "" : "not "}made anew`, async () => {
    const world = new AcmeWorld();
    let refused = 0;
    let looks = 0;
    world.authority.interfere = (_request, path) => {
      if (path === "/order" && ++refused === 1) return problem(403, "unauthorized", "not you");
      if (!/^\/account\/./.test(path)) return undefined;
      looks++;
      return { headers: {}, ...response };
    };
    const process = await world.start([["a.test"]]);
    await world.until(() => process.results.length > 0);
    assert.equal(looks, 1);
    const made = world.authority.requests.filter((path) => path === "POST /account").length;
    assert.deepEqual([made, process.results], isMadeAnew ? [2, ["issued"]] : [1, ["failed"]]);
    await world.stop();
  });
}

test("Why nobody says whether names may have one is one line a second, whatever the reasons", async () => {
  const world = new AcmeWorld();
  let asked = 0;
  world.elsewhere = () => Promise.reject(new OutgoingError(`It is down in its way ${++asked}`));
  const onDemand = { ask: "http://ask.test/may", rateCount: 9, ratePeriodMs: HOUR_MS };
  const process = await world.start([[]], { onDemand });
  for (const name of ["a.example", "b.example", "c.example"]) {
    assert.equal(await process.source.find(name, hello(name)), undefined);
  }
  const lines = process.lines().filter(({ msg }) => /Cannot ask whether/.test(String(msg)));
  assert.equal(asked, 3);
  assert.deepEqual(lines.map(({ name }) => name), ["a.example"]);
  await world.stop();
});
