/** The examples of RFC 9113 section 8.8, by their bytes: as they are read, however they are cut, and sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flag, PREFACE } from "../../src/http2/constants.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { cut, pieces } from "../support/fragments.ts";
import { settle } from "../support/http1_world.ts";
import { frameBytes } from "../support/http2_client.ts";
import { http2World } from "../support/http2_world.ts";
import { fromHex } from "./hpack_examples.ts";

const WHOLE = Flag.END_HEADERS | Flag.END_STREAM;
const BODY = Uint8Array.from({ length: 123 }, (_, at) => at);
const NO_SETTINGS = frameBytes("SETTINGS", 0, 0);

/** Section 8.8.1: HEADERS with END_STREAM and END_HEADERS. */
const SIMPLE_BLOCK = "82" + // :method = GET
  "87" + // :scheme = https
  "410b6578616d706c652e6f7267" + // :authority = example.org
  "44092f7265736f75726365" + // :path = /resource
  "660b6578616d706c652e6f7267" + // host = example.org
  "530a696d6167652f6a706567"; // accept = image/jpeg
const SIMPLE = fromHex(`000033010500000001${SIMPLE_BLOCK}`);

/** Section 8.8.3: HEADERS without a flag, CONTINUATION with END_HEADERS, DATA with END_STREAM. */
const COMPLEX_FIRST = "83" + // :method = POST
  "410b6578616d706c652e6f7267" + // :authority = example.org
  "44092f7265736f75726365" + // :path = /resource
  "87"; // :scheme = https
const COMPLEX_SECOND = "5f0a696d6167652f6a706567" + // content-type = image/jpeg
  "660b6578616d706c652e6f7267" + // host = example.org
  "5c03313233"; // content-length = 123
const COMPLEX = joined(
  fromHex(`00001a010000000003${COMPLEX_FIRST}`),
  fromHex(`00001e090400000003${COMPLEX_SECOND}`),
  frameBytes("DATA", Flag.END_STREAM, 3, BODY),
);

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

interface Seen {
  readonly line: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: readonly number[];
}

const SIMPLE_SEEN: Seen = {
  line: "GET http://example.org/resource",
  fields: [["host", "example.org"], ["accept", "image/jpeg"]],
  body: [],
};
const COMPLEX_SEEN: Seen = {
  line: "POST http://example.org/resource",
  fields: [["host", "example.org"], ["content-type", "image/jpeg"], ["content-length", "123"]],
  body: [...BODY],
};

/** What a handler sees of the pieces, and whether it was all that was wrong. */
async function seenOf(sent: readonly Uint8Array[]): Promise<Seen[]> {
  const seen: Seen[] = [];
  const world = await http2World(async (request) => {
    const body = new Uint8Array(await new Response(request.body).arrayBuffer());
    seen.push({
      line: `${request.method} ${request.url}`,
      fields: [...request.headers],
      body: [...body],
    });
    return new BytesResponse(200, [], new Uint8Array(0));
  });
  const client = world.openSilent();
  for (const piece of sent) if (piece.length > 0) client.raw(piece);
  await settle();
  await settle();
  client.read();
  assert.equal(client.goaway, undefined);
  assert.deepEqual(client.of("RST_STREAM"), []);
  return seen;
}

test("A simple and a complex request are read as in 8.8, cut at every place", async () => {
  const bytes = joined(PREFACE, NO_SETTINGS, SIMPLE, COMPLEX);
  const expected = [SIMPLE_SEEN, COMPLEX_SEEN];
  assert.deepEqual(await seenOf([bytes]), expected);
  assert.deepEqual(await seenOf(pieces(bytes, 1)), expected);
  for (let at = 1; at < bytes.length; at++) {
    assert.deepEqual(await seenOf(cut(bytes, [at])), expected, `cut at ${at}`);
  }
});

test("A header section goes on in CONTINUATION wherever it is cut, in two and byte by byte", async () => {
  const block = fromHex(COMPLEX_FIRST + COMPLEX_SECOND);
  const body = frameBytes("DATA", Flag.END_STREAM, 1, BODY);
  const start = joined(PREFACE, NO_SETTINGS);
  for (let at = 0; at <= block.length; at++) {
    const sections = joined(
      frameBytes("HEADERS", 0, 1, block.subarray(0, at)),
      frameBytes("CONTINUATION", Flag.END_HEADERS, 1, block.subarray(at)),
    );
    assert.deepEqual(await seenOf([joined(start, sections, body)]), [COMPLEX_SEEN], `cut at ${at}`);
  }
  const [first, second] = [block.subarray(0, 20), block.subarray(20)];
  const padded = joined(
    // Six bytes of padding, and a priority that nobody looks at.
    frameBytes(
      "HEADERS",
      Flag.PADDED | Flag.PRIORITY,
      1,
      joined(Uint8Array.of(6, 0, 0, 0, 0, 16), first, new Uint8Array(6)),
    ),
    frameBytes("CONTINUATION", 0, 1, second.subarray(0, 1)),
    frameBytes("CONTINUATION", Flag.END_HEADERS, 1, second.subarray(1)),
  );
  assert.deepEqual(await seenOf([joined(start, padded, body)]), [COMPLEX_SEEN]);
});

test("Responses are sent as in 8.8: without a body, with one, and behind informational ones", async () => {
  const fields = (name: string, value: string) => [[name, value]] as const;
  const world = await http2World((request) => {
    if (request.url.endsWith("/none")) {
      return new BytesResponse(304, fields("etag", '"xyzzy"'), new Uint8Array(0));
    }
    return new BytesResponse(200, fields("content-type", "image/jpeg"), BODY);
  });
  const client = world.open();
  const framesOf = (path: string) => {
    const id = client.request([
      [":method", "GET"],
      [":scheme", "https"],
      [":authority", "example.org"],
      [":path", path],
    ]);
    client.read();
    return client.frames.filter(({ streamId }) => streamId === id).map(
      ({ type, flags, fields = [] }) => {
        const told = fields.filter(([name]) => name !== "date").map((field) => field.join(" = "));
        return [type, flags, ...told];
      },
    );
  };
  // 8.8.2
  assert.deepEqual(framesOf("/none"), [["HEADERS", WHOLE, ":status = 304", 'etag = "xyzzy"']]);
  // 8.8.4
  assert.deepEqual(framesOf("/resource").map((frame) => frame.slice().sort()), [
    [
      "HEADERS",
      Flag.END_HEADERS,
      ":status = 200",
      "content-length = 123",
      "content-type = image/jpeg",
    ].sort(),
    ["DATA", Flag.END_STREAM].sort(),
  ]);
});

test("Informational responses and trailers of a request are as in 8.8.5", async () => {
  let body = "";
  const world = await http2World(async (request) => {
    body = await new Response(request.body).text();
    return new BytesResponse(200, [], new Uint8Array(0));
  });
  const client = world.open();
  const id = client.request([
    [":method", "POST"],
    [":scheme", "https"],
    [":authority", "example.org"],
    [":path", "/resource"],
    ["expect", "100-continue"],
    ["trailer", "foo"],
  ], false);
  await client.settled();
  const [first] = client.of("HEADERS", id);
  assert.deepEqual([first!.flags, first!.fields], [Flag.END_HEADERS, [[":status", "100"]]]);
  client.data(id, "binary data");
  client.headers(id, [["foo", "bar"]], true);
  await client.settled();
  assert.equal(body, "binary data");
  assert.deepEqual(client.of("HEADERS", id).map(({ fields }) => fields![0]), [
    [":status", "100"],
    [":status", "200"],
  ]);
});
