/**
 * `limits.memory` of the executable under bodies that nobody reads: what HTTP/2 streams, HTTP/1
 * connections and sockets hold stays near the limit however much clients would send, others are
 * served, a reload moves the limit, and in the end every upload has its response.
 */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const MIB = 1024 * 1024;
const MEMORY = 8 * MIB;
const CLIENTS = 8;
const STREAMS = 100;
const BODY = new Uint8Array(64_000);
const ALL = CLIENTS * STREAMS * BODY.length;
/** What each client may still have on the way when the limit is reached: a window and a read. */
const CLIENT_MAX = 0.75 * MIB;

/** Takes one connection's requests after the other, and reads none of them before it is told to. */
class SlowServer {
  readonly #sockets = new Set<Socket>();
  #isOpen = false;
  #server!: Server;

  async listen(): Promise<number> {
    this.#server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as { port: number }).port;
  }

  read(isOpen: boolean): void {
    this.#isOpen = isOpen;
    for (const socket of this.#sockets) socket[isOpen ? "resume" : "pause"]();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let text = "";
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const length = Number(/^content-length: (\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
        if (text.length < end + 4 + length) return;
        text = text.slice(end + 4 + length);
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Length: ${String(length).length}\r\n\r\n${length}`,
        );
      }
    });
    if (!this.#isOpen) socket.pause();
  }
}

const server = new SlowServer();
let port: number;

before(async () => {
  port = await server.listen();
});

after(() => server.close());

function config(memory: number, timeout = "60s") {
  return {
    ...ADMIN,
    limits: { memory, spill: 0 },
    upstreams: {
      // One connection: all others wait with what they have sent.
      app: {
        http: [`127.0.0.1:${port}`],
        connections: { max: 1 },
        queue: { max: 5000, timeout },
      },
    },
    sites: [{
      routes: [
        { path: "/small", respond: { body: "small" } },
        { proxy: { upstream: "app" } },
      ],
    }],
  };
}

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  readonly used: () => Promise<number>;
}

async function start(timeout?: string): Promise<World> {
  server.read(false);
  const afcgi = await Afcgi.start({ config: config(MEMORY, timeout) });
  const admin = await Admin.of(afcgi);
  return { afcgi, admin, used: () => admin.metric('afcgi_buffer_memory_bytes{of="used"}') };
}

/** Clients that send bodies on all streams that they may have. */
async function flood({ afcgi }: World) {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => SocketHttp2Client.open(afcgi.port)),
  );
  const uploads = clients.flatMap((client) =>
    Array.from({ length: STREAMS }, () => {
      const fields = requestFields("POST", "/", [["content-length", String(BODY.length)]]);
      const id = client.request(fields, false);
      client.data(id, BODY, true);
      return { client, id };
    })
  );
  return { clients, uploads };
}

/** Until nothing more comes. */
async function settled(used: () => Promise<number>): Promise<number> {
  let before = -1;
  let now = await used();
  await waitUntil(async () => {
    [before, now] = [now, await used()];
    await new Promise((resolve) => setTimeout(resolve, 300));
    return now === before && now > 0;
  }, "what is held to stay the same");
  return now;
}

test("Bodies of HTTP/2 that nobody reads stay near the limit; a reload moves it; all are answered", async () => {
  const world = await start();
  const { afcgi, admin, used } = world;
  const { clients, uploads } = await flood(world);
  const held = await settled(used);
  assert.ok(held > MEMORY / 2, `${held} bytes are held`);
  assert.ok(held < MEMORY + CLIENTS * CLIENT_MAX, `${held} bytes are held`);
  const resident = await admin.metric("process_resident_memory_bytes");
  // Who has no part in it is served, and its uploads wait.
  const small = await httpRequest(afcgi.port, { target: "/small" });
  assert.equal(small.body.toString(), "small");
  const late = httpRequest(afcgi.port, { method: "POST", target: "/", body: "late" });
  await waitUntil(async () => await admin.metric("afcgi_buffer_memory_waiting") > 0, "a wait");
  afcgi.rewrite(config(4 * ALL));
  process.kill(afcgi.child.pid, "SIGHUP");
  await waitUntil(async () => await used() > 0.9 * ALL, "the rest of what is sent");
  assert.equal(await admin.metric("afcgi_buffer_memory_waiting"), 0);
  assert.ok(await admin.metric("process_resident_memory_bytes") > resident);
  server.read(true);
  for (const { client, id } of uploads) {
    const { status } = await client.whole(id);
    assert.deepEqual([status, client.text(id)], [200, String(BODY.length)]);
  }
  assert.equal((await late).body.toString(), "4");
  for (const client of clients) client.destroy();
  await waitUntil(async () => await used() === 0, "nothing to be held");
  await afcgi.stop();
});

test("At the limit they go on by themselves as the application reads", async () => {
  const world = await start();
  const { clients, uploads } = await flood(world);
  await settled(world.used);
  server.read(true);
  for (const { client, id } of uploads) {
    const { status } = await client.whole(id);
    assert.deepEqual([status, client.text(id)], [200, String(BODY.length)]);
  }
  for (const client of clients) client.destroy();
  await waitUntil(async () => await world.used() === 0, "nothing to be held");
  await world.afcgi.stop();
});

test("Clients that leave, and clients of HTTP/1, hold nothing behind their end", async () => {
  // One that is not read is known to have left when it is written to.
  const world = await start("5s");
  const { clients } = await flood(world);
  const connections = await Promise.all(
    Array.from({ length: 50 }, () => HttpConnection.open(world.afcgi.port)),
  );
  for (const connection of connections) {
    await connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\n\r\n`);
    void connection.write(BODY);
  }
  await settled(world.used);
  for (const client of [...clients, ...connections]) client.destroy();
  await waitUntil(async () => await world.used() === 0, "nothing to be held");
  server.read(true);
  await world.afcgi.stop();
});
