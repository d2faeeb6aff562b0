import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { FieldNames } from "../../src/http1/field_names.ts";
import { FieldsMemory, REMEMBERED_FIELDS_LENGTH_MAX } from "../../src/http1/fields_memory.ts";
import {
  type ReadFields,
  readRequestHeaders,
  REQUEST_FIELDS_MAX,
  RequestError,
  type RequestHeaders,
} from "../../src/http1/request_headers.ts";

function read(text: string, memory = new FieldsMemory<ReadFields>()): RequestHeaders {
  return readRequestHeaders(text, new FieldNames(), memory);
}

/** What a header section is read as, or with what it is refused. */
function outcome(text: string, memory?: FieldsMemory<ReadFields>): unknown {
  try {
    const headers = read(text, memory);
    return { ...headers, fields: [...headers.fields] };
  } catch (error) {
    assert.ok(error instanceof RequestError);
    return [error.status, error.message];
  }
}

const HOST = "Host: a\r\n";
const withFields = (fields: string): string => `POST / HTTP/1.1\r\n${HOST}${fields}`;

/** What is refused, by the status that says so. */
const REFUSED: Readonly<Record<number, readonly string[]>> = {
  400: [
    // Lines.
    `GET / HTTP/1.1\n${HOST}`,
    `GET / HTTP/1.1\r\nHost: a\n`,
    `GET / HTTP/1.1\r${HOST}`,
    withFields("A: b\rC: d\r\n"),
    withFields("A: b\r\r\n"),
    withFields("A: b\0\r\n"),
    withFields("A: b\x01\r\n"),
    withFields("A: b\x7f\r\n"),
    `\r\nGET / HTTP/1.1\r\n${HOST}`,
    // The request's line.
    `GET /\r\n${HOST}`,
    `GET  / HTTP/1.1\r\n${HOST}`,
    `GET /  HTTP/1.1\r\n${HOST}`,
    ` GET / HTTP/1.1\r\n${HOST}`,
    `GET / HTTP/1.1 \r\n${HOST}`,
    `GET / a HTTP/1.1\r\n${HOST}`,
    `GET\t/\tHTTP/1.1\r\n${HOST}`,
    `G(T / HTTP/1.1\r\n${HOST}`,
    `G\u00e9T / HTTP/1.1\r\n${HOST}`,
    `GET / http/1.1\r\n${HOST}`,
    `GET / HTTP/1.10\r\n${HOST}`,
    `GET / HTTP/1\r\n${HOST}`,
    `GET / HTTPS/1.1\r\n${HOST}`,
    // The target.
    `GET x HTTP/1.1\r\n${HOST}`,
    `GET .evil/ HTTP/1.1\r\n${HOST}`,
    `GET * HTTP/1.1\r\n${HOST}`,
    `GET ftp://a/ HTTP/1.1\r\n${HOST}`,
    `GET a:80 HTTP/1.1\r\n${HOST}`,
    `GET http:///x HTTP/1.1\r\n${HOST}`,
    `GET http://?x HTTP/1.0\r\n`,
    `GET http://a/ HTTP/1.1\r\n`,
    `GET http://a/ HTTP/1.1\r\nHost:\r\n`,
    `GET http://user@a/ HTTP/1.1\r\n${HOST}`,
    // Fields.
    withFields(" A: b\r\n"),
    withFields("A: b\r\n c\r\n"),
    withFields("A: b\r\n\tc\r\n"),
    withFields("A : b\r\n"),
    withFields("A\r\n"),
    withFields(": b\r\n"),
    withFields("A b: c\r\n"),
    withFields("A\u00e9: c\r\n"),
    withFields("A@: c\r\n"),
    // Host.
    `GET / HTTP/1.1\r\n`,
    `GET / HTTP/1.1\r\n${HOST}${HOST}`,
    `GET / HTTP/1.0\r\n${HOST}hOST: b\r\n`,
    // What can be there once.
    ...[
      "Content-Type",
      "Authorization",
      "If-Modified-Since",
      "If-Unmodified-Since",
      "Content-Range",
    ]
      .map((name) => withFields(`${name}: a\r\n${name.toUpperCase()}: a\r\n`)),
    // How long the body is.
    ...["", "+1", "-1", "1 1", "0x1", "1,1", "1, 1", "1e3", "1.0", "1".repeat(16), "\u00b2"]
      .map((length) => withFields(`Content-Length: ${length}\r\n`)),
    withFields("Content-Length: 1\r\nContent-Length: 1\r\n"),
    withFields("Content-Length: 1\r\ncontent-length: 2\r\n"),
    withFields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
    withFields("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
    `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n`,
  ],
  417: [withFields("Expect: more\r\n"), withFields("Expect: 100-continue, 100-continue\r\n")],
  431: [withFields("A: b\r\n".repeat(REQUEST_FIELDS_MAX))],
  501: [
    "gzip",
    "gzip, chunked",
    "chunked, chunked",
    "chunked;q=1",
    "chunked,",
    "identity",
    "xchunked",
    "",
  ].map((coding) => withFields(`Transfer-Encoding: ${coding}\r\n`)).concat(
    withFields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
  ),
  505: ["2.0", "0.9", "3.1"].map((version) => `GET / HTTP/${version}\r\n${HOST}`),
};

for (const [status, texts] of Object.entries(REFUSED)) {
  test(`What is malformed in a header section is refused with ${status}`, () => {
    for (const text of texts) {
      assert.throws(() => read(text), (error) => {
        assert.ok(error instanceof RequestError, JSON.stringify(text));
        assert.equal(error.status, Number(status), JSON.stringify(text));
        return true;
      }, JSON.stringify(text));
    }
  });
}

test("A header section is read as it was sent", () => {
  const { method, target, protocol, fields, framing } = read(
    "PoSt /a%2fb/../?c=d&e HTTP/1.1\r\nHost: A.example:80\r\nX-Empty:\r\nX-White: \t a b\t \r\n" +
      "X-Byte: \u00e9\r\nX-Tab: a\tb\r\n",
  );
  assert.deepEqual([method, target, protocol], ["PoSt", "/a%2fb/../?c=d&e", "HTTP/1.1"]);
  assert.deepEqual([...fields], [
    ["host", "A.example:80"],
    ["x-empty", ""],
    ["x-white", "a b"],
    ["x-byte", "\u00e9"],
    ["x-tab", "a\tb"],
  ]);
  assert.deepEqual(framing, { kind: "none" });
});

test("A target may be a URL of the host, an asterisk for OPTIONS, an address for CONNECT", () => {
  for (
    const line of [
      "GET http://a/b HTTP/1.1",
      "GET HTTPS://A/b HTTP/1.1",
      "GET http://a?b HTTP/1.1",
      "GET http://a?x=/b HTTP/1.1",
      "GET http://a HTTP/1.1",
      "GET http://a:80/ HTTP/1.1",
      "GET http://a:/ HTTP/1.1",
      "GET https://A:443/ HTTP/1.1",
      "OPTIONS * HTTP/1.1",
      "CONNECT a:443 HTTP/1.1",
    ]
  ) {
    assert.equal(read(`${line}\r\n${HOST}`).target, line.split(" ")[1]);
  }
});

test("A URL may stand in HTTP/1.0 without a Host, and ports that go without saying in either", () => {
  assert.equal(read("GET http://b:80/ HTTP/1.0\r\n").target, "http://b:80/");
  assert.equal(read("GET http://a/ HTTP/1.1\r\nHost: A:80\r\n").fields.get("host"), "A:80");
});

test("A later 1.x is 1.1, and 1.0 needs no Host", () => {
  assert.equal(read(`GET / HTTP/1.9\r\n${HOST}`).protocol, "HTTP/1.1");
  assert.equal(read("GET / HTTP/1.0\r\n").protocol, "HTTP/1.0");
});

test("A length is decimal digits, and none at all where it is zero", () => {
  const framing = (length: string) => read(withFields(`Content-Length: ${length}\r\n`)).framing;
  assert.deepEqual(framing("12"), { kind: "length", length: 12 });
  assert.deepEqual(framing("0012"), { kind: "length", length: 12 });
  assert.deepEqual(framing("9".repeat(15)), { kind: "length", length: 999_999_999_999_999 });
  for (const zero of ["0", "00", "000000000000000"]) {
    assert.deepEqual(framing(zero), { kind: "none" }, zero);
  }
  assert.deepEqual(read(withFields("TRANSFER-ENCODING: Chunked\r\n")).framing, { kind: "chunked" });
});

test("An expectation counts for HTTP/1.1 alone", () => {
  const expects = (version: string) =>
    read(`GET / HTTP/${version}\r\n${HOST}Expect: 100-Continue\r\n`).expectsContinue;
  assert.deepEqual([expects("1.1"), expects("1.0")], [true, false]);
});

test("As many fields as the limit allows are taken", () => {
  const { fields } = read(withFields("A: b\r\n".repeat(REQUEST_FIELDS_MAX - 1)));
  assert.equal(fields.get("a"), Array(REQUEST_FIELDS_MAX - 1).fill("b").join(", "));
});

test("Fields that come again are those of before, and marked as repeated", () => {
  const memory = new FieldsMemory<ReadFields>();
  const first = read(`GET /first HTTP/1.1\r\n${HOST}A: b\r\n`, memory).fields;
  assert.equal(first.isRepeated, false);
  const { fields, target } = read(`POST /second HTTP/1.1\r\n${HOST}A: b\r\n`, memory);
  assert.equal(target, "/second");
  assert.equal(fields, first);
  assert.equal(fields.isRepeated, true);
  const other = read(`GET / HTTP/1.1\r\n${HOST}A: c\r\n`, memory).fields;
  assert.deepEqual([other.get("a"), other.isRepeated], ["c", false]);
  memory.forget();
  assert.notEqual(read(`GET / HTTP/1.1\r\n${HOST}A: c\r\n`, memory).fields, other);
});

test("Fields over the bound are read each time", () => {
  for (const [length, isKept] of [[0, true], [1, false]] as const) {
    const memory = new FieldsMemory<ReadFields>();
    const name = `${HOST}A: \r\n`;
    const value = "x".repeat(REMEMBERED_FIELDS_LENGTH_MAX - name.length + length);
    const text = `GET / HTTP/1.1\r\n${HOST}A: ${value}\r\n`;
    assert.equal(read(text, memory).fields === read(text, memory).fields, isKept);
  }
});

test("Whatever came before, a header section is read and refused as if it were the first", () => {
  const lines = ["GET / HTTP/1.1", "POST / HTTP/1.1", "GET / HTTP/1.0", "GET http://b/ HTTP/1.1"];
  const fields = ["", HOST, `${HOST}Connection: close\r\n`, `${HOST}Content-Length: 5\r\n`];
  fields.push(`${HOST}Transfer-Encoding: chunked\r\n`, `${HOST}Expect: 100-continue\r\n`);
  fields.push("Host: b\r\n", `${HOST}Expect: more\r\n`);
  const headers = lines.flatMap((line) => fields.map((some) => `${line}\r\n${some}`));
  headers.push(...Object.values(REFUSED).flat());
  const sequences = fc.array(fc.constantFrom(...headers), { minLength: 2, maxLength: 40 });
  fc.assert(fc.property(sequences, (texts) => {
    const memory = new FieldsMemory<ReadFields>();
    for (const text of texts.flatMap((one) => [one, one])) {
      assert.deepEqual(outcome(text, memory), outcome(text), JSON.stringify(text));
    }
  }));
});

test("A target that names another host than the Host field counts", () => {
  const hostOf = (target: string, fields = HOST) =>
    read(`GET ${target} HTTP/1.1\r\n${fields}`).fields.get("host");
  assert.equal(hostOf("http://b/"), "b");
  assert.equal(hostOf("http://a:443/"), "a:443");
  assert.equal(hostOf("https://a:80/"), "a:80");
  assert.equal(hostOf("http://a:080/"), "a:080");
  assert.equal(hostOf("http://a:80/"), "a", "the same, but for a port that goes without saying");
  assert.equal(hostOf("/"), "a");
  const memory = new FieldsMemory<ReadFields>();
  for (const [target, host] of [["/", "a"], ["http://b/", "b"], ["/", "a"], ["http://b/", "b"]]) {
    assert.equal(read(`GET ${target} HTTP/1.1\r\n${HOST}`, memory).fields.get("host"), host);
  }
});

/** A control character, or half a line's end. */
// deno-lint-ignore no-control-regex
const NEVER_MEANT = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?:[^\r]|^)\n/;

test("property: no header section has a control character or half a line's end in it", () => {
  const pieces = [
    "\r\n",
    "\r\n",
    "A: b",
    "C:",
    "d",
    "\t",
    " ",
    "\r",
    "\n",
    "\0",
    "\x1f",
    "\x7f",
    "\x85",
  ];
  const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 12 });
  let taken = 0;
  fc.assert(
    fc.property(texts, fc.boolean(), (all, isInLine) => {
      const text = all.join("");
      const line = isInLine ? `POST /${text} HTTP/1.1\r\n` : "POST / HTTP/1.1\r\n";
      const section = `${line}${HOST}${isInLine ? "" : `${text}\r\n`}`;
      if (Array.isArray(outcome(section))) return;
      taken++;
      assert.doesNotMatch(section, NEVER_MEANT);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken > 20, `${taken} were taken`);
});
