import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLIENT_HELLO_LENGTH_MAX,
  type ClientHello,
  readClientHello,
} from "../../src/runtime/client_hello.ts";

const u16 = (value: number) => [value >> 8, value & 0xff];
const vector = (lengthLength: 1 | 2, bytes: readonly number[]) =>
  lengthLength === 1 ? [bytes.length, ...bytes] : [...u16(bytes.length), ...bytes];
const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));
const extension = (type: number, data: readonly number[]) => [...u16(type), ...vector(2, data)];

const nameExtension = (name: string) => extension(0, vector(2, [0, ...vector(2, ascii(name))]));

interface Parts {
  readonly extensions?: readonly number[];
  readonly suites?: readonly number[];
}

function helloMessage({ extensions, suites = [0x1301, 0xc02b] }: Parts): number[] {
  const body = [
    ...u16(0x0303),
    ...new Array<number>(32).fill(7),
    ...vector(1, []),
    ...vector(2, suites.flatMap(u16)),
    ...vector(1, [0]),
    ...(extensions === undefined ? [] : vector(2, extensions)),
  ];
  return [1, 0, ...u16(body.length), ...body];
}

/** In records of `recordLength` bytes each. */
function inRecords(message: readonly number[], recordLength = message.length): Uint8Array {
  const records: number[] = [];
  for (let offset = 0; offset < message.length; offset += recordLength) {
    records.push(0x16, 3, 1, ...vector(2, message.slice(offset, offset + recordLength)));
  }
  return Uint8Array.from(records);
}

const FULL = helloMessage({
  extensions: [
    ...nameExtension("WWW.Example.com"),
    ...extension(16, vector(2, [...vector(1, ascii("h2")), ...vector(1, ascii("http/1.1"))])),
    ...extension(13, vector(2, [...u16(0x0403), ...u16(0x0804)])),
    ...extension(43, vector(1, [...u16(0x0304), ...u16(0x0303)])),
  ],
});

const READ: ClientHello = {
  serverName: "www.example.com",
  protocols: ["h2", "http/1.1"],
  signatureSchemes: [0x0403, 0x0804],
  cipherSuites: [0x1301, 0xc02b],
  speaks13: true,
};

test("A hello is read whole, in small records, and not before its last byte", () => {
  for (const recordLength of [FULL.length, 1, 3, 100]) {
    const bytes = inRecords(FULL, recordLength);
    assert.deepEqual(readClientHello(bytes), READ);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(readClientHello(bytes.subarray(0, length)), undefined, `${length} bytes`);
    }
  }
});

test("What follows a hello in the same read does not matter", () => {
  assert.deepEqual(readClientHello(Uint8Array.from([...inRecords(FULL), 0x14, 3, 3])), READ);
});

test("An old client's hello has no extensions", () => {
  assert.deepEqual(readClientHello(inRecords(helloMessage({ suites: [0x2f] }))), {
    serverName: "",
    protocols: [],
    signatureSchemes: [],
    cipherSuites: [0x2f],
    speaks13: false,
  });
});

test("A name that cannot be one is nobody's", () => {
  for (const name of ["a b", "../../etc", "a\0b", "x".repeat(300), "*.example.com", ""]) {
    const hello = readClientHello(inRecords(helloMessage({ extensions: nameExtension(name) })));
    assert.equal(hello?.serverName, "invalid.", name);
  }
});

test("A hello whose lengths are wrong, or that never ends, is none", () => {
  const lengths = helloMessage({ extensions: [0, 0, 0xff, 0xff] });
  assert.equal(readClientHello(inRecords(lengths)), null);
  assert.equal(readClientHello(inRecords([2, 0, 0, 0])), null, "another message");
  assert.equal(readClientHello(Uint8Array.of(0x16, 3, 1, 0, 0)), null, "an empty record");
  assert.equal(readClientHello(inRecords([1, 0xff, 0, 0])), null, "16 MiB are announced");
  const mixed = Uint8Array.from([...inRecords(FULL.slice(0, 50)), 0x17, 3, 3, 0, 1, 0]);
  assert.equal(readClientHello(mixed), null, "another record in the midst");
  const many = inRecords([1, 0, 0xff, 0xf0, ...new Array<number>(60_000).fill(0)], 1);
  assert.equal(readClientHello(many.subarray(0, CLIENT_HELLO_LENGTH_MAX)), null);
});
