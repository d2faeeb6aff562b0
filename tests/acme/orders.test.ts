import { test } from "node:test";
import assert from "node:assert/strict";
import type { AcmeProcess } from "../support/acme_world.ts";
import { AcmeWorld, DAY_MS, hello, HOUR_MS, MINUTE_MS, SECOND_MS } from "../support/acme_world.ts";
import { AcmeAuthority, problem } from "../support/acme_authority.ts";

const find = (process: AcmeProcess, name: string) => process.source.find(name, hello(name));
const failures = (process: AcmeProcess) =>
  process.lines().filter(({ code }) => code === "certificate_failed");

test("All names of a site are in one certificate, and until it is there no name has one", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test", "www.a.test"], ["b.test"]]);
  assert.equal(find(process, "a.test"), undefined);
  assert.equal(process.source.find("", hello("")), undefined);
  await world.until(() => world.authority.issued === 2);
  await world.pass(SECOND_MS);
  const ordered = world.authority.orders.map(({ names }) => names.join(" "));
  assert.deepEqual(ordered.sort(), ["a.test www.a.test", "b.test"]);
  const identity = find(process, "a.test");
  assert.ok(identity);
  assert.equal(find(process, "www.a.test"), identity, "one object, so that sessions are resumed");
  assert.notEqual(find(process, "b.test"), identity);
  assert.equal(process.source.find("", hello("")), identity);
  assert.equal(find(process, "c.test"), undefined);
  assert.deepEqual(process.results, ["issued", "issued"]);
  assert.deepEqual(process.source.held().map(({ name }) => name), ["a.test", "b.test"]);
  const lines = process.lines().filter(({ code }) => code === "certificate_renewed");
  assert.deepEqual(lines.map(({ names }) => names).sort(), ["a.test www.a.test", "b.test"]);
  assert.equal(lines[0]!["authority"], "authority.test");
  await world.stop();
});

for (const kind of ["http-01", "tls-alpn-01"] as const) {
  test(`A name is proven by ${kind} alone where nothing else is wanted`, async () => {
    const world = new AcmeWorld();
    await world.start([["a.test", "b.test"]], { challenges: [kind] });
    await world.until(() => world.authority.issued === 1);
    await world.pass(SECOND_MS);
    const begun = world.authority.requests.filter((path) => path.includes("/challenge/"));
    assert.equal(begun.length, 2);
    assert.ok(begun.every((path) => path.endsWith(kind)), `${begun}`);
    assert.deepEqual(
      [...world.runtime.privateTexts.get("/store")!.keys()].filter((name) =>
        name.startsWith("challenges/")
      ),
      [],
      "what was shown is taken back",
    );
    await world.stop();
  });

  test(`An authority that offers ${kind} alone gets it`, async () => {
    const world = new AcmeWorld({ kinds: ["dns-01", kind, "dns-account-01"] });
    await world.start([["a.test"]]);
    await world.until(() => world.authority.issued === 1);
    await world.stop();
  });
}

test("A runtime that cannot show certificates of challenges takes the other way, or says so", async () => {
  const world = new AcmeWorld();
  world.showsChallenges = false;
  await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  const begun = world.authority.requests.filter((path) => path.includes("/challenge/"));
  assert.ok(begun.length === 1 && begun[0]!.endsWith("http-01"), `${begun}`);
  await assert.rejects(
    world.start([["b.test"]], { challenges: ["tls-alpn-01"] }),
    /Cannot show the challenge tls-alpn-01 on this runtime \(add http-01/,
  );
  await world.stop();
});

test("An authority that offers nothing that we can show is named as such", async () => {
  const world = new AcmeWorld({ kinds: ["dns-01"] });
  const process = await world.start([["a.test"]]);
  await world.until(() => failures(process).length === 1);
  assert.match(`${failures(process)[0]!["msg"]}`, /offers none of tls-alpn-01 and http-01/);
  await world.stop();
});

test("A certificate is renewed in the last third of its life, and the old one serves until then", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(MINUTE_MS);
  const first = find(process, "a.test");
  await world.pass(60 * DAY_MS, 6 * HOUR_MS);
  assert.equal(world.authority.orders.length, 1);
  let served: unknown;
  world.authority.interfere = (_request, path) => {
    if (path.startsWith("/certificate/")) served = find(process, "a.test");
    return undefined;
  };
  await world.until(() => world.authority.issued === 2, 4 * DAY_MS, HOUR_MS);
  assert.equal(served, first);
  await world.pass(MINUTE_MS);
  assert.ok(find(process, "a.test"));
  assert.notEqual(find(process, "a.test"), first);
  assert.deepEqual(process.results, ["issued", "issued"]);
  const last = process.lines().filter(({ code }) => code === "certificate_renewed").at(-1)!;
  assert.equal(last["msg"], "Certificate renewed");
  await world.stop();
});

