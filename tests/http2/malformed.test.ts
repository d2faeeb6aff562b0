/** Requests that are none (RFC 9113 section 8): each ends its stream, and reaches no handler. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { whole } from "../support/http1_world.ts";
import { type Fields, requestFields } from "../support/http2_client.ts";
import { http2World } from "../support/http2_world.ts";
import { inWorld } from "../support/world_test.ts";

const get = (...fields: [string, string][]): Fields => requestFields("GET", "/", fields);
const without = (name: string): Fields => get().filter(([field]) => field !== name);
const withPseudo = (name: string, value: string): Fields =>
  get().map(([field, given]) => [field, field === name ? value : given] as const);

const MALFORMED: Readonly<Record<string, Fields>> = {
  "no :method": without(":method"),
  "no :scheme": without(":scheme"),
  "no :path": without(":path"),
  "neither :authority nor host": without(":authority"),
  "an empty :path": withPseudo(":path", ""),
  "an empty :method": withPseudo(":method", ""),
  "an empty :authority": withPseudo(":authority", ""),
  "a :path that is a URL": withPseudo(":path", "http://a/"),
  "a :path without slash": withPseudo(":path", "a"),
  "a :path of * for GET": withPseudo(":path", "*"),
  "a :path with a space": withPseudo(":path", "/a b"),
  "a :path with a line's end": withPseudo(":path", "/a\r\nx: y"),
  "a :path with NUL": withPseudo(":path", "/a\0"),
  "a :method with a space": withPseudo(":method", "GET /"),
  "a :method that is no token": withPseudo(":method", "G(T"),
  "another :scheme": withPseudo(":scheme", "ftp"),
  "an :authority with a space": withPseudo(":authority", "a b"),
  "two :method": [[":method", "GET"], ...get()],
  "two :path": [[":path", "/"], ...get()],
  "two :scheme": [[":scheme", "http"], ...get()],
  "two :authority": [[":authority", "a"], ...get()],
  "an unknown pseudo-header": [[":unknown", "x"], ...get()],
  "a pseudo-header of responses": [[":status", "200"], ...get()],
  "extended CONNECT": [[":protocol", "websocket"], ...requestFields("CONNECT", "/")],
  "CONNECT with :path": requestFields("CONNECT", "/"),
  "a pseudo-header behind a field": [["x", "y"], ...get()],
  "a name in upper case": get(["X-A", "b"]),
  "a name with a space": get(["x a", "b"]),
  "a name with a colon": get(["x:a", "b"]),
  "an empty name": get(["", "b"]),
  "a name with NUL": get(["x\0", "b"]),
  "a name beyond ASCII": get(["x\u00e4", "b"]),
  "a value with NUL": get(["x", "a\0b"]),
  "a value with CR": get(["x", "a\rb"]),
  "a value with LF": get(["x", "a\nb"]),
  "a value with a control character": get(["x", "a\x01b"]),
  "a value with DEL": get(["x", "a\x7f"]),
  "a value behind white space": get(["x", " a"]),
  "a value before white space": get(["x", "a\t"]),
  connection: get(["connection", "close"]),
  "keep-alive": get(["keep-alive", "timeout=5"]),
  "proxy-connection": get(["proxy-connection", "close"]),
  "transfer-encoding": get(["transfer-encoding", "chunked"]),
  upgrade: get(["upgrade", "websocket"]),
  "te but for trailers": get(["te", "gzip"]),
  "a host that is another": get(["host", "b"]),
  "two host": get(["host", "a"], ["host", "a"]),
  "two content-length": get(["content-length", "0"], ["content-length", "0"]),
  "a content-length that is no number": get(["content-length", "+1"]),
  "a negative content-length": get(["content-length", "-1"]),
  "two authorization": get(["authorization", "a"], ["authorization", "b"]),
  "two content-type": get(["content-type", "a"], ["content-type", "b"]),
};

for (const [what, fields] of Object.entries(MALFORMED)) {
  test(
    `A request with ${what} is malformed`,
    inWorld(async () => {
      let asked = 0;
      const { open, errors } = await http2World(() => {
        asked++;
        return whole("fine");
      });
      const client = open();
      const wrong = client.request(fields);
      assert.equal(client.read().response(wrong).reset, "PROTOCOL_ERROR");
      assert.equal(asked, 0);
      assert.deepEqual(errors.map(({ status }) => status), [400]);
      const right = client.request();
      assert.equal(client.read().text(right), "fine");
    }),
  );
}

const FINE: Readonly<Record<string, Fields>> = {
  "host in the place of :authority": [...without(":authority"), ["host", "a"]],
  "a host that is the same but for its port and case": [
    ...withPseudo(":authority", "A:80"),
    ["host", "a"],
  ],
  "* for OPTIONS": requestFields("OPTIONS", "*"),
  "te of trailers": get(["te", "trailers"]),
  "an empty value": get(["x", ""]),
  "a tab within a value": get(["x", "a\tb"]),
  "bytes beyond ASCII in a value": get(["x", "\u00e4"]),
  "a method that nobody knows": requestFields("PROPFIND", "/"),
  CONNECT: [[":method", "CONNECT"], [":authority", "a:443"]],
};

for (const [what, fields] of Object.entries(FINE)) {
  test(
    `A request with ${what} is a request`,
    inWorld(async () => {
      const { open } = await http2World((request) => {
        assert.notEqual(request.headers.get("host"), null);
        return whole("fine");
      });
      const client = open();
      const id = client.request(fields);
      assert.equal(client.read().text(id), "fine");
    }),
  );
}

test(
  "An expectation that nobody knows is a 417",
  inWorld(async () => {
    const { open } = await http2World(() => whole("fine"));
    const client = open();
    const id = client.request(get(["expect", "the best"]));
    assert.equal(client.read().response(id).status, 417);
  }),
);

test(
  "Trailers may not be pseudo-headers, nor malformed, nor stand within a body",
  inWorld(async () => {
    const { open } = await http2World(() => new Promise(() => {}));
    const client = open();
    for (
      const [fields, isEnd] of [
        [[[":path", "/"]], true],
        [[["X", "y"]], true],
        [[["x", "y"]], false],
      ] as [Fields, boolean][]
    ) {
      const id = client.request(requestFields("POST", "/"), false);
      client.headers(id, fields, isEnd);
      assert.equal(client.read().response(id).reset, "PROTOCOL_ERROR");
    }
  }),
);

test(
  "Whatever a value holds, none with a line's end or NUL reaches a handler",
  inWorld(async () => {
    const value = fc.string({ unit: "binary", maxLength: 20 })
      .map((text) => text.replace(/[^\0-\xff]/g, "?"));
    const { open } = await http2World((request) => {
      for (const [, seen] of request.headers) assert.doesNotMatch(seen, /[\r\n\0]/);
      return whole("fine");
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, value), { maxLength: 3 }), async (fields) => {
        const client = open();
        const id = client.request(get(...fields));
        client.read();
        const { status, reset } = client.response(id);
        assert.ok(
          status === 200 || status === 417 || reset === "PROTOCOL_ERROR",
          `${status} ${reset}`,
        );
      }),
    );
  }),
);
