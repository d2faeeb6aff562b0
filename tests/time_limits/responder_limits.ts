/** The time limits of web servers that speak to our responder. */
import { LINGER_MS } from "../../src/responder/responder_connection.ts";
import type { ResponderLimits } from "../../src/responder/options.ts";
import { gate, serve, turns } from "../responder/setup.ts";
import type { WebServerClient } from "../responder/web_server_client.ts";
import { outcomeOf, type Running, type TimeLimit } from "./limit.ts";

/** Connections are looked at once a second, and their activity is as old as the look before. */
const LATE_MS = 2_000;

const LIMIT_MS = 10_000;

async function worldWith(limits: Partial<ResponderLimits>, off: string | undefined) {
  const never = gate();
  const world = await serve(async (request) => {
    if (new URL(request.url).pathname === "/never") await never.promise;
    return new Response(request.method === "POST" ? await request.text() : "x");
  }, {
    inputTimeoutMs: 1_000_000,
    idleTimeoutMs: 1_000_000,
    ...limits,
    ...(off !== undefined && { [off]: 0 }),
  });
  const client = await world.connect();
  const running = (
    fired: Running["fired"],
    firesAs: string,
    acts: Running["acts"],
  ): Running => ({
    async advance(durationMs) {
      for (let left = durationMs; left > 0; left -= 500) {
        world.runtime.clock.advance(Math.min(500, left));
        await turns();
      }
    },
    fired,
    firesAs,
    acts,
    async end() {
      never.resolve();
      await client.destroy();
      await world.server.shutdown({ grace: 0 });
    },
  });
  return { ...world, client, running };
}

const closed = (client: WebServerClient) => () => client.closed ? "closed" : undefined;

export const RESPONDER_LIMITS: readonly TimeLimit[] = [
  {
    key: "internal: inputTimeoutMs of the responder",
    when: "the body of a request stopped coming",
    limitMs: LIMIT_MS,
    lateMs: LATE_MS,
    neighbours: ["idleTimeoutMs"],
    movedBy: ["a piece of the body"],
    notMovedBy: ["another connection"],
    async begin(off) {
      const { client, connect, running } = await worldWith({ inputTimeoutMs: LIMIT_MS }, off);
      const request = client.begin({ method: "POST", body: null });
      await turns();
      return running(closed(client), "closed", {
        "a piece of the body": () => {
          client.protocol.sendStdin(request.id, new Uint8Array(10));
          return client.flush();
        },
        "another connection": async () => void (await (await connect()).begin().ended()),
      });
    },
  },
  {
    key: "internal: idleTimeoutMs of the responder",
    when: "a connection has no request",
    limitMs: LIMIT_MS,
    lateMs: LATE_MS,
    neighbours: ["inputTimeoutMs"],
    movedBy: ["a request with its response"],
    notMovedBy: ["another connection"],
    paused: { by: "a request is under way", waits: true },
    async begin(off) {
      const { client, connect, running } = await worldWith({ idleTimeoutMs: LIMIT_MS }, off);
      await client.begin().ended();
      return running(closed(client), "closed", {
        "a request with its response": () => client.begin().ended(),
        "another connection": async () => void (await (await connect()).begin().ended()),
        "a request is under way": () => void client.begin({ uri: "/never" }),
      });
    },
  },
  {
    key: "internal: LINGER_MS of the responder",
    when: "a web server does not close what we have ended",
    limitMs: LINGER_MS,
    lateMs: 0,
    neighbours: ["inputTimeoutMs", "idleTimeoutMs"],
    movedBy: [],
    notMovedBy: ["what it sends"],
    async begin(off) {
      const { client, server, running } = await worldWith({}, off);
      client.pause();
      client.begin({ keepConnection: false });
      await turns();
      const done = server.shutdown({ grace: 1_000_000 });
      await turns();
      return running(outcomeOf(done, String), "done", {
        "what it sends": () => client.begin(),
      });
    },
  },
  {
    key: "internal: grace of the responder's shutdown",
    when: "a handler goes on",
    limitMs: LIMIT_MS,
    lateMs: 0,
    neighbours: ["inputTimeoutMs", "idleTimeoutMs"],
    movedBy: [],
    notMovedBy: ["a second shutdown"],
    async begin(off) {
      const { client, server, running } = await worldWith({}, off);
      client.begin({ uri: "/never" });
      await turns();
      const done = server.shutdown({ grace: LIMIT_MS });
      await turns();
      return running(outcomeOf(done, String), "done", {
        "a second shutdown": () => void server.shutdown({ grace: 1_000_000 }),
      });
    },
  },
];