test("What the store holds is served at once, and nothing is ordered", async () => {
  const world = new AcmeWorld();
  await world.start([["a.test", "b.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(SECOND_MS);
  await world.stop();
  const next = await world.start([["a.test", "b.test"]], {}, false);
  assert.ok(find(next, "a.test"));
  next.source.start();
  await world.pass(DAY_MS, HOUR_MS);
  assert.equal(world.authority.orders.length, 1);
  // Other names are another certificate.
  const other = await world.start([["a.test"]], {}, false);
  assert.equal(find(other, "a.test"), undefined);
  await world.stop();
});

test("A certificate of one authority does not stand for that of another", async () => {
  const world = new AcmeWorld();
  await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(SECOND_MS);
  const other = await world.start([["a.test"]], { directory: "https://other.test/directory" });
  assert.equal(find(other, "a.test"), undefined);
  await world.stop();
});

test("Five processes that share a store place one order, and all of them get its certificate", async () => {
  const world = new AcmeWorld();
  for (let count = 0; count < 5; count++) await world.start([["a.test"], ["b.test"]]);
  const all = () => world.processes.flatMap((one) => [find(one, "a.test"), find(one, "b.test")]);
  await world.until(() => all().every((identity) => identity !== undefined), 10 * MINUTE_MS);
  assert.equal(world.authority.orders.length, 2);
  assert.equal(world.authority.accounts.size, 1);
  await world.until(() => world.authority.orders.length === 4, 70 * DAY_MS, 6 * HOUR_MS);
  await world.pass(HOUR_MS, 10 * SECOND_MS);
  assert.equal(world.authority.orders.length, 4, "one renewal each");
  await world.stop();
});

test("A process that dies in the middle of an order is followed by the next one", async () => {
  const world = new AcmeWorld({ check: () => true });
  const first = await world.start([["a.test"]]);
  const second = await world.start([["a.test"]]);
  let isDead = false;
  world.authority.interfere = (request, path) => {
    if (!path.startsWith("/finalize") || isDead) return undefined;
    isDead = true;
    // Its heartbeat ends with it; nothing is released.
    first.source.close();
    const texts = world.runtime.privateTexts.get("/store")!;
    const held = [...texts.keys()].filter((name) => name.startsWith("locks/order-")).sort().at(-1)!;
    const text = texts.get(held)!;
    const stolen = setInterval(() => {
      if (texts.get(held) === "free") {
        texts.set(held, text);
        clearInterval(stolen);
      }
    }, 0);
    request.signal?.throwIfAborted();
    return undefined;
  };
  const tookMs = await world.until(() => find(second, "a.test") !== undefined, MINUTE_MS);
  assert.ok(tookMs < 30 * SECOND_MS, `${tookMs}`);
  assert.deepEqual(second.results, ["issued"]);
  await world.stop({ locksMax: 1 });
});

test("An order that fails is tried again after a minute, then ever later, up to six hours", async () => {
  const world = new AcmeWorld({ check: () => false });
  const process = await world.start([["a.test"]]);
  await world.pass(HOUR_MS, 10 * SECOND_MS);
  await world.pass(3 * DAY_MS, 10 * MINUTE_MS);
  const waits = failures(process).map((line) => Number(line["retry_in_s"]));
  assert.deepEqual(waits.slice(0, 10), [
    60,
    120,
    240,
    480,
    960,
    1920,
    3840,
    7680,
    15360,
    21600,
  ]);
  assert.deepEqual(new Set(waits.slice(10)), new Set([21600]));
  const [line] = failures(process);
  assert.equal(line!["problem"], "connection");
  assert.match(`${line!["msg"]}`, /prove "a\.test" by tls-alpn-01: connection: Nobody at a\.test/);
  assert.equal(line!["names"], "a.test");
  const kinds = world.authority.requests.filter((path) => path.includes("/challenge/"))
    .map((path) => path.split("/").at(-1));
  assert.deepEqual(kinds.slice(0, 4), ["tls-alpn-01", "http-01", "tls-alpn-01", "http-01"]);
  assert.ok(process.results.every((result) => result === "failed"));
  await world.stop();
});

test("A failed order is not asked for again by every process, nor by one that starts in circles", async () => {
  const world = new AcmeWorld({ check: () => false });
  for (let count = 0; count < 4; count++) await world.start([["a.test"]]);
  await world.pass(HOUR_MS, 5 * SECOND_MS);
  const alone = 6;
  assert.ok(world.authority.orders.length <= alone + 1, `${world.authority.orders.length} orders`);
  await world.stop();
  const before = world.authority.orders.length;
  for (let count = 0; count < 20; count++) {
    await world.start([["a.test"]]);
    await world.pass(5 * SECOND_MS);
    await world.stop();
  }
  const more = world.authority.orders.length - before;
  assert.ok(more <= 3, `${more} orders`);
});

test("An authority that names a time to come back is not asked before", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]], {}, false);
  let asked = 0;
  world.authority.interfere = (_request, path) => {
    if (path !== "/order" || ++asked > 1) return undefined;
    const detail = "too many certificates already issued for a.test";
    return problem(429, "rateLimited", detail, { "retry-after": "86400" });
  };
  process.source.start();
  await world.until(() => failures(process).length === 1);
  assert.match(`${failures(process)[0]!["msg"]}`, /rateLimited: too many certificates/);
  assert.equal(failures(process)[0]!["retry_in_s"], 86400);
  await world.stop();
  // Not even by a process that was just started.
  const next = await world.start([["a.test"]]);
  await world.pass(DAY_MS - MINUTE_MS, 10 * MINUTE_MS);
  assert.equal(asked, 1);
  await world.until(() => find(next, "a.test") !== undefined, HOUR_MS);
  assert.equal(asked, 2);
  await world.stop();
});

