/** Requests and responses over HTTP/2, from a client's bytes to a client's bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PREFACE, Setting, WINDOW_DEFAULT } from "../../src/http2/constants.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { BytesResponse, StreamResponse } from "../../src/runtime/http_response.ts";
import { utf8 } from "../../src/protocol/byte_buffer.ts";
import { DATE, GET, settle, whole } from "../support/http1_world.ts";
import { http2World } from "../support/http2_world.ts";
import { GET_FIELDS, Http2Client, requestFields, setting } from "../support/http2_client.ts";
import type { HttpHeaders } from "../../src/runtime/http_request.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "A request is answered, headers and body in one write",
  inWorld(async () => {
    const { open, counts } = await http2World(() => whole("hello"));
    const client = open();
    const id = client.request();
    client.read();
    const { status, fields, isWhole } = client.response(id);
    assert.deepEqual([status, isWhole, client.text(id)], [200, true, "hello"]);
    assert.deepEqual(fields, [[":status", "200"], ["date", DATE], ["content-length", "5"]]);
    assert.deepEqual(client.frames.map(({ type }) => type), [
      "SETTINGS",
      "WINDOW_UPDATE",
      "SETTINGS",
      "HEADERS",
      "DATA",
    ]);
    assert.deepEqual(counts, { connections: 1, streams: 0 });
  }),
);

test(
  "A client is found by its preface, however it is cut, and any other speaks HTTP/1",
  inWorld(async () => {
    for (let cut = 0; cut <= PREFACE.length; cut++) {
      const { openSilent } = await http2World(() => whole("x"));
      const client = openSilent();
      if (cut > 0) client.raw(PREFACE.slice(0, cut));
      client.raw(PREFACE.slice(cut));
      client.frame("SETTINGS", 0, 0);
      const id = client.request();
      assert.equal(client.read().text(id), "x", `cut at ${cut}`);
    }
    for (const text of [GET, GET.replace("GET", "PRI"), GET.replace("GET", "P")]) {
      for (let cut = 0; cut <= 8; cut++) {
        const { openSilent } = await http2World(() => whole("x"));
        const http1 = openSilent().socket;
        if (cut > 0) http1.send(text.slice(0, cut));
        http1.send(text.slice(cut));
        assert.match(http1.text, /^HTTP\/1\.1 200 OK\r\n/);
      }
    }
  }),
);

test(
  "A preface that goes wrong at its end is a request of HTTP/1 that nobody knows",
  inWorld(async () => {
    const { openSilent } = await http2World(() => whole("x"));
    const { socket } = openSilent();
    socket.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r?");
    assert.match(socket.text, /^HTTP\/1\.1 505 /);
  }),
);

test(
  "What is neither a request nor the preface is told so in HTTP/2",
  inWorld(async () => {
    const { openSilent, goaways } = await http2World(() => whole("x"));
    const client = openSilent();
    client.socket.send("INVALID CONNECTION PREFACE\r\n\r\n");
    assert.equal(client.read().goaway, "PROTOCOL_ERROR");
    assert.deepEqual(goaways.map(({ reason }) => reason), ["protocol_error"]);
  }),
);

test(
  "A request says what it was asked, and its pseudo-headers are no fields",
  inWorld(async () => {
    let seen: unknown;
    const { open } = await http2World((request) => {
      seen = {
        method: request.method,
        url: request.url,
        fields: [...request.headers],
        body: request.body,
      };
      return whole("");
    });
    open().request(requestFields("DELETE", "/a%20b?c", [["x-a", "1"], ["x-a", "2"]]));
    assert.deepEqual(seen, {
      method: "DELETE",
      url: "http://a/a%20b?c",
      fields: [["host", "a"], ["x-a", "1, 2"]],
      body: null,
    });
  }),
);

test(
  "Cookies in pieces are one",
  inWorld(async () => {
    let cookie: string | null = null;
    const { open } = await http2World((request) => {
      cookie = request.headers.get("cookie");
      return whole("");
    });
    open().request(requestFields("GET", "/", [["cookie", "a=1"], ["cookie", "b=2"]]));
    assert.equal(cookie, "a=1; b=2");
  }),
);

test(
  "The same fields again are the same object, and another path does not matter",
  inWorld(async () => {
    const seen: HttpHeaders[] = [];
    const urls: string[] = [];
    const { open } = await http2World((request) => {
      seen.push(request.headers);
      urls.push(request.url);
      return whole("");
    });
    const client = open();
    const fields = [["user-agent", "x"], ["accept", "*/*"]] as const;
    client.request(requestFields("GET", "/a", fields));
    client.request(requestFields("GET", "/b", fields));
    client.request(requestFields("GET", "/c", fields));
    client.request(requestFields("GET", "/d", [["accept", "*/*"], ["user-agent", "x"]]));
    assert.equal(seen[1], seen[2]);
    assert.notEqual(seen[2], seen[3]);
    assert.deepEqual([...seen[3]!], [["host", "a"], ["accept", "*/*"], ["user-agent", "x"]]);
    assert.deepEqual(urls, ["http://a/a", "http://a/b", "http://a/c", "http://a/d"]);
  }),
);

