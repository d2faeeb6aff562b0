/** Header sections of requests as a client may send them, the first time and again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RequestError } from "../../src/http1/request_headers.ts";
import { ConnectionError } from "../../src/http2/errors.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { MalformedError, RequestHeadersReader } from "../../src/http2/request_headers.ts";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";

type Fields = readonly (readonly [name: string, value: string])[];

const GET: Fields = [[":method", "GET"], [":scheme", "https"], [":path", "/"], [":authority", "h"]];

function encode(encoder: HpackEncoder, fields: Fields): Uint8Array {
  const out = new ByteBuffer();
  encoder.begin(out);
  for (const [name, value] of fields) encoder.append(out, name, value);
  return out.take();
}

/** Each field with its name and value in plain bytes, which touch no table. */
function plain(fields: Fields): Uint8Array {
  const text = (value: string) => [value.length, ...Buffer.from(value, "latin1")];
  return Uint8Array.from(fields.flatMap(([name, value]) => [0x00, ...text(name), ...text(value)]));
}

/** A client and the reader of what it sends. */
class Line {
  readonly encoder = new HpackEncoder();
  readonly decoder = new HpackDecoder();
  readonly reader: RequestHeadersReader;

  constructor(sizeMax = 65_536) {
    this.reader = new RequestHeadersReader(this.decoder, sizeMax);
  }

  /** What comes of a section: all of a request, or what it is refused by. */
  read(fields: Fields, block = encode(this.encoder, fields)): Record<string, unknown> {
    // Somewhere in other bytes, as in a frame.
    const bytes = new Uint8Array(block.length + 5).fill(0x82);
    bytes.set(block, 3);
    try {
      const { fields: own, ...rest } = this.reader.read(bytes, 3, 3 + block.length);
      return { ...rest, fields: [...own.entries()] };
    } catch (error) {
      return refusal(error);
    }
  }

  trailers(fields: Fields): unknown {
    const block = encode(this.encoder, fields);
    try {
      this.reader.readTrailers(block, 0, block.length);
      return undefined;
    } catch (error) {
      return refusal(error)["malformed"];
    }
  }
}

function refusal(error: unknown): Record<string, unknown> {
  if (error instanceof MalformedError) return { malformed: error.message };
  assert.ok(error instanceof RequestError, String(error));
  return { status: error.status, message: error.message, isHead: error.isHeadRequest };
}

const sizeOf = (fields: Fields) =>
  fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);

test("A request is what its pseudo-headers and fields say, in its first section and in each again", () => {
  const fields: Fields = [
    ...GET,
    ["x-a", "1"],
    ["cookie", "a=b"],
    ["cookie", "c=d"],
    ["x-a", "2"],
    ["content-length", "12"],
    ["expect", "100-Continue"],
    ["priority", "u=1"],
  ];
  const line = new Line();
  for (let round = 1; round <= 4; round++) {
    assert.deepEqual(line.read(fields), {
      method: "GET",
      target: "/",
      contentLength: 12,
      expectsContinue: true,
      priority: "u=1",
      size: sizeOf(fields),
      fields: [
        ["host", "h"],
        ["x-a", "1, 2"],
        ["cookie", "a=b; c=d"],
        ["content-length", "12"],
        ["expect", "100-Continue"],
        ["priority", "u=1"],
      ],
    });
  }
  assert.deepEqual(new Line().read(GET), {
    method: "GET",
    target: "/",
    contentLength: undefined,
    expectsContinue: false,
    priority: undefined,
    size: sizeOf(GET),
    fields: [["host", "h"]],
  });
});

const without = (...names: readonly string[]): Fields =>
  GET.filter(([name]) => !names.includes(name));
const CONNECT: Fields = [[":method", "CONNECT"], [":authority", "h:1"]];
const NO_HOST = "There is neither an :authority nor a Host";
const NO_SCHEME = "The :scheme is missing, or not one of HTTP";
const NO_PATH = "The :path is missing, or no path";
const BAD_CONNECT = "A CONNECT has an :authority, no :scheme and no :path";
const twice = (name: string) => `There are two "${name}", and there can be one`;