test("An authority that is down is asked again, and start waits for nothing", async () => {
  const world = new AcmeWorld();
  world.authority.interfere = () => problem(503, "serverInternal", "Down for maintenance");
  const process = await world.start([["a.test"]]);
  await world.until(() => failures(process).length === 2);
  assert.match(`${failures(process)[0]!["msg"]}`, /Down for maintenance/);
  world.authority.interfere = () => undefined;
  await world.until(() => find(process, "a.test") !== undefined);
  await world.stop();
});

test("Nonces that the authority does not like are not the end of an order", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]], {}, false);
  world.authority.badNonces = 15;
  process.source.start();
  await world.until(() => find(process, "a.test") !== undefined, MINUTE_MS);
  assert.deepEqual(process.results, ["issued"]);
  world.authority.badNonces = 1_000_000;
  const next = await world.start([["b.test"]]);
  await world.until(() => failures(next).length === 1);
  assert.match(`${failures(next)[0]!["msg"]}`, /badNonce/);
  await world.stop();
});

test("An account is bound to an external one by its key, and a wrong key is told", async () => {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const text = btoa(String.fromCharCode(...key));
  const url = text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  for (const hmacKey of [text, url]) {
    const world = new AcmeWorld({ external: { "kid-1": key } });
    const process = await world.start([["a.test"]], { eab: { keyId: "kid-1", hmacKey } });
    await world.until(() => find(process, "a.test") !== undefined, MINUTE_MS);
    await world.stop();
  }
  const world = new AcmeWorld({ external: { "kid-1": key } });
  const wrong = await world.start([["a.test"]], { eab: { keyId: "kid-1", hmacKey: "AAAA" } });
  const none = await world.start([["a.test"]]);
  await world.until(() => failures(wrong).length > 0 && failures(none).length > 0, MINUTE_MS * 10);
  assert.match(
    `${failures(wrong)[0]!["msg"]}`,
    /Cannot open an account: unauthorized: The external/,
  );
  assert.match(`${failures(none)[0]!["msg"]}`, /set acme\.eab/);
  await world.stop();
});

