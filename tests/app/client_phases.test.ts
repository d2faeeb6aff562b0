/** What metrics say that clients' connections are at. */
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { HTTP2_PREFACE } from "../../src/http1/first_bytes.ts";
import { frameBytes } from "../support/http2_client.ts";
import { type Gateway, withGateway } from "../support/gateway.ts";
import { waitUntil } from "../support/places.ts";

const NONE = { opening: 0, idle: 0, reading: 0, responding: 0, sending: 0, closing: 0 };

async function phases({ admin }: Gateway): Promise<Record<string, number>> {
  const text = (await admin("/metrics")).body.toString();
  const lines = text.matchAll(/^afcgi_client_connections_by_state\{state="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, state, count]) => [state!, Number(count)]));
}

async function waitFor(gateway: Gateway, expected: Partial<typeof NONE>): Promise<void> {
  const wanted = JSON.stringify({ ...NONE, ...expected });
  let last = "";
  await waitUntil(async () => {
    last = JSON.stringify(await phases(gateway));
    return last === wanted;
  }, `${wanted} (seen: ${last})`);
}

test("Clients' connections are counted by what they are at", async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const options = {
    admin: true,
    async application() {
      await gate;
      return new Response("done");
    },
  };
  await withGateway(options, async (gateway) => {
    const sockets: Socket[] = [];
    const dial = (...pieces: readonly (string | Uint8Array)[]): Socket => {
      const socket = connect({ port: gateway.port, host: "127.0.0.1" });
      socket.on("error", () => {});
      socket.on("data", () => {});
      for (const piece of pieces) socket.write(piece);
      sockets.push(socket);
      return socket;
    };
    await waitFor(gateway, {});
    dial();
    await waitFor(gateway, { idle: 1 });
    dial("GET / HT");
    await waitFor(gateway, { idle: 1, reading: 1 });
    dial("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await waitFor(gateway, { idle: 1, reading: 1, responding: 1 });
    dial(HTTP2_PREFACE, frameBytes("SETTINGS", 0, 0));
    await waitFor(gateway, { idle: 2, reading: 1, responding: 1 });
    open();
    await waitFor(gateway, { idle: 3, reading: 1 });
    for (const socket of sockets) socket.destroy();
    await waitFor(gateway, {});
  });
});