const MALFORMED: readonly (readonly [fields: Fields, message: string])[] = [
  [[], "There is no :method"],
  [without(":method"), "There is no :method"],
  [[...without(":method"), [":method", "G T"]], "The method is no token"],
  [[...without(":method"), [":method", ""]], "The method is no token"],
  [without(":authority"), NO_HOST],
  [[...without(":authority"), [":authority", ""]], NO_HOST],
  [[...without(":authority"), [":authority", "a b"]], NO_HOST],
  [[...without(":authority"), ["host", "a b"]], NO_HOST],
  [[...without(":authority"), ["host", ""]], NO_HOST],
  [without(":scheme"), NO_SCHEME],
  [[...without(":scheme"), [":scheme", "ftp"]], NO_SCHEME],
  [without(":path"), NO_PATH],
  [[...without(":path"), [":path", ""]], NO_PATH],
  [[...without(":path"), [":path", "a"]], NO_PATH],
  [[...without(":path"), [":path", "/a b"]], NO_PATH],
  [[...without(":path"), [":path", "*"]], NO_PATH],
  [[...without(":path", ":method"), [":method", "OPTIONS"], [":path", "**"]], NO_PATH],
  [[...CONNECT, [":scheme", "https"]], BAD_CONNECT],
  [[...CONNECT, [":path", "/"]], BAD_CONNECT],
  [[[":method", "CONNECT"], ["host", "h:1"]], BAD_CONNECT],
  ...GET.map((field) => [[...GET, field], twice(field[0])] as const),
  [[...GET, ["x", "y"], [":path", "/"]], '":path" stands behind a field'],
  [[...GET, ["host", "h"], ["host", "h"]], twice("host")],
  [[...without(":authority"), ["host", "h"], ["host", "h"]], twice("host")],
  [[...GET, ["host", "i"]], "The :authority is another than the Host field"],
  [[...GET, ["host", "h:80"]], "The :authority is another than the Host field"],
  [[...GET, ["content-type", "a"], ["content-type", "a"]], twice("content-type")],
  [[...GET, ["content-length", "1"], ["content-length", "1"]], twice("content-length")],
  [[...GET, ["content-length", ""]], "Content-Length is no number"],
  [[...GET, ["content-length", "1e3"]], "Content-Length is no number"],
  [[...GET, ["content-length", "1".repeat(16)]], "Content-Length is no number"],
  [[...GET, [":status", "200"]], '":status" is no pseudo-header of a request'],
  [[...GET, ["X", "1"]], "A field's name has a character that none may have"],
  [[...GET, ["upgrade", "x"], ["x", "\n"]], '"upgrade" has no place in HTTP/2'],
];

test("A request that is none says why, the first of what is wrong, also behind a good one", () => {
  for (const [fields, message] of MALFORMED) {
    const line = new Line();
    assert.deepEqual(line.read(fields), { malformed: message }, JSON.stringify(fields));
    assert.equal(line.read(GET)["target"], "/");
    for (let round = 1; round <= 2; round++) {
      assert.deepEqual(line.read(fields), { malformed: message }, JSON.stringify(fields));
    }
  }
});

const FINE: readonly (readonly [fields: Fields, target: string])[] = [
  [GET, "/"],
  [CONNECT, "h:1"],
  [[...without(":path", ":method"), [":method", "OPTIONS"], [":path", "*"]], "*"],
  [[...without(":path"), [":path", "/\u00ff?a"]], "/\u00ff?a"],
  [[...without(":scheme"), [":scheme", "http"]], "/"],
  [[...without(":authority"), ["host", "h"]], "/"],
  [[...GET, ["host", "H:443"]], "/"],
  [[...GET, ["content-length", "1".repeat(15)]], "/"],
  [[...without(":method"), [":method", "PROPFIND"]], "/"],
];

