/** The time limits of clients that speak HTTP/2: those of the configuration, and its own. */
import { HELD_MS } from "../../src/http2/limits.ts";
import { LEAVING_MS, PING_ANSWER_MS } from "../../src/http2/liveness.ts";
import { Flag, Setting } from "../../src/http2/constants.ts";
import type { Http2Limits } from "../../src/http2/limits.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { type Handler, settle, whole } from "../support/http1_world.ts";
import { requestFields, setting } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import type { Running, TimeLimit } from "./limit.ts";

const LIMIT_MS = 10_000;
const FAR_MS = 1_000_000;

/** Connections are looked at once a second. */
const LATE_MS = 1_000;

const NEIGHBOURS = ["headersMs", "idleMs", "sendMs", "closeMs"] as const;

type Name = typeof NEIGHBOURS[number];

type World = Awaited<ReturnType<typeof http2World>>;

interface Settings {
  readonly own?: Partial<Record<Name, number>>;
  readonly off: string | undefined;
  readonly handler?: Handler;
  readonly limits?: Partial<Http2Limits>;
}

async function worldWith({ own, off, handler, limits = {} }: Settings): Promise<World> {
  const timeouts = { ...CONNECTION_TIMEOUTS };
  for (const name of NEIGHBOURS) timeouts[name] = name === off ? Infinity : FAR_MS;
  return await http2World(handler ?? (() => whole("x")), {
    timeouts: { ...timeouts, ...own },
    limits,
  });
}

function situation(
  { clock, server }: World,
  { socket }: MemoryHttp2Client,
  firesAs: string,
  fired: () => string | undefined,
  acts: Running["acts"],
): Running {
  return {
    async advance(durationMs) {
      clock.advance(durationMs);
      await settle();
    },
    fired,
    firesAs,
    acts,
    async end() {
      if (!socket.isClosed) socket.close();
      server.destroy();
      await settle();
      if (clock.timerCount > 0) throw new Error(`${clock.timerCount} timers are left`);
    },
  };
}

const others = (...own: Name[]): string[] => NEIGHBOURS.filter((name) => !own.includes(name));

const base = { limitMs: LIMIT_MS, lateMs: LATE_MS, movedBy: [] } as const;

const never: Handler = () => new Promise(() => {});

const POST = requestFields("POST", "/", [["content-length", "1000"]]);

const another = (world: World) => async () => {
  world.open().request();
  await settle();
};

const goaway = (client: MemoryHttp2Client) => () => client.read().goaway;

const ended = ({ socket }: MemoryHttp2Client) => () =>
  socket.ended === "no" ? undefined : socket.ended;

const resetOf = (client: MemoryHttp2Client, id: number) => () => client.read().response(id).reset;

/** Windows of streams that are this long at first. */
const windowOf = (length: number) => setting(Setting.INITIAL_WINDOW_SIZE, length);