test(
  "A body is read as it comes, and its trailers are dropped",
  inWorld(async () => {
    let body = "";
    const { open } = await http2World(async (request) => {
      body = await new Response(request.body).text();
      return whole(`${body.length}`);
    });
    const client = open();
    const id = client.request(requestFields("POST", "/"), false);
    client.data(id, "hel");
    await settle();
    client.data(id, "");
    client.data(id, "lo");
    client.headers(id, [["x-trailer", "1"]], true);
    await client.settled();
    assert.equal(body, "hello");
    assert.equal(client.text(id), "5");
  }),
);

test(
  "A response comes whole over the smallest windows",
  inWorld(async () => {
    const text = "0123456789".repeat(1000);
    const { open } = await http2World(() => whole(text));
    const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 0));
    const id = client.request();
    assert.equal(client.read().text(id), "");
    for (let length = 0; length < text.length; length += 500) {
      client.windowUpdate(id, 500);
      assert.equal((await client.settled()).text(id), text.slice(0, length + 500));
    }
    assert.ok(client.response(id).isWhole);
  }),
);

test(
  "A stream's response leaves as it comes, and asks for no more than the client takes",
  inWorld(async () => {
    let pulls = 0;
    const body = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          pulls++;
          controller.enqueue(new Uint8Array(1000).fill(pulls));
        },
      }, { highWaterMark: 0 });
    const { open } = await http2World(() => new StreamResponse(200, [], body()));
    const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 2500));
    const id = client.request();
    await client.settled();
    assert.equal(client.response(id).body.length, 2500);
    assert.equal(pulls, 3);
    client.windowUpdate(id, 500);
    await client.settled();
    // One more, for it might be the end.
    assert.deepEqual([client.response(id).body.length, pulls], [3000, 4]);
    client.windowUpdate(0, 100);
    await client.settled();
    assert.deepEqual([client.response(id).body.length, pulls], [3000, 4]);
    client.reset(id);
  }),
);

test(
  "A response that fills its window, or the connection's, to the byte ends all the same",
  inWorld(async () => {
    const body = (pieces: readonly number[]) => {
      const left = [...pieces];
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          const length = left.shift();
          if (length === undefined) controller.close();
          else controller.enqueue(new Uint8Array(length));
        },
      }, { highWaterMark: 0 });
    };
    for (const pieces of [[5000], [2500, 2500], [4999, 1], [1, 4999]]) {
      const { open } = await http2World(() => new StreamResponse(200, [], body(pieces)));
      const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 5000));
      const id = client.request();
      await client.settled();
      const { body: bytes, isWhole } = client.response(id);
      assert.deepEqual([bytes.length, isWhole], [5000, true], String(pieces));
    }
    const whole = [WINDOW_DEFAULT - 1000, 1000];
    const { open } = await http2World(() => new StreamResponse(200, [], body(whole)));
    const client = open(setting(Setting.INITIAL_WINDOW_SIZE, 100_000));
    const id = client.request();
    await client.settled();
    const { body: bytes, isWhole } = client.response(id);
    assert.deepEqual([bytes.length, isWhole], [WINDOW_DEFAULT, true]);
  }),
);

