import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import {
  integer,
  objectIdentifier,
  octetString,
  time,
  utf8String,
} from "../../src/certificates/der.ts";
import { addressOf } from "../../src/certificates/address_name.ts";
import { makeSelfSigned } from "../../src/certificates/self_signed.ts";
import { freshPath, runtime } from "../support/gateway.ts";
import { missingPeer } from "../support/peers.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("DER values have the bytes that X.690 says", () => {
  assert.equal(hex(integer(Uint8Array.of(0))), "020100");
  assert.equal(hex(integer(Uint8Array.of(0, 0, 127))), "02017f");
  assert.equal(hex(integer(Uint8Array.of(128))), "02020080");
  assert.equal(hex(objectIdentifier("1.2.840.10045.4.3.2")), "06082a8648ce3d040302");
  assert.equal(hex(objectIdentifier("2.5.29.17")), "0603551d11");
  assert.equal(hex(utf8String("ü")), "0c02c3bc");
  assert.equal(hex(octetString(new Uint8Array(127))).slice(0, 4), "047f");
  assert.equal(hex(octetString(new Uint8Array(128))).slice(0, 6), "048180");
  assert.equal(hex(octetString(new Uint8Array(65_536))).slice(0, 10), "0483010000");
  const text = (bytes: Uint8Array) => Buffer.from(bytes.subarray(2)).toString();
  assert.equal(text(time(Date.UTC(2049, 11, 31, 23, 59, 59))), "491231235959Z");
  assert.equal(text(time(Date.UTC(2050, 0, 1))), "20500101000000Z");
  assert.equal(time(Date.UTC(2050, 0, 1))[0], 0x18);
});

test("A certificate that signs itself is read and verified by openssl", {
  skip: missingPeer("openssl"),
}, async () => {
  for (const name of ["example.com", "*.example.org", "127.0.0.1", "[2001:db8::1]"]) {
    const identity = await makeSelfSigned(name, Date.now());
    runtime.tls.checkIdentity(identity);
    const path = freshPath();
    writeFileSync(path, identity.cert);
    const text = execFileSync("openssl", ["x509", "-in", path, "-noout", "-text"]).toString();
    assert.match(text, /Version: 3 \(0x2\)/);
    assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
    assert.match(text, /CA:FALSE/);
    const said = name.startsWith("[")
      ? "IP Address:2001:DB8:0:0:0:0:0:1"
      : addressOf(name) === undefined
      ? `DNS:${name}`
      : `IP Address:${name}`;
    assert.ok(text.includes(said), text);
    const verified = execFileSync("openssl", ["verify", "-CAfile", path, path]).toString();
    assert.match(verified, /: OK/);
  }
});

test("A certificate is valid from yesterday on for twenty years", async () => {
  const now = Date.UTC(2026, 5, 15);
  const { cert } = await makeSelfSigned("a", now);
  const der = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ""), "base64").toString("latin1");
  assert.ok(der.includes("260614000000Z"));
  assert.ok(der.includes("460610000000Z"));
});