test("An account keeps its key, and its email changes with the configuration", async () => {
  const world = new AcmeWorld();
  await world.start([["a.test"]], { email: "a@example.com" });
  await world.until(() => world.authority.issued === 1);
  await world.stop();
  await world.start([["b.test"]], { email: "b@example.com" });
  await world.until(() => world.authority.issued === 2);
  assert.equal(world.authority.accounts.size, 1);
  assert.deepEqual([...world.authority.accounts.values()][0]!.contact, ["mailto:b@example.com"]);
  await world.stop();
});

test("An account that the authority has forgotten is made anew", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  world.authority.accounts.clear();
  await world.until(() => world.authority.issued === 2, 70 * DAY_MS, 6 * HOUR_MS);
  assert.deepEqual(process.results.filter((result) => result === "failed"), []);
  await world.stop();
});

test("The authority's own time for a renewal is heard, and asked for again", async () => {
  const world = new AcmeWorld();
  const startMs = world.clock.wallMs();
  world.authority.renewalInfo = { start: startMs + 70 * DAY_MS, end: startMs + 72 * DAY_MS };
  await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(10 * DAY_MS, HOUR_MS);
  const asked = world.authority.requests.filter((path) => path.startsWith("GET /renewal/"));
  assert.ok(asked.length >= 30 && asked.length <= 50, `${asked.length}`);
  assert.match(asked[0]!, /^GET \/renewal\/[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
  await world.pass(59 * DAY_MS, 6 * HOUR_MS);
  assert.equal(world.authority.orders.length, 1, "two thirds of its life are over");
  await world.until(() => world.authority.orders.length === 2, 3 * DAY_MS, HOUR_MS);
  assert.equal(world.authority.orders[1]!.replaces, asked[0]!.split("/").at(-1));
  world.authority.renewalInfo = { start: startMs + 150 * DAY_MS, end: startMs + 150 * DAY_MS };
  // It revokes a certificate: renew at once.
  await world.pass(DAY_MS, HOUR_MS);
  const nowMs = world.clock.wallMs();
  world.authority.renewalInfo = { start: nowMs - DAY_MS, end: nowMs - HOUR_MS };
  await world.until(() => world.authority.orders.length > 2, DAY_MS, HOUR_MS);
  await world.stop();
});

test("A time for a renewal that is no help is no harm", async () => {
  const endless = new AcmeWorld();
  endless.authority.renewalInfo = { start: 1e15, end: 2e15 };
  await endless.start([["a.test"]]);
  await endless.until(() => endless.authority.issued === 1);
  await endless.until(() => endless.authority.orders.length === 2, 89 * DAY_MS, 6 * HOUR_MS);
  await endless.stop();
  const circle = new AcmeWorld();
  circle.authority.renewalInfo = { start: 0, end: 1, retryAfterS: 0 };
  await circle.start([["a.test"]]);
  await circle.until(() => circle.authority.issued === 1);
  await circle.pass(DAY_MS, 10 * MINUTE_MS);
  assert.ok(circle.authority.orders.length <= 25, `${circle.authority.orders.length}`);
  await circle.stop();
});

test("A profile is ordered where the authority has it, and told where it has not", async () => {
  const world = new AcmeWorld({ profiles: ["classic", "shortlived"] });
  await world.start([["a.test"]], { profile: "shortlived" });
  await world.until(() => world.authority.issued === 1);
  assert.equal(world.authority.orders[0]!.profile, "shortlived");
  const other = await world.start([["b.test"]], { profile: "fancy" });
  await world.until(() => failures(other).length === 1);
  assert.match(
    `${failures(other)[0]!["msg"]}`,
    /profile "fancy": the authority has classic, shortlived/,
  );
  await world.stop();
});

test("An order that keeps failing is tried out at the staging authority first", async () => {
  let isShown = false;
  const world = new AcmeWorld({ check: () => isShown });
  const directory = "https://staging.test/directory";
  const staging = new AcmeAuthority({ clock: world.clock, check: () => isShown, directory });
  world.elsewhere = staging.send;
  const process = await world.start([["a.test"]], {
    stagingDirectory: directory,
  });
  await world.until(() => failures(process).length === 5, DAY_MS, 10 * SECOND_MS);
  assert.equal(world.authority.orders.length, 2, "the real one is left alone");
  assert.equal(staging.orders.length, 3);
  isShown = true;
  await world.until(() => find(process, "a.test") !== undefined, DAY_MS, MINUTE_MS);
  assert.equal(world.authority.orders.length, 3);
  await world.stop();
});

test("Many sites are ordered a few at a time", async () => {
  const world = new AcmeWorld();
  await world.start(Array.from({ length: 30 }, (_, index) => [`site-${index}.test`]));
  await world.until(() => world.authority.issued === 30);
  assert.ok(world.authority.mostOpen <= 4, `${world.authority.mostOpen}`);
  await world.stop();
});

test("A store that fails for a moment is told and used again", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]], {}, false);
  const { prototype } = Object.getPrototypeOf(world.runtime.openPrivateDirectory("/x")).constructor;
  const { create } = prototype;
  prototype.create = () => {
    throw new Error("No space left on device");
  };
  try {
    process.source.start();
    await world.until(() => failures(process).length === 1);
    assert.match(`${failures(process)[0]!["msg"]}`, /No space left/);
  } finally {
    prototype.create = create;
  }
  await world.until(() => find(process, "a.test") !== undefined, 5 * MINUTE_MS);
  await world.stop();
});