test(
  "A body that breaks off ends its stream with an error, and no other",
  inWorld(async () => {
    const broken = () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(utf8("some"));
        },
        pull(controller) {
          controller.error(new Error("broken"));
        },
      });
    const { open } = await http2World((request) =>
      request.url.endsWith("/broken") ? new StreamResponse(200, [], broken()) : whole("fine")
    );
    const client = open();
    const first = client.request(requestFields("GET", "/broken"));
    const second = client.request(requestFields("GET", "/"));
    await client.settled();
    assert.deepEqual(
      [client.response(first).status, client.response(first).reset],
      [200, "INTERNAL_ERROR"],
    );
    assert.equal(client.text(second), "fine");
  }),
);

test(
  "A handler that throws is told of, and its client gets a 500",
  inWorld(async () => {
    const { open, failures } = await http2World(() => {
      throw new Error("no");
    }, { expectsFailures: true });
    const client = open();
    const id = client.request();
    assert.equal(client.read().response(id).status, 500);
    assert.equal(failures.length, 1);
  }),
);

test(
  "A client that resets a stream aborts its request, and no other",
  inWorld(async () => {
    const aborted: string[] = [];
    const { open, counts } = await http2World((request) => {
      const { url } = request;
      return new Promise((resolve) => {
        request.signal.addEventListener("abort", () => {
          aborted.push(url);
          resolve(whole("late"));
        });
        if (url.endsWith("/b")) setTimeout(() => resolve(whole("fine")), 1);
      });
    });
    const client = open();
    const first = client.request(requestFields("GET", "/a"));
    const second = client.request(requestFields("GET", "/b"));
    client.reset(first);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.settled();
    assert.deepEqual(aborted, ["http://a/a"]);
    assert.equal(client.text(second), "fine");
    assert.deepEqual(client.of("HEADERS", first), []);
    assert.equal(counts.streams, 0);
  }),
);