test("What a request may be, it may be again and among others", () => {
  for (const [fields, target] of FINE) {
    const line = new Line();
    for (const others of [fields, GET, fields, fields]) {
      assert.equal(line.read(others)["target"], others === fields ? target : "/");
    }
  }
});

test("Another authority or scheme, or one field more, is another request, whatever was before", () => {
  const long: Fields = [["x-a", "a".repeat(100)]];
  const authority = (
    name: string,
  ): Fields => [...without(":authority"), [":authority", name], ...long];
  const line = new Line();
  const hosts = ["a", "a", "b", "b", "a"].map((name) => {
    const { fields } = line.read(authority(name)) as { fields: [string, string][] };
    return fields[0]?.join();
  });
  assert.deepEqual(hosts, ["host,a", "host,a", "host,b", "host,b", "host,a"]);
  const withHost: Fields = [...GET, ["host", "h:443"], ["x", "y"]];
  const plainHost: Fields = [...without(":scheme"), [":scheme", "http"], ["host", "h:443"], [
    "x",
    "y",
  ]];
  for (let round = 1; round <= 3; round++) assert.equal(line.read(withHost)["target"], "/");
  assert.match(String(line.read(plainHost)["malformed"]), /another than the Host/);
});

test("A section of the most bytes, and of the most fields, is read; one more is refused", () => {
  const fields: Fields = [...GET, ["x-a", "1"], ["x-b", "2"]];
  for (const method of ["GET", "HEAD"]) {
    const asked: Fields = [[":method", method], ...fields.slice(1)];
    const size = sizeOf(asked);
    for (let round = 0, line = new Line(size); round < 3; round++) {
      assert.equal(line.read(asked)["size"], size);
    }
    const line = new Line(size - 1);
    const told = {
      status: 431,
      message: `The header section is over ${size - 1} bytes`,
      isHead: method === "HEAD",
    };
    assert.deepEqual(line.read(asked), told);
    assert.equal(line.read(asked.slice(0, -1))["target"], "/", "the connection goes on");
    assert.deepEqual(line.read(asked), told);
  }
  // The fields are known; the path before them makes it too long.
  const line = new Line(sizeOf(fields) + 1);
  for (let round = 0; round < 3; round++) line.read(fields);
  const path = (name: string): Fields =>
    fields.map((field) => field[0] === ":path" ? [":path", name] : field);
  assert.equal(line.read(path("/a"))["target"], "/a");
  assert.equal(line.read(path("/ab"))["status"], 431);
  const many = (count: number): Fields => [
    ...GET,
    ...Array.from({ length: count }, (_, at) => [`x-${at}`, ""] as const),
  ];
  assert.equal(new Line().read(many(256))["target"], "/");
  assert.deepEqual(new Line().read(many(257)), {
    status: 431,
    message: "There are more than 256 fields",
    isHead: false,
  });
  assert.equal(new Line().read([...many(256), ["host", "h"]])["status"], 431);
  assert.equal(new Line().read([...many(300), ["X", ""]])["malformed"] !== undefined, true);
});

test("A request without any field has none of a request that was refused before it", () => {
  const secret: Fields = [...GET, ["authorization", "secret"], ["host", "other"]];
  const own = { fields: [["host", "h"]] };
  for (let rounds = 0; rounds < 3; rounds++) {
    const line = new Line();
    // Once it was there, the table stays as it is.
    line.read(secret);
    for (let round = 0; round < rounds; round++) line.read(GET);
    assert.ok("malformed" in line.read(secret));
    for (let round = 0; round < 2; round++) {
      const { fields } = line.read(GET);
      assert.deepEqual({ fields }, own);
    }
  }
});

