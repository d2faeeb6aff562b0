/** The time limits of requests to HTTP servers, and of connections that have left HTTP. */
import type { TimeoutOptions } from "../../src/upstream/options.ts";
import {
  ClientSide,
  HttpWorld,
  OK,
  ScriptedServer,
  SWITCHED,
} from "../support/http_upstream_world.ts";
import { fedBody, type WorldSettings } from "../support/upstream_world.ts";
import { outcomeOf, type Running, type TimeLimit } from "./limit.ts";
import { codeOf, FAR_MS, LATE_MS, NEIGHBOURS, others, Reading } from "./upstream_limits.ts";

const HEADERS = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

async function worldWith(
  own: Partial<TimeoutOptions>,
  off: string | undefined,
  settings: WorldSettings = {},
): Promise<{ world: HttpWorld; server: ScriptedServer }> {
  const timeouts = Object.fromEntries(NEIGHBOURS.map((name) => [name, name === off ? 0 : FAR_MS]));
  const world = new HttpWorld({
    retry: { attemptsMax: 0 },
    ...settings,
    timeouts: { ...timeouts, ...own },
  });
  return { world, server: await new ScriptedServer().listen(world) };
}

/** A neighbour on a connection of its own, answered whole. */
async function another(world: HttpWorld, server: ScriptedServer): Promise<void> {
  const response = world.ask("/other");
  await world.settle();
  server.connections.findLast(({ received }) => received.includes("/other"))!.say(OK);
  await response;
}

const base = { limitMs: 2_000, lateMs: LATE_MS, movedBy: [] } as const;

export const HTTP_UPSTREAM_LIMITS: readonly TimeLimit[] = [
  {
    ...base,
    key: "upstreams.NAME.timeouts.first_byte",
    when: "an HTTP server says nothing",
    neighbours: others("firstByteMs"),
    notMovedBy: ["a part of the header section", "an interim response", "another response"],
    async begin(off) {
      const { world, server } = await worldWith({ firstByteMs: 2_000 }, off);
      const response = world.ask("/");
      await world.settle();
      const [connection] = server.connections;
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(response, codeOf),
        firesAs: "first_byte_timeout",
        acts: {
          "a part of the header section": () => connection!.say("HTTP/1.1 200 OK\r\n"),
          "an interim response": () => connection!.say("HTTP/1.1 103 Early Hints\r\n\r\n"),
          "another response": () => another(world, server),
        },
        end: () => world.close(),
      };
    },
  },
  {
    ...base,
    key: "upstreams.NAME.timeouts.first_byte",
    when: "the client sends its body to an HTTP server",
    neighbours: others("firstByteMs"),
    movedBy: ["a piece of the body"],
    notMovedBy: ["an interim response", "another response"],
    async begin(off) {
      const { world, server } = await worldWith({ firstByteMs: 2_000 }, off);
      const { body, feed } = fedBody(1_000);
      const response = world.ask("/", { method: "POST", body });
      await world.settle();
      const [connection] = server.connections;
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(response, codeOf),
        firesAs: "request_body_timeout",
        acts: {
          "a piece of the body": () => feed.enqueue(new Uint8Array(10)),
          "an interim response": () => connection!.say("HTTP/1.1 103 Early Hints\r\n\r\n"),
          "another response": () => another(world, server),
        },
        end: () => world.close(),
      };
    },
  },
  {
    ...base,
    key: "upstreams.NAME.timeouts.idle",
    when: "a response of an HTTP server has begun",
    neighbours: others("idleMs"),
    movedBy: ["a piece of the response"],
    notMovedBy: ["a part of a chunk's size", "the client's body", "another response"],
    async begin(off) {
      const { world, server } = await worldWith({ idleMs: 2_000 }, off);
      const { body, feed } = fedBody(1_000);
      const response = world.ask("/", { method: "POST", body });
      await world.settle();
      const [connection] = server.connections;
      connection!.say(`${HEADERS}5\r\nHello\r\n`);
      const reading = new Reading();
      return {
        advance: (ms) => world.advance(ms),
        fired: outcomeOf(reading.readAll(await response), codeOf),
        firesAs: "idle_timeout",
        acts: {
          "a piece of the response": () => connection!.say("1\r\nx\r\n"),
          "a part of a chunk's size": () => connection!.say("0"),
          "the client's body": () => feed.enqueue(new Uint8Array(10)),
          "another response": () => another(world, server),
        },
        end: () => world.close(),
      };
    },
  },
  ...(["the server says nothing", "a response has begun"] as const).map((when): TimeLimit => ({
    ...base,
    key: "upstreams.NAME.timeouts.total",
    when: `an HTTP server is asked, and ${when}`,
    neighbours: others("totalMs"),
    notMovedBy: ["bytes of the response", "another response"],
    async begin(off) {
      const { world, server } = await worldWith({ totalMs: 2_000 }, off);
      const response = world.ask("/");
      await world.settle();
      const [connection] = server.connections;
      let fired = outcomeOf(response, codeOf);
      if (when === "a response has begun") {
        connection!.say(`${HEADERS}5\r\nHello\r\n`);
        fired = outcomeOf(new Reading().readAll(await response), codeOf);
      }
      const piece = when === "a response has begun" ? "1\r\nx\r\n" : "HTTP/1.1 200 OK\r\n";
      return {
        advance: (ms) => world.advance(ms),
        fired,
        firesAs: "total_timeout",
        acts: {
          "bytes of the response": () => connection!.say(piece),
          "another response": () => another(world, server),
        },
        end: () => world.close(),
      };
    },
  })),
  {
    ...base,
    key: "upstreams.NAME.tunnels.idle_timeout",
    when: "a connection has left HTTP",
    neighbours: NEIGHBOURS,
    movedBy: ["bytes of the server", "bytes of the client"],
    notMovedBy: ["another response", "another tunnel's bytes"],
    async begin(off): Promise<Running> {
      const { world, server } = await worldWith({}, off, { tunnels: { max: 9, idleMs: 2_000 } });
      const open = async () => {
        const client = new ClientSide();
        const response = world.ask("/tunnel", { http: client.http });
        await world.settle();
        const connection = server.connections.at(-1)!;
        connection.say(SWITCHED);
        const fired = outcomeOf(new Reading().readAll(await response), codeOf);
        return { client, connection, fired };
      };
      const other = await open();
      const { client, connection, fired } = await open();
      return {
        advance: (ms) => world.advance(ms),
        fired,
        firesAs: "idle_timeout",
        acts: {
          "bytes of the server": () => connection.say("x"),
          "bytes of the client": () => client.send("x"),
          "another response": () => another(world, server),
          "another tunnel's bytes": () => other.connection.say("x"),
        },
        end: () => world.close(),
      };
    },
  },
];