test(
  "A request that is reset within its piece reaches no handler",
  inWorld(async () => {
    let asked = 0;
    const { openSilent } = await http2World(() => {
      asked++;
      return whole("");
    });
    const client = openSilent();
    const pieces: Uint8Array[] = [];
    const sender = new Http2Client((bytes) => void pieces.push(bytes));
    sender.greet();
    sender.reset(sender.request());
    client.raw(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
    await client.settled();
    assert.equal(asked, 0);
  }),
);

test(
  "A client that leaves aborts everything that is under way",
  inWorld(async () => {
    let aborted = 0;
    const { open, counts } = await http2World((request) =>
      new Promise(() => request.signal.addEventListener("abort", () => void aborted++))
    );
    const client = open();
    for (let count = 0; count < 5; count++) client.request();
    client.socket.close();
    assert.equal(aborted, 5);
    assert.deepEqual(counts, { connections: 0, streams: 0 });
  }),
);

test(
  "HEAD, 204 and 304 have no body, and the length that GET would have",
  inWorld(async () => {
    const { open } = await http2World((request) =>
      new BytesResponse(Number(new URL(request.url).pathname.slice(1)), [], utf8("body"))
    );
    const client = open();
    const headers = client.request(requestFields("HEAD", "/200"));
    const none = client.request(requestFields("GET", "/204"));
    const same = client.request(requestFields("GET", "/304"));
    client.read();
    assert.equal(client.response(headers).headers.get("content-length"), "4");
    for (const id of [headers, none, same]) {
      assert.deepEqual(client.of("DATA", id), []);
      assert.ok(client.response(id).isWhole);
    }
    assert.equal(client.response(none).headers.has("content-length"), false);
  }),
);

test(
  "Fields of a connection of HTTP/1 do not go out, and names are in lower case",
  inWorld(async () => {
    const fields = [
      ["Content-Type", "text/plain"],
      ["Connection", "close"],
      ["Keep-Alive", "timeout=5"],
      ["Transfer-Encoding", "chunked"],
    ] as const;
    const { open } = await http2World(() => new BytesResponse(200, fields, utf8("x")));
    const client = open();
    const id = client.request();
    assert.deepEqual(client.read().response(id).fields, [
      [":status", "200"],
      ["content-type", "text/plain"],
      ["date", DATE],
      ["content-length", "1"],
    ]);
  }),
);

test(
  "A field that is no bytes is a 500, and the connection goes on",
  inWorld(async () => {
    const { open, failures } = await http2World(
      (request) =>
        request.url.endsWith("/bad")
          ? new BytesResponse(200, [["x", "\u0100"]], utf8("x"))
          : whole("y"),
      { expectsFailures: true },
    );
    const client = open();
    const bad = client.request(requestFields("GET", "/bad"));
    const good = client.request(requestFields("GET", "/"));
    client.read();
    assert.equal(client.response(bad).status, 500);
    assert.equal(client.text(good), "y");
    assert.equal(failures.length, 1);
  }),
);

test(
  "Early hints and 100 come before the response",
  inWorld(async () => {
    const world = await http2World(() => whole(""), {
      handler: async (request, peer) => {
        peer.earlyHints?.(["</a.css>; rel=preload"]);
        await new Response(request.body).text();
        return whole("done");
      },
    });
    const client = world.open();
    const id = client.request(requestFields("POST", "/", [["expect", "100-continue"]]), false);
    await client.settled();
    assert.deepEqual(client.response(id).interim, [103, 100]);
    client.data(id, "x", true);
    await client.settled();
    assert.equal(client.text(id), "done");
  }),
);

test(
  "What is left of a body that nobody reads is read over for a while, and no longer",
  inWorld(async () => {
    const { open, clock } = await http2World(() => whole("no"));
    const client = open();
    const short = client.request(requestFields("POST", "/"), false);
    const open1 = client.request(requestFields("POST", "/"), false);
    const long = client.request(requestFields("POST", "/", [["content-length", "100000"]]), false);
    client.read();
    assert.deepEqual([client.text(short), client.text(open1)], ["no", "no"]);
    assert.equal(client.response(long).reset, "NO_ERROR");
    client.data(short, "x", true);
    clock.advance(CONNECTION_TIMEOUTS.closeMs + 2000);
    client.read();
    assert.deepEqual(
      [client.response(short).reset, client.response(open1).reset],
      [undefined, "NO_ERROR"],
    );
    client.data(open1, "y", true);
    const next = client.request(GET_FIELDS);
    assert.equal(client.read().text(next), "no");
    assert.equal(client.goaway, undefined);
  }),
);

test(
  "A body that is longer or shorter than it was said to be is an error, answered or not",
  inWorld(async () => {
    for (const handler of [() => whole("no"), () => new Promise<never>(() => {})]) {
      const { open, errors } = await http2World(handler);
      const client = open();
      const fields = requestFields("POST", "/", [["content-length", "3"]]);
      const longer = client.request(fields, false);
      client.data(longer, "1234", true);
      const shorter = client.request(fields, false);
      client.data(shorter, "12", true);
      const none = client.request(fields, true);
      client.read();
      for (const id of [longer, shorter, none]) {
        assert.equal(client.response(id).reset, "PROTOCOL_ERROR");
      }
      assert.equal(errors.length, 3);
    }
  }),
);
