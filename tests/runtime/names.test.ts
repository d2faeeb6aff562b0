/**
 * The adapters' name service with a real name server on loopback, and with the system's hosts file:
 * the same on both runtimes, or where it is not, a line marked in docs/runtimes.md.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime } from "../../src/runtime/current.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { NameError, type Resolver } from "../../src/runtime/resolver.ts";
import { DnsServer } from "../support/dns_server.ts";

const { name, resolver } = currentRuntime();

async function withDns(use: (server: DnsServer) => Promise<void>): Promise<void> {
  const server = await DnsServer.start();
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

async function failureOf(looking: Promise<unknown>): Promise<NameError> {
  const error = await looking.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof NameError, `expected a NameError, got ${error}`);
  return error;
}

test("A host's addresses of both families come with the shortest of their times", async () => {
  await withDns(async (server) => {
    server.set("two.test", { ipv4: ["10.0.0.1", "10.0.0.2"], ipv6: ["fd00::1"], ttlS: 7 });
    assert.deepEqual(await resolver.host("two.test", [server.address]), {
      addresses: ["10.0.0.1", "10.0.0.2", "fd00::1"],
      ttlMs: 7_000,
    });
    assert.deepEqual(server.asked.toSorted(), ["two.test 1", "two.test 28"]);
  });
});

test("A host with addresses of one family has those", async () => {
  await withDns(async (server) => {
    server.set("four.test", { ipv4: ["10.0.0.4"] });
    server.set("six.test", { ipv6: ["fd00::6"] });
    assert.deepEqual((await resolver.host("four.test", [server.address])).addresses, ["10.0.0.4"]);
    assert.deepEqual((await resolver.host("six.test", [server.address])).addresses, ["fd00::6"]);
  });
});

test("What changed is seen by the next question: no response is kept", async () => {
  await withDns(async (server) => {
    server.set("app.test", { ipv4: ["10.0.0.1"], ttlS: 3_600 });
    assert.deepEqual((await resolver.host("app.test", [server.address])).addresses, ["10.0.0.1"]);
    server.set("app.test", { ipv4: ["10.0.0.2"], ttlS: 3_600 });
    assert.deepEqual((await resolver.host("app.test", [server.address])).addresses, ["10.0.0.2"]);
  });
});

test("A name that is not known, or has no address, is unknown", async () => {
  await withDns(async (server) => {
    server.set("service.test", { services: [] });
    for (const host of ["nobody.test", "service.test"]) {
      const error = await failureOf(resolver.host(host, [server.address]));
      assert.equal(error.failure, "unknown");
      assert.equal(error.message, `"${host}" is not known to the name service`);
    }
  });
});

test("A service's records come with ports, priorities and weights", async () => {
  await withDns(async (server) => {
    const services = [
      { priority: 10, weight: 5, port: 9001, host: "one.test" },
      { priority: 20, weight: 0, port: 9002, host: "two.test" },
    ];
    server.set("_fcgi._tcp.app.test", { services, ttlS: 7 });
    const { records, ttlMs } = await resolver.service("_fcgi._tcp.app.test", [server.address]);
    assert.deepEqual(records.toSorted((a, b) => a.priority - b.priority), services);
    assert.equal(ttlMs, undefined, "a runtime tells it now: use it");
    assert.equal(
      (await failureOf(resolver.service("_fcgi._tcp.nobody.test", [server.address]))).failure,
      "unknown",
    );
  });
});

test("A service that is decidedly not offered is unknown", async () => {
  await withDns(async (server) => {
    const services = [{ priority: 0, weight: 0, port: 0, host: "." }];
    server.set("_fcgi._tcp.app.test", { services });
    const error = await failureOf(resolver.service("_fcgi._tcp.app.test", [server.address]));
    assert.equal(error.failure, "unknown");
  });
});

test("A name server that fails: Bun says so, Deno takes the name for unknown", async () => {
  await withDns(async (server) => {
    server.set("app.test", { ipv4: ["10.0.0.1"] });
    server.broken = true;
    const error = await failureOf(resolver.host("app.test", [server.address]));
    assert.equal(error.failure, name === "bun" ? "unavailable" : "unknown");
  });
});

test("A name server that does not listen gives no response, in a bounded time", async () => {
  const server = await DnsServer.start();
  const { address } = server;
  await server.stop();
  const error = await failureOf(resolver.host("app.test", [address]));
  assert.equal(error.failure, "unavailable");
  assert.match(error.message, /^The name service does not tell "app.test": E[A-Z]+$/);
});

test("The next name server is asked where the first is silent", async () => {
  await withDns(async (silent) => {
    silent.silent = true;
    await withDns(async (server) => {
      server.set("app.test", { ipv4: ["10.0.0.1"] });
      const { addresses } = await resolver.host("app.test", [silent.address, server.address]);
      assert.deepEqual(addresses, ["10.0.0.1"]);
    });
  });
});

test("Without name servers the system is asked, whose hosts file has localhost", async () => {
  const { addresses, ttlMs } = await resolver.host("localhost", []);
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"), addresses.join());
  assert.equal(new Set(addresses).size, addresses.length);
  assert.equal(ttlMs, undefined);
});

test("A name service in memory answers what it was told", async () => {
  const memory = new MemoryRuntime().resolver;
  const service: Resolver = memory;
  memory.setHost("app.test", ["10.0.0.1"], 1_000);
  assert.deepEqual(await service.host("app.test", []), { addresses: ["10.0.0.1"], ttlMs: 1_000 });
  memory.fail("app.test", "unavailable");
  assert.equal((await failureOf(service.host("app.test", []))).failure, "unavailable");
  assert.equal((await failureOf(service.service("_a._tcp.app.test", []))).failure, "unknown");
  assert.equal(memory.lookUpCount("app.test"), 2);
});
