import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  HOST_CACHE_ENTRIES_MAX,
  HOST_LENGTH_MAX,
  HostCache,
  parseHost,
} from "../../src/http/host.ts";

test("parseHost reads names, addresses and ports", () => {
  const cases: [text: string, name: string, port: number | undefined][] = [
    ["example.com", "example.com", undefined],
    ["Example.COM:8080", "example.com", 8080],
    ["example.com.", "example.com", undefined],
    ["example.com.:80", "example.com", 80],
    ["localhost", "localhost", undefined],
    ["my_service-1.local~", "my_service-1.local~", undefined],
    ["h:", "h", undefined],
    ["h:0", "h", 0],
    ["h:65535", "h", 65535],
    ["127.0.0.1:1", "127.0.0.1", 1],
    ["[::1]", "[::1]", undefined],
    ["[::]:80", "[::]", 80],
    ["[2001:DB8::1]:443", "[2001:db8::1]", 443],
    ["[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", undefined],
    ["[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", undefined],
    ["[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", undefined],
    ["xn--mnchen-3ya.de", "xn--mnchen-3ya.de", undefined],
  ];
  for (const [text, name, port] of cases) assert.deepEqual(parseHost(text), { name, port }, text);
});

test("parseHost refuses what is no host", () => {
  const malformed = [
    ...["", " ", "a b", "a, b", "a,b", "user@h", "h/x", "h?x", "h#x", "h\\x", "h%41", "h:80:80"],
    ...[
      ".",
      "..",
      "a..b",
      ".a",
      "a.:x",
      "h:65536",
      "h:-1",
      "h:123456",
      "h: 80",
      ":80",
      "h\n",
      "\0",
    ],
    ...["é.com", "h'", 'h"', "<h>", "h;", "h(", "h*", "*", "h|", "\u212A.com"],
    ...["::1", "[]", "[", "[::1", "::1]", "[::1]x", "[:::]", "[1::2::3]", "[1:2:3:4:5:6:7]"],
    ...["[1:2:3:4:5:6:7:8:9]", "[12345::]", "[g::]", "[::1%25eth0]", "[1.2.3.4]", "[::1.2.3]"],
    ...["[1.2.3.4::]", "[::1.2.3.256]", "[::01.2.3.4]", "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2.3.4.]"],
    ...["[1:2:3:4:5:6:7:8::]", "[v1.x]", "[h]"],
  ];
  for (const text of malformed) assert.equal(parseHost(text), undefined, text);
});

test("parseHost refuses a header over the limit", () => {
  const labels = "a.".repeat(HOST_LENGTH_MAX / 2 - 1) + "aa";
  assert.equal(parseHost(labels)?.name, labels);
  assert.equal(parseHost(labels + "a"), undefined);
});

test("parseHost yields a name in which no text can hide markup, spaces or another host", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
    const host = parseHost(text);
    if (host !== undefined) assert.match(host.name, /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])$/);
  }));
});

test("parseHost takes every IPv6 address that there is", () => {
  fc.assert(fc.property(fc.ipV6(), (address) => {
    assert.equal(parseHost(`[${address}]`)?.name, `[${address.toLowerCase()}]`);
  }));
});

test("HostCache answers as parseHost does, the first time and later", () => {
  const cache = new HostCache();
  for (const text of ["Example.com:80", "a b", "Example.com:80", "a b"]) {
    assert.deepEqual(cache.read(text), parseHost(text));
  }
  assert.equal(cache.size, 1);
});

test("HostCache begins anew when it is full", () => {
  const cache = new HostCache();
  for (let index = 0; index < HOST_CACHE_ENTRIES_MAX; index++) cache.read(`h${index}`);
  assert.equal(cache.size, HOST_CACHE_ENTRIES_MAX);
  assert.equal(cache.read("one.more")?.name, "one.more");
  assert.equal(cache.size, 1);
  assert.equal(cache.read("h0")?.name, "h0");
});