export const HTTP2_LIMITS: readonly TimeLimit[] = [
  {
    ...base,
    key: "limits.http.head_timeout",
    when: "a preface of HTTP/2 has begun",
    neighbours: others("headersMs"),
    notMovedBy: ["a byte of the preface", "another client"],
    async begin(off) {
      const world = await worldWith({ own: { headersMs: LIMIT_MS }, off });
      const client = world.openSilent();
      client.socket.send("PRI * HTTP/2.0\r\n\r\nS");
      return situation(world, client, "end", ended(client), {
        "a byte of the preface": () => client.socket.send("M"),
        "another client": another(world),
      });
    },
  },
  {
    ...base,
    key: "limits.http.head_timeout",
    when: "a header section of HTTP/2 is not at its end",
    neighbours: others("headersMs"),
    notMovedBy: ["a byte of the header section", "another client"],
    async begin(off) {
      const world = await worldWith({ own: { headersMs: LIMIT_MS }, off });
      const client = world.open();
      const block = client.block(POST);
      client.frame("HEADERS", 0, client.nextId(), block.subarray(0, 4));
      return situation(world, client, "ENHANCE_YOUR_CALM", goaway(client), {
        "a byte of the header section": () =>
          client.frame("CONTINUATION", 0, 1, block.subarray(4, 5)),
        "another client": another(world),
      });
    },
  },
  {
    ...base,
    key: "limits.http.idle_timeout",
    when: "a connection of HTTP/2 has no stream",
    neighbours: others("idleMs"),
    movedBy: ["a request with its response", "a frame"],
    notMovedBy: ["another client", "a part of a frame"],
    async begin(off) {
      const world = await worldWith({ own: { idleMs: LIMIT_MS }, off });
      const client = world.open();
      client.request();
      await settle();
      return situation(world, client, "NO_ERROR", goaway(client), {
        "a request with its response": () => void client.request(),
        "a frame": () => client.ping(),
        "a part of a frame": () => client.raw(Uint8Array.of(0, 0)),
        "another client": another(world),
      });
    },
  },
  {
    ...base,
    key: "internal: a client of HTTP/2 that is asked whether it is there",
    when: "it has streams and says nothing",
    limitMs: PING_ANSWER_MS,
    neighbours: others("idleMs"),
    notMovedBy: ["another client", "a part of a frame"],
    async begin(off) {
      const world = await worldWith({ own: { idleMs: LATE_MS }, off, handler: never });
      const client = world.open();
      client.request();
      await settle();
      while (client.read().of("PING").length === 0) world.clock.advance(LATE_MS);
      return situation(world, client, "reset", ended(client), {
        "another client": () => void world.open(),
        "a part of a frame": () => client.raw(Uint8Array.of(0, 0)),
      });
    },
  },
  {
    ...base,
    key: "limits.http.send_timeout",
    when: "a client of HTTP/2 does not read",
    neighbours: others("sendMs"),
    movedBy: ["a byte that it takes"],
    notMovedBy: ["a frame", "another client"],
    async begin(off) {
      const handler = () => whole("x".repeat(10_000));
      const world = await worldWith({ own: { sendMs: LIMIT_MS }, off, handler });
      const client = world.open();
      await settle();
      client.socket.room = 100;
      client.request();
      await settle();
      // From when it is looked at first.
      world.clock.advance(LATE_MS);
      return situation(world, client, "reset", ended(client), {
        "a byte that it takes": () => client.socket.take(1),
        "a frame": () => client.ping(),
        "another client": another(world),
      });
    },
  },
  {
    ...base,
    key: "limits.http.send_timeout",
    when: "a stream's window stays closed",
    neighbours: others("sendMs"),
    movedBy: ["a byte of the stream's window"],
    notMovedBy: ["the connection's window", "a frame", "another stream's response"],
    async begin(off) {
      const handler: Handler = (request) => whole(request.url.endsWith("/") ? "x".repeat(99) : "x");
      const world = await worldWith({ own: { sendMs: LIMIT_MS }, off, handler });
      const client = world.open(windowOf(10));
      const id = client.request();
      await settle();
      world.clock.advance(LATE_MS);
      return situation(world, client, "CANCEL", resetOf(client, id), {
        "a byte of the stream's window": () => client.windowUpdate(id, 1),
        "the connection's window": () => client.windowUpdate(0, 1),
        "a frame": () => client.ping(),
        "another stream's response": () => void client.request(requestFields("GET", "/other")),
      });
    },
  },
  {
    ...base,
    key: "limits.http.close_timeout",
    when: "the rest of a body of HTTP/2 is dropped",
    neighbours: others("closeMs"),
    notMovedBy: ["a byte of the body", "another client"],
    async begin(off) {
      const world = await worldWith({ own: { closeMs: LIMIT_MS }, off });
      const client = world.open();
      const id = client.request(POST, false);
      await settle();
      return situation(world, client, "NO_ERROR", resetOf(client, id), {
        "a byte of the body": () => client.data(id, "x"),
        "another client": another(world),
      });
    },
  },
  {
    ...base,
    key: "limits.http.close_timeout",
    when: "a client of HTTP/2 does not close",
    neighbours: others("closeMs"),
    notMovedBy: ["a frame", "another client"],
    paused: { by: "it has not taken all of what was sent", waits: true },
    async begin(off) {
      const world = await worldWith({ own: { closeMs: LIMIT_MS }, off });
      const client = world.open();
      client.frame("PUSH_PROMISE", Flag.END_HEADERS, 1, new Uint8Array(8));
      await settle();
      const fired = () => client.socket.ended === "destroy" ? "destroy" : undefined;
      return situation(world, client, "destroy", fired, {
        "a frame": () => client.ping(),
        "another client": another(world),
        "it has not taken all of what was sent": () =>
          Object.defineProperty(client.socket, "unsentLength", {
            get: () => 10,
            configurable: true,
          }),
      });
    },
  },
  {
    ...base,
    key: "internal: a client of HTTP/2 that holds too much",
    when: "responses wait for its windows",
    limitMs: HELD_MS,
    neighbours: others(),
    notMovedBy: ["a byte that it takes", "a frame", "another client"],
    movedBy: ["that it takes all, and asks again"],
    async begin(off) {
      const handler = () => whole("x".repeat(3_000));
      const world = await worldWith({ off, handler, limits: { memoryMax: 2_000 } });
      const client = world.open(windowOf(0));
      const id = client.request();
      await settle();
      return situation(world, client, "ENHANCE_YOUR_CALM", goaway(client), {
        "a byte that it takes": () => client.windowUpdate(id, 1),
        "a frame": () => client.ping(),
        "another client": another(world),
        "that it takes all, and asks again": async () => {
          client.windowUpdate(id, 3_000);
          await settle();
          world.clock.advance(LATE_MS);
          client.request();
          await settle();
        },
      });
    },
  },
  {
    ...base,
    key: "internal: a client of HTTP/2 that was told to go elsewhere",
    when: "it does not say that it knows",
    limitMs: LEAVING_MS,
    neighbours: others(),
    notMovedBy: ["a request", "another client's end"],
    async begin(off) {
      const world = await worldWith({ off, handler: never });
      const client = world.open();
      const other = world.open();
      client.request();
      await settle();
      world.server.stop().catch(() => {});
      await settle();
      const fired = () => client.read().of("GOAWAY").length > 1 ? "the last GOAWAY" : undefined;
      return situation(world, client, "the last GOAWAY", fired, {
        "a request": () => void client.request(),
        "another client's end": () => other.socket.close(),
      });
    },
  },
];
