/**
 * Clients that end their side and then say and take nothing more, in every state of a connection, over
 * HTTP/1.1 and HTTP/2: each is gone within its time, its handler hears of it, and nobody waits for
 * the rest of a body. And sockets that come when the server has stopped.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { LEAVING_MS } from "../../src/http2/liveness.ts";
import { HELD_MS } from "../../src/http2/limits.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import type { HttpResponse } from "../../src/runtime/http_response.ts";
import { http1World, settle, whole } from "../support/http1_world.ts";
import { requestFields } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

const { sendMs, closeMs } = CONNECTION_TIMEOUTS;

/** Within which any of them is gone; times are looked at once a second. */
const LIMIT_MS = sendMs + closeMs + Math.max(HELD_MS, LEAVING_MS) + 5_000;

const LONG = "x".repeat(300_000);

/** What handlers have begun and not ended. */
interface Handlers {
  open: number;
}

/** `/never` answers never, `/body` reads the body first, `/stream` sends without an end. */
function handlerOf(handlers: Handlers) {
  return async (request: HttpRequest): Promise<HttpResponse> => {
    const path = request.url.slice(request.url.lastIndexOf("/"));
    handlers.open++;
    const end = (): void => void handlers.open--;
    if (path === "/never") {
      return await new Promise((resolve) =>
        request.signal.addEventListener("abort", () => {
          end();
          resolve(whole("late"));
        })
      );
    }
    if (path === "/stream") {
      return new Response(
        new ReadableStream({
          pull: (controller) => void controller.enqueue(new Uint8Array(10_000)),
          cancel: end,
        }, { highWaterMark: 0 }),
      );
    }
    try {
      if (path === "/body") await new Response(request.body as ReadableStream).text();
    } finally {
      end();
    }
    return whole(path === "/long" ? LONG : "x");
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const post = (path: string, sent: string, more = ""): string =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n${more}\r\n${sent}`;

type Begin<Client> = (client: Client) => void | Promise<void>;

const HTTP1: Readonly<Record<string, Begin<MemoryCallbackSocket>>> = {
  "before it has said anything": () => {},
  "within a header section": (socket) => socket.send("GET / HTTP/1.1\r\nhost"),
  "before its response is there": (socket) => socket.send(get("/never")),
  "within its request's body": (socket) => socket.send(post("/body", "abc")),
  "within its request's body, whose response is there": (socket) =>
    socket.send(post("/early", "abc")),
  "before it was told to go on": (socket) =>
    socket.send(post("/body", "", "expect: 100-continue\r\n")),
  "within a response without an end": (socket) => {
    socket.room = 50_000;
    socket.send(get("/stream"));
  },
  "while it takes nothing of a response": (socket) => {
    socket.room = 10;
    socket.send(get("/long"));
  },
  "while more waits behind a response that it does not take": (socket) => {
    socket.room = 10;
    socket.send(get("/long") + get("/never") + get("/"));
  },
  "between two requests": (socket) => socket.send(get("/")),
  "when the server has ended its own": (socket) =>
    socket.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
  "when its request was refused": (socket) => socket.send("nonsense\r\n\r\n"),
};

const HTTP2: Readonly<Record<string, Begin<MemoryHttp2Client>>> = {
  "before it has said anything but its greeting": () => {},
  "before its response is there": (client) => void client.request(requestFields("GET", "/never")),
  "within its request's body": (client) => {
    const id = client.request(requestFields("POST", "/body"), false);
    client.data(id, new Uint8Array(3));
  },
  "within a response without an end": (client) => {
    client.socket.room = 50_000;
    client.request(requestFields("GET", "/stream"));
  },
  "while it takes nothing of a response": (client) => {
    client.socket.room = 10;
    client.request(requestFields("GET", "/long"));
  },
  "between two requests": (client) => void client.request(requestFields("GET", "/")),
};

function assertGone(socket: MemoryCallbackSocket, handlers: Handlers, what: string): void {
  assert.ok(socket.ended === "destroy" || socket.ended === "reset", `${what}: ${socket.ended}`);
  assert.equal(handlers.open, 0, `${what}: a handler goes on`);
}

for (const [state, begin] of Object.entries(HTTP1)) {
  test(
    `A client of HTTP/1.1 that ends its side ${state} is gone in time`,
    inWorld(async () => {
      const handlers = { open: 0 };
      const { open, clock } = await http1World(handlerOf(handlers), { expectsFailures: true });
      const socket = open();
      await begin(socket);
      await settle();
      socket.events.peerEnded();
      await settle();
      clock.advance(LIMIT_MS);
      await settle();
      assertGone(socket, handlers, state);
      assert.equal(clock.timerCount, 0, "nobody is there, and nothing to be looked at");
    }),
  );
}

for (const [state, begin] of Object.entries(HTTP2)) {
  test(
    `A client of HTTP/2 that ends its side ${state} is gone in time`,
    inWorld(async () => {
      const handlers = { open: 0 };
      const { open, clock } = await http2World(handlerOf(handlers), { expectsFailures: true });
      const client = open();
      await begin(client);
      await client.settled();
      client.socket.events.peerEnded();
      await settle();
      clock.advance(LIMIT_MS);
      await settle();
      assertGone(client.socket, handlers, state);
      assert.equal(clock.timerCount, 0, "nobody is there, and nothing to be looked at");
    }),
  );
}

for (const [name, makeWorld] of [["HTTP/1.1", http1World], ["HTTP/2", http2World]] as const) {
  test(
    `A socket that comes when a server of ${name} has stopped is let go at once`,
    inWorld(async () => {
      const world = await makeWorld(() => whole("x"));
      await world.server.stop();
      const late = world.open();
      const socket = "socket" in late ? late.socket : late;
      assert.equal(socket.ended, "destroy");
      socket.send(get("/"));
      await settle();
      assert.equal(socket.text, "");
      assert.equal(world.clock.timerCount, 0);
    }),
  );

  test(
    `A socket that comes while a server of ${name} stops holds nothing up`,
    inWorld(async () => {
      const responses: ((response: HttpResponse) => void)[] = [];
      const { server, open, clock } = await http1World(() =>
        new Promise((resolve) => responses.push(resolve))
      );
      const first = open();
      first.send(get("/"));
      let isStopped = false;
      const stopping = server.stop().then(() => isStopped = true);
      const late = open();
      late.send("GET / HT");
      await settle();
      assert.equal(isStopped, false);
      responses[0]!(whole("x"));
      await stopping;
      assert.equal(late.ended, "destroy");
      assert.equal(clock.timerCount, 0);
    }),
  );
}
