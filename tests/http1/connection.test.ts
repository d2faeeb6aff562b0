import assert from "node:assert/strict";
import { test } from "node:test";
import { PIPELINED_LENGTH_MAX } from "../../src/http1/pipelined.ts";
import { DRAINED_LENGTH_MAX, LINGERED_LENGTH_MAX } from "../../src/http1/connection_server.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { abortSignalOf } from "../../src/runtime/abort_signal.ts";
import { DATE, GET, http1World, settle, whole, wholeText } from "../support/http1_world.ts";
import type { HttpHeaders, HttpRequest } from "../../src/runtime/http_request.ts";
import { inWorld } from "../support/world_test.ts";

const path = (request: HttpRequest): string => new URL(request.url).pathname;

const get = (target: string, fields = ""): string =>
  `GET ${target} HTTP/1.1\r\nhost: a\r\n${fields}\r\n`;

const post = (body: string, fields = ""): string =>
  `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;

/** A handler whose responses a test gives when it wants to. */
function held() {
  const asked: {
    readonly request: HttpRequest;
    response(response: BytesResponse | Response): void;
  }[] = [];
  const handler = (request: HttpRequest) =>
    new Promise<BytesResponse | Response>((response) => asked.push({ request, response }));
  return { asked, handler };
}

test(
  "A response that is there at once leaves in one write, and the connection goes on",
  inWorld(async () => {
    const { open } = await http1World((request) => whole(path(request)));
    const socket = open();
    for (const target of ["/first", "/second"]) {
      socket.send(get(target));
      assert.equal(socket.takeText(), wholeText(target));
    }
    assert.equal(socket.ended, "no");
  }),
);

test(
  "A connection remembers the fields of its last request until it has rested",
  inWorld(async () => {
    const seen: HttpHeaders[] = [];
    const { open, clock } = await http1World((request) => {
      seen.push(request.headers);
      return whole("");
    });
    const socket = open();
    socket.send(get("/") + get("/other"));
    assert.equal(seen[0], seen[1]);
    await clock.advance(2000);
    socket.send(get("/"));
    assert.notEqual(seen[2], seen[1]);
    assert.deepEqual([...seen[2]!], [...seen[1]!]);
    open().send(get("/"));
    assert.notEqual(seen[3], seen[2]);
  }),
);

test(
  "A thousand pipelined requests are answered in order, at once or later",
  inWorld(async () => {
    const targets = Array.from({ length: 1000 }, (_, index) => `/${index}`);
    for (const later of [false, true]) {
      const { open } = await http1World((request) => {
        const response = whole(path(request));
        return later ? Promise.resolve(response) : response;
      });
      const socket = open();
      socket.send(targets.map((target) => get(target)).join(""));
      await settle();
      assert.equal(socket.text, targets.map((target) => wholeText(target)).join(""));
      assert.equal(socket.isPaused, false);
    }
  }),
);

test(
  "Pipelined requests that are answered at once do not stop the client",
  inWorld(async () => {
    const { open } = await http1World(() => whole(""));
    const socket = open();
    socket.send(GET.repeat(100) + post("body"));
    assert.equal(socket.flowChanges, 0);
  }),
);

test(
  "What comes ahead waits and stops the client, across the bodies of requests",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open } = await http1World(handler);
    const socket = open();
    socket.send(post("one") + post("two") + post("three"));
    for (const body of ["one", "two", "three"]) {
      await settle();
      const { request, response } = asked.shift()!;
      assert.equal(asked.length, 0);
      assert.equal(socket.isPaused, body !== "three");
      assert.equal(await new Response(request.body).text(), body);
      assert.equal(socket.isPaused, body !== "three");
      response(whole(body));
    }
    await settle();
    assert.equal(socket.text, ["one", "two", "three"].map((body) => wholeText(body)).join(""));
  }),
);

test(
  "A body that is given up does not let in more of what comes ahead",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open } = await http1World(handler);
    const socket = open();
    socket.send(post("body") + GET + GET);
    await asked[0]!.request.body!.cancel();
    assert.equal(socket.isPaused, true);
    asked[0]!.response(whole(""));
    await settle();
    assert.equal(asked.length, 2);
    assert.equal(socket.isPaused, true);
  }),
);

test(
  "A socket that gives more though it is paused is cut at a bound",
  inWorld(async () => {
    const { handler } = held();
    const { open, failures } = await http1World(handler, { expectsFailures: true });
    const socket = open();
    socket.send(GET);
    const piece = new Uint8Array(PIPELINED_LENGTH_MAX / 4);
    for (let count = 0; count < 4; count++) socket.send(piece);
    assert.equal(socket.ended, "no");
    socket.send(piece);
    assert.equal(socket.ended, "reset");
    assert.equal(failures.length, 1);
  }),
);

test(
  "A client that left while it was not read from is let go",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open, clock, server } = await http1World(handler);
    const socket = open();
    socket.send(GET + GET);
    assert.equal(socket.isPaused, true);
    socket.break();
    clock.advance(2_000);
    asked[0]!.response(whole("nobody takes it"));
    await settle();
    clock.advance(2_000);
    assert.equal(socket.ended, "reset");
    assert.equal(clock.timerCount, 0);
    // Nothing waits for it either.
    await server.stop();
  }),
);

test(
  "No response is made before the client has taken the one before it",
  inWorld(async () => {
    let count = 0;
    const { open } = await http1World(() => whole(`${++count}`.padEnd(100_000, "x")));
    const socket = open();
    socket.room = 1000;
    socket.send(GET.repeat(3));
    socket.send(GET);
    assert.equal(count, 1);
    assert.equal(socket.isPaused, true);
    socket.take(1000);
    assert.equal(count, 1);
    socket.take(100_000);
    assert.equal(count, 2);
    socket.take(Infinity);
    assert.equal(count, 4);
    assert.equal(socket.isPaused, false);
    assert.equal(socket.text.length, 4 * wholeText("x".repeat(100_000)).length);
  }),
);

test(
  "A connection goes on as its client and its version say",
  inWorld(async () => {
    const cases: [headers: string, field: string, ended: string][] = [
      ["GET / HTTP/1.1\r\nhost: a\r\n", "", "no"],
      ["GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n", "connection: close\r\n", "end"],
      ["GET / HTTP/1.1\r\nhost: a\r\nconnection: x, Close\r\n", "connection: close\r\n", "end"],
      ["GET / HTTP/1.0\r\n", "connection: close\r\n", "end"],
      ["GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n", "connection: keep-alive\r\n", "no"],
    ];
    for (const [headers, field, ended] of cases) {
      const { open } = await http1World(() => whole("x"));
      const socket = open();
      socket.send(`${headers}\r\n`);
      assert.equal(socket.text, wholeText("x", field), headers);
      assert.equal(socket.ended, ended, headers);
    }
  }),
);

test(
  "A body that nobody wants is announced to end the connection",
  inWorld(async () => {
    const { open } = await http1World(() => whole("no"));
    const socket = open();
    socket.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\npart");
    assert.equal(socket.text, wholeText("no", "connection: close\r\n"));
    assert.equal(socket.ended, "end");
    socket.send("more of it");
    assert.equal(socket.isPaused, false);
  }),
);

test(
  "A body that was begun is read over behind its response, up to a limit",
  inWorld(async () => {
    for (
      const [length, isOver] of [[DRAINED_LENGTH_MAX, true], [
        DRAINED_LENGTH_MAX + 2,
        false,
      ]] as const
    ) {
      const { open } = await http1World(async (request) => {
        await request.body?.getReader().read();
        return whole("early");
      });
      const socket = open();
      socket.send(
        `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length + (isOver ? 5 : 6)}\r\n\r\nbegin`,
      );
      await settle();
      assert.equal(socket.takeText(), wholeText("early", isOver ? "" : "connection: close\r\n"));
      const piece = new Uint8Array(length / 2);
      socket.send(piece);
      socket.send(piece);
      socket.send(GET);
      await settle();
      assert.equal(socket.ended, isOver ? "no" : "end");
      assert.equal(socket.text, isOver ? wholeText("early") : "");
    }
  }),
);

test(
  "Who still reads a body when its request is answered finds it broken",
  inWorld(async () => {
    const broken = Promise.withResolvers<void>();
    const { open } = await http1World(async (request) => {
      const reader = request.body!.getReader();
      await reader.read();
      reader.read().catch(() => broken.resolve());
      return whole("early");
    });
    const socket = open();
    socket.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nbegin");
    await broken.promise;
    assert.equal(socket.text, wholeText("early"));
  }),
);

test(
  "Malformed chunks before the response are refused, and the handler told",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open, errors } = await http1World(handler);
    const socket = open();
    socket.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
    const { request } = asked[0]!;
    const reading = new Response(request.body).text();
    await settle();
    socket.send("zz\r\n");
    await assert.rejects(reading);
    assert.equal(request.signal.aborted, true);
    assert.match(
      socket.text,
      /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close\r\n\r\nrefused$/s,
    );
    assert.equal(socket.ended, "end");
    assert.deepEqual(errors.map(({ status }) => status), [400]);
  }),
);

test(
  "Malformed chunks within the response cut it",
  inWorld(async () => {
    const { open } = await http1World((request) => new Response(request.body));
    const socket = open();
    socket.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
    await settle();
    assert.match(socket.text, /\r\n\r\n1\r\nx\r\n$/);
    socket.send("zz\r\n");
    assert.equal(socket.ended, "reset");
  }),
);

test(
  "Malformed chunks in one piece with the header section never reach the handler",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open } = await http1World(handler);
    const socket = open();
    socket.send(`POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n${GET}`);
    assert.equal(asked.length, 0);
    assert.match(socket.text, /^HTTP\/1\.1 400 /);
    assert.equal(socket.text.match(/HTTP\/1\.1/g)?.length, 1);
  }),
);

test(
  "A 100 goes out when the body is asked for, and never when it is not",
  inWorld(async () => {
    const expecting = post("", "expect: 100-continue\r\n").replace("length: 0", "length: 4");
    const refusing = await http1World(() => whole("no"));
    const refused = refusing.open();
    refused.send(expecting);
    assert.equal(refused.text, wholeText("no", "connection: close\r\n"));
    const reading = await http1World(async (request) =>
      whole(await new Response(request.body).text())
    );
    const socket = reading.open();
    socket.send(expecting);
    await settle();
    assert.equal(socket.takeText(), "HTTP/1.1 100 Continue\r\n\r\n");
    socket.send("body");
    await settle();
    assert.equal(socket.text, wholeText("body"));
  }),
);

test(
  "A client that sends its body without waiting gets no 100",
  inWorld(async () => {
    const { open } = await http1World(async (request) =>
      whole(await new Response(request.body).text())
    );
    const socket = open();
    socket.send(post("body", "expect: 100-continue\r\n"));
    await settle();
    assert.equal(socket.text, wholeText("body"));
  }),
);

test(
  "A refused request ends the connection, and what comes behind it is dropped",
  inWorld(async () => {
    let count = 0;
    const { open, errors } = await http1World(() => whole(`${++count}`));
    const socket = open();
    socket.send(`GET / HTTP/1.1\r\n\r\n${GET}`);
    socket.send(GET);
    assert.equal(
      socket.text,
      `HTTP/1.1 400 Bad Request\r\ndate: ${DATE}\r\ncontent-length: 7\r\nconnection: close\r\n\r\nrefused`,
    );
    assert.equal(socket.ended, "end");
    assert.equal(count, 0);
    assert.deepEqual(errors.map(({ message }) => message), ["There is no Host field"]);
  }),
);

test(
  "A refused HEAD gets no body",
  inWorld(async () => {
    const { open } = await http1World(() => whole(""));
    const socket = open();
    socket.send("HEAD / HTTP/1.1\r\n\r\n");
    assert.match(socket.text, /content-length: 7\r\n.*\r\n\r\n$/s);
  }),
);

test(
  "A header section over the limit is refused with 431, however it is cut",
  inWorld(async () => {
    const limit = 200;
    const sized = (length: number): string => {
      const bare = "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n";
      return bare.replace("x: ", `x: ${"y".repeat(length - bare.length)}`) + "\r\n";
    };
    for (const [length, status] of [[limit, 200], [limit + 1, 431]] as const) {
      const text = sized(length);
      for (let cut = 0; cut <= text.length; cut++) {
        const { open } = await http1World(() => whole(""), { requestHeadersLengthMax: limit });
        const socket = open();
        socket.send(text.slice(0, cut));
        socket.send(text.slice(cut));
        assert.equal(Number(socket.text.split(" ")[1]), status, `cut at ${cut}`);
      }
    }
  }),
);

test(
  "A handler that throws, or answers what cannot be sent, gives 500",
  inWorld(async () => {
    const unsendable = () => new BytesResponse(200, [["x-name", "\u4e2d"]], new Uint8Array(0));
    const handlers = [
      () => {
        throw new Error("thrown");
      },
      () => Promise.reject(new Error("rejected")),
      unsendable,
      () => Promise.resolve(unsendable()),
    ];
    for (const handler of handlers) {
      const { open, failures } = await http1World(handler, { expectsFailures: true });
      const socket = open();
      socket.send(GET + GET);
      await settle();
      assert.equal(failures.length, 2, "each is told, for the log");
      assert.equal(socket.text.match(/HTTP\/1\.1 500 Internal Server Error/g)?.length, 2);
      assert.equal(socket.ended, "no");
    }
  }),
);

test(
  "Early hints go out before the response, to HTTP/1.1 alone",
  inWorld(async () => {
    const hint = "</style.css>; rel=preload";
    for (const version of ["1.1", "1.0"]) {
      const { open } = await http1World(() => whole(""), {
        handler: (_, peer) => {
          peer.earlyHints?.([hint]);
          assert.throws(() => peer.earlyHints?.(["<a>\r\nx: y"]) ?? assert.fail());
          return whole("");
        },
      });
      const socket = open();
      socket.send(`GET / HTTP/${version}\r\nhost: a\r\n\r\n`);
      const hints = version === "1.1" ? `HTTP/1.1 103 Early Hints\r\nlink: ${hint}\r\n\r\n` : "";
      assert.ok(socket.text.startsWith(`${hints}HTTP/1.1 200 OK\r\n`), socket.text);
    }
  }),
);

test(
  "A client that leaves before its response fires the signal, however it leaves",
  inWorld(async () => {
    for (const leave of ["close", "peerEnded"] as const) {
      const { asked, handler } = held();
      const { open, clock } = await http1World(handler);
      const socket = open();
      socket.send(post("x"));
      const { request, response } = asked[0]!;
      const { signal } = request;
      const abortSignal = abortSignalOf(request);
      assert.equal(signal.aborted, false);
      if (leave === "close") socket.close();
      else socket.events.peerEnded();
      assert.equal(signal.aborted, true);
      assert.equal(abortSignal.aborted, true);
      response(whole("late"));
      await settle();
      assert.equal(socket.text, "");
      assert.notEqual(socket.ended, "no");
      assert.equal(clock.timerCount, 0);
    }
  }),
);

test(
  "A client that leaves within a stream cancels it, however it leaves",
  inWorld(async () => {
    for (const leave of ["close", "peerEnded"] as const) {
      const cancelled = Promise.withResolvers<void>();
      const { open } = await http1World(() =>
        new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(9)),
            cancel: () => cancelled.resolve(),
          }),
        )
      );
      const socket = open();
      socket.send(GET);
      await settle();
      if (leave === "close") socket.close();
      else socket.events.peerEnded();
      await cancelled.promise;
      assert.equal(socket.ended, leave === "close" ? "destroy" : "reset");
    }
  }),
);

test(
  "A client that has said all it wanted gets what was written before",
  inWorld(async () => {
    const { open } = await http1World(() => whole("x".repeat(100_000)));
    const socket = open();
    socket.room = 1000;
    socket.send(GET);
    socket.events.peerEnded();
    assert.equal(socket.ended, "end");
    socket.take(Infinity);
    assert.equal(socket.text, wholeText("x".repeat(100_000)));
  }),
);

test(
  "A client that leaves between requests, or within a header section, is said good-bye",
  inWorld(async () => {
    for (const sent of ["", "GET / HT", GET]) {
      const { open } = await http1World(() => whole(""));
      const socket = open();
      if (sent !== "") socket.send(sent);
      socket.events.peerEnded();
      assert.equal(socket.ended, "end");
    }
  }),
);

test(
  "Nothing is said or read after a socket has gone",
  inWorld(async () => {
    const { asked, handler } = held();
    const { open, failures } = await http1World(handler);
    const socket = open();
    socket.send(GET);
    socket.close();
    socket.send(GET);
    socket.events.drained();
    socket.events.peerEnded();
    socket.close();
    assert.equal(asked.length, 1);
    assert.deepEqual(failures, []);
  }),
);

test(
  "An early response to a body that is long or in chunks says that it is the last",
  inWorld(async () => {
    const framings = [`content-length: ${DRAINED_LENGTH_MAX + 11}`, "transfer-encoding: chunked"];
    for (const framing of framings) {
      const { open, clock } = await http1World(async (request) => {
        await request.body?.getReader().read();
        return whole("early");
      });
      const socket = open();
      socket.send(`POST / HTTP/1.1\r\nhost: a\r\n${framing}\r\n\r\n5\r\nhello\r\n`);
      await settle();
      assert.equal(socket.text, wholeText("early", "connection: close\r\n"));
      assert.deepEqual([socket.ended, socket.isPaused], ["end", false]);
      // The client goes on, and is read for a while: it can see the response.
      const piece = new Uint8Array(1024 * 1024);
      for (let sent = 0; sent < LINGERED_LENGTH_MAX; sent += piece.length) socket.send(piece);
      assert.equal(socket.isPaused, false);
      socket.send(piece);
      assert.equal(socket.isPaused, true);
      await clock.advance(7_000);
      assert.equal(socket.ended, "destroy");
    }
  }),
);
