/** Addresses and networks: which are one, and what is in which. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBytes, IpNetworks, isNetwork } from "../../src/http/ip_networks.ts";

test("An address is 16 bytes, an IPv4 address those of the IPv6 address made of it", () => {
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1];
  assert.deepEqual([...addressBytes("192.0.2.1")!], mapped);
  assert.deepEqual([...addressBytes("::ffff:192.0.2.1")!], mapped);
  assert.deepEqual([...addressBytes("::ffff:c000:201")!], mapped);
  assert.deepEqual([...addressBytes("2001:db8::1")!], [
    ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ]);
  assert.deepEqual([...addressBytes("::")!], new Array(16).fill(0));
  assert.deepEqual([...addressBytes("1:2:3:4:5:6:7::")!].slice(-4), [0, 7, 0, 0]);
});

test("What is no address is none", () => {
  for (
    const text of ["", "1", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", ":::", "1::2::3", "g::"]
  ) assert.equal(addressBytes(text), undefined, text);
});

test("A network contains its addresses and no others, at every length of its prefix", () => {
  const cases: [network: string, inside: string[], outside: string[]][] = [
    ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.0.0.1"]],
    ["192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.128"]],
    ["192.0.2.1", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]],
    ["192.0.2.77/24", ["192.0.2.1"], ["192.0.3.77"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["::1", "2001:db8::1"]],
    ["::/0", ["::1", "1.2.3.4"], []],
    ["2001:db8::/33", ["2001:db8:7fff::1"], ["2001:db8:8000::1"]],
    ["::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2"]],
  ];
  for (const [network, inside, outside] of cases) {
    const networks = new IpNetworks([network]);
    for (const address of inside) assert.ok(networks.has(address), `${address} in ${network}`);
    for (const address of outside) assert.ok(!networks.has(address), `${address} in ${network}`);
  }
});

test("Clients of a unix socket are in no network but their own", () => {
  assert.ok(!new IpNetworks(["0.0.0.0/0", "::/0"]).has(""));
  assert.ok(new IpNetworks(["unix"]).has(""));
  assert.ok(!new IpNetworks(["unix"]).has("127.0.0.1"));
});

test("What names no network is refused", () => {
  for (const text of ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "a/8", "/8", "host"]) {
    assert.ok(!isNetwork(text), text);
    assert.throws(() => new IpNetworks([text]), RangeError);
  }
});