test("What lies in the store and is no certificate is left alone, and another one ordered", async () => {
  const world = new AcmeWorld();
  await world.start([["a.test"]]);
  await world.until(() => world.authority.issued === 1);
  await world.pass(SECOND_MS);
  await world.stop();
  const texts = world.runtime.privateTexts.get("/store")!;
  const file = [...texts.keys()].find((name) => name.startsWith("certificates/"))!;
  texts.set(file, texts.get(file)!.slice(0, 300));
  const process = await world.start([["a.test"]]);
  assert.equal(find(process, "a.test"), undefined);
  assert.match(`${process.lines()[0]!["msg"]}`, /Cannot use the certificate/);
  await world.until(() => find(process, "a.test") !== undefined);
  await world.stop();
});

test("A certificate that the store does not take is served, told, and stored when it can be", async () => {
  const world = new AcmeWorld();
  const process = await world.start([["a.test"]]);
  world.runtime.privateWriteError = (name) =>
    name.startsWith("certificates/") ? "ENOSPC: no space left on device" : undefined;
  await world.until(() => find(process, "a.test") !== undefined);
  const told = () => process.lines().filter(({ code }) => code === "certificate_not_stored");
  assert.match(String(told()[0]?.["msg"]), /cannot be kept: .*ENOSPC/);
  await world.pass(2 * HOUR_MS, MINUTE_MS);
  assert.equal(world.authority.issued, 1, "nothing is ordered again for that");
  assert.equal(told().length, 1);
  world.runtime.privateWriteError = () => undefined;
  await world.pass(2 * MINUTE_MS);
  const names = [...world.runtime.privateTexts.get("/store")!.keys()];
  assert.equal(names.filter((name) => name.startsWith("certificates/")).length, 1);
  assert.equal(failures(process).length, 0);
  world.stop();
});
