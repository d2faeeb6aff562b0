import { test } from "node:test";
import assert from "node:assert/strict";
import {
  type Address,
  AddressError,
  type AddressRules,
  formatAddress,
  parseAddress,
  parseListenAddress,
} from "../../src/runtime/address.ts";

type Good = [text: string, address: Address, rules?: AddressRules];

const tcp = (host: string, port: number): Address => ({ transport: "tcp", host, port });
const unix = (path: string): Address => ({ transport: "unix", path });
const UPSTREAM: AddressRules = { defaultPort: 9000 };
const LISTENER: AddressRules = { anyHost: true };

const GOOD: readonly Good[] = [
  ["tcp://127.0.0.1:9000", tcp("127.0.0.1", 9000)],
  ["127.0.0.1:9000", tcp("127.0.0.1", 9000)],
  ["TCP://app:9000", tcp("app", 9000)],
  ["app.internal:0", tcp("app.internal", 0)],
  ["app:65535", tcp("app", 65_535)],
  ["[::1]:9000", tcp("::1", 9000)],
  ["tcp://[fe80::1%eth0]:9000", tcp("fe80::1%eth0", 9000)],
  ["[::ffff:192.0.2.1]:80", tcp("::ffff:192.0.2.1", 80)],
  ["app", tcp("app", 9000), UPSTREAM],
  ["tcp://app", tcp("app", 9000), UPSTREAM],
  ["tcp://[::1]", tcp("::1", 9000), UPSTREAM],
  ["app:8001", tcp("app", 8001), UPSTREAM],
  ["tcp://app:fcgi", tcp("app", 9000)],
  ["app:FastCGI", tcp("app", 9000)],
  ["app:http", tcp("app", 80)],
  ["app:https", tcp("app", 443)],
  [":8080", tcp("::", 8080), LISTENER],
  ["tcp://:8080", tcp("::", 8080), LISTENER],
  ["unix:/run/app.sock", unix("/run/app.sock")],
  ["unix:///run/app.sock", unix("/run/app.sock")],
  ["unix:./app.sock", unix("./app.sock")],
  ["unix:../app.sock", unix("../app.sock")],
  ["unix:/with space:and colon", unix("/with space:and colon")],
  ["unix:@name", unix("\0name")],
  [`unix:/${"x".repeat(106)}`, unix(`/${"x".repeat(106)}`)],
  [`unix:@${"x".repeat(106)}`, unix(`\0${"x".repeat(106)}`)],
];

for (const [text, address, rules] of GOOD) {
  test(`parseAddress reads "${text.slice(0, 40)}"${rules ? " with its rules" : ""}`, () => {
    assert.deepEqual(parseAddress(text, rules), address);
  });
}

const BAD: readonly [text: string, complaint: RegExp, rules?: AddressRules][] = [
  ["", /the host is missing/, UPSTREAM],
  [":9000", /the host is missing/],
  ["app", /the port is missing \(use "app:PORT"\)/],
  ["app:", /cannot be read/],
  ["app:65536", /port "65536" is not one/],
  ["app:-1", /port "-1" is not one/],
  ["app:nope", /port "nope" is not one/],
  ["app:constructor", /port "constructor" is not one/],
  ["app:123456", /port "123456" is not one/],
  ["::1", /an IPv6 address must be in brackets \(use "\[::1\]:PORT"\)/],
  ["::1:9000", /an IPv6 address must be in brackets \(use "\[::1\]:9000"\)/],
  ["fd00::53", /use "\[fd00::53\]:PORT"/],
  ["8080", /"8080" is a number, not a host \(use "127.0.0.1:8080"\)/],
  ["80:8080", /"80" is a number, not a host \(use ":8080"\)/, { anyHost: true }],
  ["*:8080", /"\*" is no host \(use ":8080"\)/, { anyHost: true }],
  ["[::1", /cannot be read/],
  ["[]:9000", /cannot be read/],
  ["[zz]:9000", /cannot be read/],
  ["a b:80", /it has a space \(use "a" alone\)/],
  ["host/path:80", /cannot be read/],
  ["http://app:80", /scheme "http" is not known/],
  ["udp://app:80", /scheme "udp" is not known/],
  ["/run/app.sock", /use "unix:\/run\/app.sock"/],
  ["unix:", /missing or relative/],
  ["unix:@", /missing or relative/],
  ["unix:app.sock", /missing or relative/],
  ["unix:/a\0b", /NUL/],
  [`unix:/${"x".repeat(107)}`, /108 bytes is too long/],
  [`unix:/${"é".repeat(54)}`, /109 bytes is too long/],
];

for (const [text, complaint, rules] of BAD) {
  test(`parseAddress refuses ${JSON.stringify(text.slice(0, 40))} of ${text.length}`, () => {
    assert.throws(() => parseAddress(text, rules), (error: unknown) => {
      assert.ok(error instanceof AddressError);
      assert.match(error.message, /^Cannot read address "/);
      assert.match(error.message, complaint);
      return true;
    });
  });
}

for (
  const [address, text] of [
    [tcp("127.0.0.1", 80), "tcp://127.0.0.1:80"],
    [tcp("::1", 80), "tcp://[::1]:80"],
    [unix("/run/a"), "unix:/run/a"],
    [unix("\0name"), "unix:@name"],
  ] as const
) {
  test(`formatAddress writes ${text} so that it can be read back`, () => {
    assert.equal(formatAddress(address), text);
    assert.deepEqual(parseAddress(text), address);
  });
}

test("parseListenAddress takes an inherited descriptor beside every address", () => {
  assert.deepEqual(parseListenAddress("fd:0"), { transport: "inherited", descriptor: 0 });
  assert.deepEqual(parseListenAddress("fd:3"), { transport: "inherited", descriptor: 3 });
  assert.deepEqual(parseListenAddress(":8080"), tcp("::", 8080));
  assert.deepEqual(parseListenAddress("unix:@name"), unix("\0name"));
  assert.equal(formatAddress({ transport: "inherited", descriptor: 3 }), "fd:3");
});

test("parseListenAddress refuses a descriptor that is not a number", () => {
  for (const text of ["fd:", "fd:-1", "fd:stdin", "fd:0x3", "fd:1234567"]) {
    assert.throws(() => parseListenAddress(text), /the descriptor is not a number \(use "fd:0"\)/);
  }
});
