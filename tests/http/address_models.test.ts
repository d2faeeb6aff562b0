/**
 * Addresses and networks against what others make of them: `node:net` says which text is an address,
 * WHATWG's URL how one is written, and whole numbers which network it is in.
 */
import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { isIpv4, isIpv6 } from "../../src/http/host.ts";
import {
  addressBytes,
  canonicalAddress,
  IpNetworks,
  isNetwork,
} from "../../src/http/ip_networks.ts";

const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });
const hexadecimal = (numbers: readonly number[]) =>
  numbers.map((one) => one.toString(16)).join(":");
const isMapped = (numbers: readonly number[]) =>
  numbers.slice(0, 5).every((one) => one === 0) && numbers[5] === 0xffff;

function numberOf(address: string): bigint {
  return addressBytes(address)!.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
}

test("What is an address is one for the runtime, too, whatever character of it is another one", () => {
  const texts = ["1.22.255.249", "200.199.100.0", "::", "1::", "::1", "1:2:3:4:5:6:7:8", "a:B::f9"];
  texts.push("1:2:3:4:5:6:7::", "::ffff:1.2.3.4", "1:2:3:4:5:6:77.8.9.10", "::2:3:4:5:6:7:8");
  for (const text of texts) {
    for (let at = 0; at <= text.length; at++) {
      for (const character of ["", ..."0123569afgFGx:.,/ \n"]) {
        for (const left of [0, 1]) {
          const other = text.slice(0, at) + character + text.slice(at + left);
          assert.equal(isIpv4(other), isIPv4(other), JSON.stringify(other));
          assert.equal(isIpv6(other), isIPv6(other), JSON.stringify(other));
        }
      }
    }
  }
});

test("An address of IPv6 is written as a URL writes it, and one that stands for IPv4 as such", () => {
  fc.assert(
    fc.property(groups, (numbers) => {
      const text = hexadecimal(numbers);
      const written = new URL(`http://[${text}]/`).hostname.slice(1, -1);
      assert.equal(
        canonicalAddress(isMapped(numbers) ? "::" : text),
        isMapped(numbers) ? "::" : written,
      );
      assert.deepEqual(addressBytes(written), addressBytes(text));
      const padded = numbers.map((one) => one.toString(16).padStart(4, "0").toUpperCase()).join(
        ":",
      );
      assert.deepEqual(addressBytes(padded), addressBytes(text));
      assert.deepEqual([...addressBytes(text)!], numbers.flatMap((one) => [one >> 8, one & 0xff]));
    }),
    { numRuns: 1_000 },
  );
  fc.assert(fc.property(fc.ipV4(), (address) => {
    assert.equal(canonicalAddress(address), address);
    assert.equal(canonicalAddress(`::ffff:${address}`), address);
    assert.equal(
      canonicalAddress(`::FFFF:0:${address}`),
      new URL(`http://[::ffff:0:${address}]`).hostname.slice(1, -1),
    );
  }));
});

test("Only what looks like a zone is left out behind an address", () => {
  assert.equal(canonicalAddress(`fe80::1%${"z".repeat(64)}`), "fe80::1");
  for (const zone of ["%", `%${"z".repeat(65)}`, "%a b", "%a%", "%25é"]) {
    assert.equal(canonicalAddress(`fe80::1${zone}`), undefined, zone);
  }
  assert.equal(canonicalAddress("192.0.2.1%eth0"), "192.0.2.1");
  assert.equal(canonicalAddress("eth0"), undefined);
});

test("A network has the addresses whose first bits are its own, and no others", () => {
  const address = fc.oneof(
    fc.ipV4(),
    groups.map(hexadecimal),
    fc.ipV4().map((one) => `::ffff:${one}`),
  );
  const isFour = (text: string) => text.includes(".") && !text.includes(":");
  fc.assert(
    fc.property(address, fc.nat(128), fc.nat(127), address, (base, length, flipped, other) => {
      const bits = isFour(base) ? length % 33 : length;
      const shift = BigInt((isFour(base) ? 32 : 128) - bits);
      const networks = new IpNetworks([`${base}/${bits}`]);
      const expected = (one: string) => numberOf(one) >> shift === numberOf(base) >> shift;
      assert.equal(networks.has(other), expected(other));
      // One bit is another.
      const near = numberOf(base) ^ 1n << BigInt(flipped);
      const digits = near.toString(16).padStart(32, "0").replaceAll(/.{4}(?!$)/g, "$&:");
      assert.equal(networks.has(digits), expected(digits), `${digits} in ${base}/${bits}`);
      // A network of IPv6 has only those of IPv4 of the family where it is one of theirs.
      const isTheirs = numberOf(digits) >> 32n === 0xffffn;
      const isOfFamily = isFour(base) || bits >= 96 || !isTheirs;
      assert.equal(networks.hasOfFamily(digits), expected(digits) && isOfFamily);
    }),
    { numRuns: 2_000 },
  );
});

test("A prefix has as many bits as its address, and no more", () => {
  for (const [address, bits] of [["192.0.2.1", 32], ["2001:db8::1", 128]] as const) {
    for (const [prefix, isOne] of [["0", true], [bits, true], [bits + 1, false]] as const) {
      assert.equal(isNetwork(`${address}/${prefix}`), isOne, `${address}/${prefix}`);
    }
    assert.ok(isNetwork(address));
    for (const prefix of ["", "0128", "-1", "1 ", "x", "1/1"]) {
      assert.ok(!isNetwork(`${address}/${prefix}`), prefix);
    }
    const single = new IpNetworks([address]);
    assert.ok(single.has(address) && single.hasOfFamily(address));
  }
  assert.ok(isNetwork("unix"));
  const none = new IpNetworks([]);
  assert.deepEqual(["", "::1", "junk"].map((text) => none.has(text)), [false, false, false]);
  assert.deepEqual(["", "::1", "junk"].map((text) => none.hasOfFamily(text)), [
    false,
    false,
    false,
  ]);
  assert.ok(!new IpNetworks(["::/0"]).has("junk"));
});
