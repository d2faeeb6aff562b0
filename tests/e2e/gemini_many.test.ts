/** A thousand TLS connections at once through the executable, slow ones among them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TlsConnection } from "../../src/runtime/tls.ts";
import { Afcgi } from "../support/afcgi.ts";
import { dialGemini, readReply } from "../support/gemini.ts";
import { temporaryDirectory } from "../support/places.ts";

const CONNECTIONS = 1000;
/** Those that send their line byte by byte, and those that never finish it. */
const SLOW = 100;
const HALF = 100;
/** Handshakes under way at once: more would only wait in the system's queue. */
const BATCH = 100;

const write = (connection: TlsConnection, text: string) => {
  const writer = connection.writable.getWriter();
  const written = writer.write(new TextEncoder().encode(text));
  return written.finally(() => writer.releaseLock());
};

test(`${CONNECTIONS} connections at once are answered, slow and half ones among them`, async () => {
  const directory = temporaryDirectory();
  const afcgi = await Afcgi.start({
    config: {
      listen: undefined,
      gemini: [{
        listen: "127.0.0.1:0",
        hosts: ["localhost"],
        tls: { self_signed: true, store: join(directory, "store") },
        routes: [{ respond: { code: 20, meta: "text/gemini", body: "# Hello\n" } }],
      }],
      limits: {
        gemini: {
          connections: CONNECTIONS,
          connections_per_address: CONNECTIONS,
          requests_per_second: 0,
          request_timeout: "20s",
        },
      },
    },
  });
  const connections: TlsConnection[] = [];
  while (connections.length < CONNECTIONS) {
    const batch = Array.from({ length: BATCH }, () => dialGemini(afcgi.port));
    connections.push(...await Promise.all(batch));
  }
  // One more than the limit is not let in.
  await assert.rejects(dialGemini(afcgi.port));
  const line = `gemini://localhost:${afcgi.port}/\r\n`;
  const half = connections.splice(0, HALF);
  const slow = connections.splice(0, SLOW);
  await Promise.all(half.map((connection) => write(connection, line.slice(0, 10))));
  const slowReplies = slow.map(async (connection) => {
    for (const character of line) {
      await write(connection, character);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return await readReply(connection);
  });
  const replies = connections.map(async (connection) => {
    await write(connection, line);
    return await readReply(connection);
  });
  for (const reply of await Promise.all([...replies, ...slowReplies])) {
    assert.deepEqual(reply, { header: "20 text/gemini", body: "# Hello\n" });
  }
  // A stop drops those that have not asked.
  const dropped = Promise.all(half.map(readReply));
  await afcgi.stop();
  for (const reply of await dropped) assert.deepEqual(reply, { header: "", body: "" });
});