test("Bytes that were fields of a table are read anew once the table is another", () => {
  const line = new Line();
  const blockOf = (...fields: Fields) => Buffer.concat([plain(GET), encode(line.encoder, fields)]);
  line.read([], blockOf(["x-a", "1"]));
  const again = blockOf(["x-a", "1"]);
  const seen = () => (line.read([], again) as { fields: [string, string][] }).fields.at(-1);
  assert.deepEqual([seen(), seen()], [["x-a", "1"], ["x-a", "1"]]);
  // The same bytes mean the field that has come since.
  line.read([], blockOf(["x-b", "2"]));
  assert.deepEqual([seen(), seen()], [["x-b", "2"], ["x-b", "2"]]);
  line.reader.forget();
  assert.deepEqual(seen(), ["x-b", "2"]);
});

test("Fields of up to 2,048 bytes are known again, longer ones are read each time", () => {
  for (const [length, isRepeated] of [[2048, true], [2049, false]] as const) {
    const line = new Line();
    const fields = plain([...GET]);
    const value = "v".repeat(120);
    const one = plain([["x", value]]);
    const count = Math.floor(length / one.length);
    const rest = plain([["y", "w".repeat(length - count * one.length - 4)]]);
    const block = Buffer.concat([fields, ...Array.from({ length: count }, () => one), rest]);
    assert.equal(block.length - fields.length, length);
    const read = () => line.reader.read(block, 0, block.length).fields.isRepeated;
    assert.deepEqual([read(), read()], [false, isRepeated]);
  }
});

test("Trailers are looked at and thrown away", () => {
  const cases: [fields: Fields, message: string | undefined][] = [
    [[], undefined],
    [[["x-a", "1"]], undefined],
    [[[":path", "/"]], "A trailer is a pseudo-header"],
    [[["X", ""]], "A field's name has a character that none may have"],
    [[["connection", "close"], [":path", "/"]], '"connection" has no place in HTTP/2'],
    [[["x", "a".repeat(67)]], undefined],
    [[["x", "a".repeat(68)]], "The trailers are too large"],
  ];
  for (const [fields, message] of cases) {
    const line = new Line(100);
    for (let round = 1; round <= 2; round++) assert.equal(line.trailers(fields), message);
  }
});

const anyField = fc.constantFrom(
  ...[["x-a", "1"], ["x-a", "2"], ["x-b", "a".repeat(300)], ["host", "h"], ["host", "i"]] as const,
  ...[["cookie", "a"], ["content-length", "3"], ["content-length", "x"], ["X", "1"]] as const,
  ...[["priority", "i"], ["expect", "100-continue"], ["expect", "x"], ["te", "trailers"]] as const,
);
const anyPseudo = fc.constantFrom(
  ...[[":method", "GET"], [":method", "POST"], [":path", "/a"], [":path", "/b"]] as const,
  ...[[":scheme", "http"], [":scheme", "https"], [":authority", "h"], [":authority", "i"]] as const,
);
const section = fc.tuple(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(GET) },
    { weight: 1, arbitrary: fc.array(anyPseudo, { maxLength: 5 }) },
  ),
  fc.array(anyField, { maxLength: 3 }),
).map(([pseudo, fields]): Fields => [...pseudo, ...fields]);

test("A reader that remembers reads each section as one that has seen none", () => {
  fc.assert(
    fc.property(fc.array(section, { maxLength: 3 }), fc.array(fc.nat(2), { maxLength: 20 }), (
      sections,
      order,
    ) => {
      const line = new Line();
      for (const at of order) {
        const fields = sections[at] ?? GET;
        assert.deepEqual(line.read(fields), new Line().read(fields));
        assert.equal(line.decoder.table.size, line.encoder.tableSize);
      }
    }),
    { numRuns: 300 },
  );
});

test("A block that is none ends the connection, not the request alone", () => {
  const line = new Line();
  assert.throws(
    () => line.reader.read(Uint8Array.of(0x80), 0, 1),
    (error) => error instanceof ConnectionError && error.code === "COMPRESSION_ERROR",
  );
  assert.equal(line.reader.method, undefined);
  line.read([[":method", "PUT"]]);
  assert.equal(line.reader.method, "PUT");
});
