/**
 * A server that is configured anew while it runs: each thing that may change holds for whoever comes
 * from then on, as if the server had begun with it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Http2Connection } from "../../src/http2/connection.ts";
import { HTTP2_LIMIT_DEFAULTS } from "../../src/http2/limits.ts";
import { NO_OBSERVER } from "../../src/http2/observer.ts";
import { CONNECTION_TIMEOUTS, type ServerChanges } from "../../src/http1/server.ts";
import { GET, http1World, settle, whole } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

type World = Awaited<ReturnType<typeof http1World>>;

interface Change {
  readonly changes: Partial<ServerChanges>;
  /** What a new client gets or meets. */
  meets(world: World, socket: MemoryCallbackSocket): Promise<unknown> | unknown;
  readonly before: unknown;
  readonly behind: unknown;
}

const statusOf = (socket: MemoryCallbackSocket): string | undefined =>
  /^HTTP\/1\.1 (\d+)/.exec(socket.text)?.[1];

const BASE: ServerChanges = {
  requestHeadersLengthMax: 1_000,
  handler: () => whole("before"),
};

const CHANGES: Readonly<Record<keyof ServerChanges, Change | "shown elsewhere">> = {
  handler: {
    changes: { handler: () => whole("behind") },
    meets(_world, socket) {
      socket.send(GET);
      return /\w+$/.exec(socket.text)?.[0];
    },
    before: "before",
    behind: "behind",
  },
  requestHeadersLengthMax: {
    changes: { requestHeadersLengthMax: 100 },
    meets(_world, socket) {
      socket.send(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(200)}\r\n\r\n`);
      return statusOf(socket);
    },
    before: "200",
    behind: "431",
  },
  timeouts: {
    changes: { timeouts: { ...CONNECTION_TIMEOUTS, idleMs: 2_000 } },
    async meets({ clock }, socket) {
      clock.advance(5_000);
      await settle();
      return socket.ended;
    },
    before: "no",
    behind: "end",
  },
  requestsMax: {
    changes: { requestsMax: 1 },
    meets(_world, socket) {
      socket.send(GET);
      return /connection: close/.test(socket.text);
    },
    before: false,
    behind: true,
  },
  proxyProtocol: {
    changes: {
      proxyProtocol: { isTrusted: () => false, onRefused() {} },
    },
    meets: (_world, socket) => socket.ended,
    before: "no",
    behind: "reset",
  },
  openHttp2: {
    changes: {
      openHttp2: (server, socket) =>
        new Http2Connection(server, socket, {
          limits: HTTP2_LIMIT_DEFAULTS,
          observer: NO_OBSERVER,
        }),
    },
    meets(_world, socket) {
      socket.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      return statusOf(socket);
    },
    before: "505",
    behind: undefined,
  },
  // Whether there is TLS does not change.
  tls: "shown elsewhere",
};

for (const [name, change] of Object.entries(CHANGES)) {
  if (change === "shown elsewhere") continue;
  test(
    `Another ${name} holds for who comes from then on, and no longer than it is said`,
    inWorld(async () => {
      const world = await http1World(BASE.handler as Parameters<typeof http1World>[0], {
        requestHeadersLengthMax: BASE.requestHeadersLengthMax,
      });
      const { server } = world;
      const { changes, meets, before, behind } = change;
      const look = async () => {
        const socket = world.open();
        await settle();
        const met = await meets(world, socket);
        socket.close();
        return met;
      };
      assert.deepEqual(await look(), before);
      server.configure({ ...BASE, ...changes });
      assert.deepEqual(await look(), behind);
      server.configure(BASE);
      assert.deepEqual(await look(), before);
    }),
  );
}
