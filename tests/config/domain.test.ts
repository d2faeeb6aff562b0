import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load_config.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";

const load = (flags: Record<string, unknown>, env: Record<string, string> = {}) =>
  loadConfig({ upstream: ["tcp://127.0.0.1:9000"], ...flags }, {
    files: new MemoryFiles(),
    readVariable: (name) => env[name],
    cwd: "/",
  });

test("--domain makes hosts, certificates and listeners", async () => {
  for (const flags of [{ domain: ["Example.com", "www.example.com."] }, {}]) {
    const env: Record<string, string> = "domain" in flags
      ? {}
      : { AFCGI_DOMAIN: "example.com, www.example.com" };
    const { options: { listen, sites } } = await load(flags, env);
    assert.deepEqual(
      listen.map(({ address, tls }) => [address.transport === "tcp" && address.port, tls]),
      [[80, undefined], [443, {}]],
    );
    assert.deepEqual(sites[0]?.hosts, ["example.com", "www.example.com"]);
    assert.deepEqual([sites[0]?.tls, sites[0]?.https], [{ kind: "auto" }, "redirect"]);
  }
});

test("Names of this machine's own get the local authority's certificates", async () => {
  for (const name of ["localhost", "shop.test", "127.0.0.1"]) {
    const { options: { sites } } = await load({ domain: [name] });
    assert.deepEqual(sites[0]?.tls, { kind: "internal" }, name);
  }
});

test("A listener that is named speaks TLS where its port ends with 443", async () => {
  const listen = ["127.0.0.1:8080", "127.0.0.1:8443"];
  const { options } = await load({ domain: ["localhost"], listen });
  assert.deepEqual(options.listen.map(({ tls }) => tls), [undefined, {}]);
});

test("What is no domain is told", async () => {
  const errors: [string[], RegExp][] = [
    [["https://example.com"], /--domain: Cannot read "https:\/\/example\.com"/],
    [["example.com:443"], /Cannot read/],
    [["*.example.com"], /dns-01/],
    [["localhost", "example.com"], /can have no public certificate/],
  ];
  for (const [domain, message] of errors) {
    await assert.rejects(load({ domain }), message, domain.join());
  }
});
