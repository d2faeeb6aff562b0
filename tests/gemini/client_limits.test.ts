import assert from "node:assert/strict";
import { test } from "node:test";
import { ADDRESSES_MAX, ClientLimits } from "../../src/gemini/client_limits.ts";
import { addressGroup } from "../../src/routing/address_group.ts";
import { ManualClock } from "../support/memory/memory.ts";

const LIMITS = { connectionsMax: 10, connectionsPerAddressMax: 2, requestsPerSecondMax: 4 };

test("An address may ask as often as its bucket fills", () => {
  const clock = new ManualClock();
  const limits = new ClientLimits(LIMITS, clock);
  for (let count = 0; count < 4; count++) assert.equal(limits.request("a"), 0);
  assert.equal(limits.request("a"), 1);
  assert.equal(limits.request("b"), 0);
  clock.advance(250);
  assert.equal(limits.request("a"), 0);
  assert.equal(limits.request("a"), 1);
  clock.advance(60_000);
  for (let count = 0; count < 4; count++) assert.equal(limits.request("a"), 0);
  assert.equal(limits.request("a"), 1);
});

test("An address over its connections waits, and at twice as many is not let in", () => {
  const limits = new ClientLimits(LIMITS, new ManualClock());
  for (let count = 0; count < 2; count++) assert.ok(limits.connect("a"));
  assert.equal(limits.request("a"), 0);
  assert.ok(limits.connect("a"));
  assert.equal(limits.request("a"), 1);
  assert.ok(limits.connect("a"));
  assert.ok(!limits.connect("a"));
  assert.ok(limits.connect("b"));
  limits.disconnect("a");
  limits.disconnect("a");
  assert.equal(limits.request("a"), 0);
  assert.equal(limits.connections, 3);
});

test("All addresses together have no more than the limit", () => {
  const limits = new ClientLimits(LIMITS, new ManualClock());
  for (let count = 0; count < 10; count++) assert.ok(limits.connect(`host${count}`));
  assert.ok(!limits.connect("another"));
});

test("A limit of 0 requests a second is none", () => {
  const limits = new ClientLimits({ ...LIMITS, requestsPerSecondMax: 0 }, new ManualClock());
  for (let count = 0; count < 1000; count++) assert.equal(limits.request("a"), 0);
});

test("Addresses are forgotten when there are too many, those with a connection are not", () => {
  const limits = new ClientLimits(LIMITS, new ManualClock());
  assert.ok(limits.connect("kept"));
  for (let count = 0; count <= ADDRESSES_MAX; count++) limits.request(`host${count}`);
  assert.ok(limits.size <= ADDRESSES_MAX);
  limits.disconnect("kept");
  assert.equal(limits.connections, 0);
});

test("IPv6 addresses of one /64 are one client", () => {
  assert.equal(addressGroup("192.0.2.1"), "192.0.2.1");
  assert.equal(addressGroup("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2");
  assert.equal(addressGroup("2001:db8:1:2::9"), "2001:db8:1:2");
  assert.equal(addressGroup("2001:db8::1"), "2001:db8:0:0");
  assert.equal(addressGroup("::1"), "0:0:0:0");
  assert.equal(addressGroup("fe80::1%eth0"), "fe80:0:0:0");
});
