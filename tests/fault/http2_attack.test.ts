/**
 * The executable under attack over HTTP/2, beside 64 honest connections of h2load with ten streams
 * each: every attacker loses its connection each time, every honest request is answered, the
 * log has a line and the metrics a count. Each limit by itself is in tests/attack/http2_limits.test.ts.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Flag, Setting } from "../../src/http2/constants.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { freshSocket } from "../support/gateway.ts";
import { requestFields, setting } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { missingPeer } from "../support/peers.ts";

const run = promisify(execFile);
const HONEST_REQUESTS = 10_000;
const LIMIT_MS = 60_000;
/** Frames that an attacker sends before it looks whether it is still there. */
const ROUND = 200;

const ATTACKS: Readonly<Record<string, (client: SocketHttp2Client) => void>> = {
  resets: (client) => client.reset(client.request()),
  pings: (client) => client.ping(),
  settings: (client) => client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 1)),
  empty_frames: (client) => client.frame("PRIORITY", 0, 3, Uint8Array.of(0, 0, 0, 1, 16)),
  window_updates: (client) => client.windowUpdate(0, 1),
};

/** Attacks until told to stop; how often the connection was lost. */
async function attack(
  port: number,
  act: (client: SocketHttp2Client) => void,
  isOver: () => boolean,
): Promise<number> {
  let lost = 0;
  while (!isOver()) {
    const client = await SocketHttp2Client.open(port);
    while (!client.isClosed && client.goaway === undefined && !isOver()) {
      for (let count = 0; count < ROUND; count++) act(client);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (client.goaway === "ENHANCE_YOUR_CALM") lost++;
    client.destroy();
  }
  return lost;
}

test("Attackers lose their connections, and 64 honest clients none of their requests", {
  skip: missingPeer("nghttp2"),
}, async () => {
  const afcgi = await Afcgi.start({
    config: { ...ADMIN, sites: [{ routes: [{ respond: { body: "hello" } }] }] },
  });
  const admin = await Admin.of(afcgi);
  let isOver = false;
  const attackers = Object.entries(ATTACKS).map(([limit, act]) =>
    attack(afcgi.port, act, () => isOver).then((lost) => ({ limit, lost }))
  );
  const { stdout } = await run("h2load", [
    ...["-n", String(HONEST_REQUESTS), "-c", "64", "-m", "10"],
    `http://127.0.0.1:${afcgi.port}/`,
  ], { timeout: LIMIT_MS });
  isOver = true;
  assert.match(stdout, new RegExp(`${HONEST_REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout`));
  for (const { limit, lost } of await Promise.all(attackers)) assert.ok(lost > 0, limit);
  assert.ok(await admin.metric("afcgi_http_goaways_total") >= attackers.length);
  await afcgi.waitForLog(({ code }) => code === "http2_limit");
  await afcgi.stop();
});

test("A header section without end costs its client the connection, and little memory", async () => {
  const afcgi = await Afcgi.start({
    config: { ...ADMIN, sites: [{ routes: [{ respond: { body: "hello" } }] }] },
  });
  const client = await SocketHttp2Client.open(afcgi.port);
  client.frame("HEADERS", Flag.END_STREAM, 1, client.block([["a", "b"]]));
  for (let count = 0; count < 2000 && !client.isClosed; count++) {
    client.frame("CONTINUATION", 0, 1, new Uint8Array(16_000).fill(0x82));
    if (count % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await client.until(() => client.goaway !== undefined || client.isClosed);
  assert.equal(client.goaway, "ENHANCE_YOUR_CALM");
  client.destroy();
  const { limit } = await afcgi.waitForLog(({ code }) => code === "http2_limit");
  assert.equal(limit, "continuations");
  await afcgi.stop();
});

const MIB = 1024 * 1024;
const STREAMS = 100;
const LENGTH = 1.5 * MIB;

test("A client that reads none of a hundred responses costs memory and then files, and no other stream", async () => {
  const listen = freshSocket() as { readonly path: string } & ReturnType<typeof freshSocket>;
  const page = new Uint8Array(LENGTH).fill(120);
  let finished = 0;
  const application = await serveFastCgi((request) => {
    if (!request.url.endsWith("/large")) return new Response("small");
    let left = LENGTH;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left === 0) {
          finished++;
          return controller.close();
        }
        const length = Math.min(left, 64 * 1024);
        left -= length;
        controller.enqueue(page.subarray(0, length));
      },
    });
    return new Response(body);
  }, { listen });
  const afcgi = await Afcgi.start({
    config: {
      ...ADMIN,
      limits: { response_buffer: "64KiB" },
      upstreams: { app: { servers: [`unix:${listen.path}`], multiplex: "on" } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
  const admin = await Admin.of(afcgi);
  const resident = () => admin.metric("process_resident_memory_bytes");
  const before = await resident();
  const client = await SocketHttp2Client.open(afcgi.port);
  // Nothing but headers comes, as long as it does not open the windows of its streams.
  client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 0));
  const ids = Array.from({ length: STREAMS }, () => client.request(requestFields("GET", "/large")));
  let highest = 0;
  while (finished < STREAMS) {
    const small = client.request(requestFields("GET", "/small"));
    client.windowUpdate(small, 1000);
    await client.whole(small);
    assert.equal(client.text(small), "small");
    highest = Math.max(highest, await resident());
  }
  // Of 150 MiB: 64 KiB and a piece of each, and what is on its way.
  const more = (highest - before) / MIB;
  assert.ok(more < 100, `${more} MiB more`);
  for (const id of ids) client.windowUpdate(id, LENGTH);
  for (const id of ids) {
    const { body, isWhole } = await client.whole(id);
    assert.deepEqual([body.length, isWhole], [LENGTH, true]);
  }
  assert.equal(client.goaway, undefined);
  client.destroy();
  await afcgi.stop();
  await application.shutdown({ grace: 0 });
});
