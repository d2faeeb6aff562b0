/**
 * What lasts over reloads and upgrades: WebSockets, streams of HTTP/1, HTTP/2 and an upload go on with
 * the configuration that they began with, whatever changes around them, and everything that comes new
 * is the new one's. Clients are told to come again: by `Connection: close`, by GOAWAY.
 */
import assert from "node:assert/strict";
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { AFCGI } from "../support/afcgi.ts";
import { atExit } from "../support/at_exit.ts";
import { Child } from "../support/child.ts";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const directory = temporaryDirectory();
const config = join(directory, "afcgi.yaml");
const socketPath = join(directory, "app.sock");
/** Sends a tick to every stream that is open. */
const ticks = new Set<() => void>();
let application: FastCgiServer;
let sockets: ReturnType<typeof serveWebSockets>;
let verdicts = 0;
let auth: ReturnType<typeof serveVerdicts>;

function serveWebSockets() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) => server.upgrade(request) ? undefined : new Response("proxied"),
    websocket: { message: (socket, message) => void socket.send(`echo ${String(message)}`) },
  });
}

function serveVerdicts() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      verdicts++;
      return new Response("", { headers: { "Remote-User": "ada" } });
    },
  });
}

/** Streams at `/stream` until its client leaves or `/end`; tells the length of what it is sent. */
async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === "POST") return new Response(String((await request.bytes()).length));
  if (pathname !== "/stream") return new Response("fastcgi");
  let number = 0;
  let tick: () => void;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      tick = () => controller.enqueue(new TextEncoder().encode(`tick ${++number}\n`));
      ticks.add(tick);
      tick();
    },
    cancel: () => void ticks.delete(tick),
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

before(async () => {
  application = await serveFastCgi(answer, { listen: { transport: "unix", path: socketPath } });
  sockets = serveWebSockets();
  auth = serveVerdicts();
});

after(async () => {
  await application.shutdown({ grace: 0 });
  void sockets.stop(true);
  void auth.stop(true);
});

interface World {
  readonly port: number;
  readonly child: Child;
  /** Of the process that serves. */
  pid: number;
  generation: number;
}

/** Every upstream differs from one number to the next. */
function write(port: number, number: number): void {
  const queue = { max: 100 + number };
  const text = JSON.stringify({
    listen: [`127.0.0.1:${port}`],
    log: { access: "off" },
    shutdown: { grace: "20s" },
    upstreams: {
      app: { servers: [`unix:${socketPath}`], queue },
      ws: { http: [`127.0.0.1:${sockets.port}`], queue },
      auth: { http: [`127.0.0.1:${auth.port}`], queue },
    },
    sites: [{
      routes: [
        { path: "/number", respond: { body: String(number) } },
        { path: "/ws", proxy: { upstream: "ws" } },
        {
          path: "/guarded",
          forward_auth: { upstream: "auth", uri: "/verify", copy_headers: ["Remote-User"] },
          fastcgi: { upstream: "app" },
        },
        { fastcgi: { upstream: "app" } },
      ],
    }],
  });
  writeFileSync(`${config}.new`, text);
  renameSync(`${config}.new`, config);
}

async function start(): Promise<World> {
  const port = await freePort();
  write(port, 1);
  copyFileSync(AFCGI, join(directory, "afcgi"));
  const child = new Child(join(directory, "afcgi"), ["serve"], { cwd: directory });
  await child.stderr.waitFor((line) => line.includes('"msg":"listening"'));
  return { port, child, pid: child.pid, generation: 1 };
}

async function reload(world: World): Promise<void> {
  const from = world.child.stderr.lines.length;
  write(world.port, ++world.generation);
  process.kill(world.pid, "SIGHUP");
  await world.child.stderr.waitFor((line) => line.includes('"code":"reloaded"'), from);
}

async function upgrade(world: World): Promise<void> {
  const from = world.child.stderr.lines.length;
  write(world.port, ++world.generation);
  process.kill(world.pid, "SIGUSR2");
  const line = await world.child.stderr.waitFor((text) => /"upgrade(d|_failed)"/.test(text), from);
  const { code, pid } = JSON.parse(line) as { code: string; pid: number };
  assert.equal(code, "upgraded", line);
  world.pid = pid;
  atExit(() => void endQuietly(pid));
}

function endQuietly(pid: number, signal: NodeJS.Signals = "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Everything that lasts, begun now; `lives` sees that all of it still works. */
async function beginAll({ port }: World) {
  const web = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  const texts: string[] = [];
  let webClosed = false;
  web.onmessage = ({ data }) => void texts.push(String(data));
  web.onclose = () => webClosed = true;
  await new Promise((resolve) => web.onopen = resolve);
  const http1 = await HttpConnection.open(port);
  await http1.send({ target: "/stream" });
  await http1.readUntil("tick 1\n");
  const http2 = await SocketHttp2Client.open(port);
  const streamId = http2.request(requestFields("GET", "/stream"));
  const upload = await HttpConnection.open(port);
  await upload.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  let number = 1;
  return {
    http2,
    async lives(): Promise<void> {
      number++;
      web.send(String(number));
      await waitUntil(
        () => Promise.resolve(texts.includes(`echo ${number}`)),
        "the WebSocket's echo",
      );
      for (const tick of ticks) tick();
      await http1.readUntil(`tick ${number}\n`);
      await http2.until(() => http2.text(streamId).includes(`tick ${number}\n`));
      await upload.write("x".repeat(100));
    },
    async end(): Promise<void> {
      await upload.write("x".repeat(1000 - 100 * (number - 1)));
      const { status, body, headers } = await upload.readResponse();
      assert.deepEqual([status, body.toString()], [200, "1000"]);
      assert.equal(webClosed, false);
      for (const one of [http1, http2, upload]) one.destroy();
      web.close();
      return void headers;
    },
  };
}

/** What comes new is of the newest configuration, through every kind of upstream. */
async function newOnes({ port, generation }: World): Promise<void> {
  const bodyOf = async (target: string) => (await httpRequest(port, { target })).body.toString();
  assert.equal(await bodyOf("/number"), String(generation));
  const asked = verdicts;
  assert.equal(await bodyOf("/guarded"), "fastcgi");
  assert.equal(verdicts, asked + 1);
  assert.equal(await bodyOf("/ws"), "proxied");
  assert.equal(await bodyOf("/"), "fastcgi");
}

test("WebSockets, streams and uploads go on over reloads that change every upstream", async () => {
  const world = await start();
  const lasting = await beginAll(world);
  for (let round = 0; round < 5; round++) {
    await reload(world);
    await lasting.lives();
    await newOnes(world);
  }
  assert.equal(lasting.http2.goaway, undefined, "a reload ends no connection");
  await lasting.end();
  assert.deepEqual(await world.child.stop("SIGTERM"), { code: 0, signal: null });
});

test("They go on over an upgrade, and the old process ends when they have", async () => {
  const world = await start();
  const lasting = await beginAll(world);
  const old = world.pid;
  await upgrade(world);
  for (let round = 0; round < 3; round++) {
    await lasting.lives();
    await newOnes(world);
  }
  // Told to come again, with what it has.
  await lasting.http2.until(() => lasting.http2.goaway === "NO_ERROR");
  assert.ok(endQuietly(old, "SIGWINCH"), "the old process is still there");
  await lasting.end();
  await waitUntil(
    () => Promise.resolve(!endQuietly(old, "SIGWINCH")),
    "the end of the old process",
  );
  await newOnes(world);
  process.kill(world.pid, "SIGTERM");
  await waitUntil(() => Promise.resolve(!endQuietly(world.pid, "SIGWINCH")), "the end");
  const { lines } = world.child.stderr;
  assert.deepEqual(lines.filter((line) => line.includes("internal_error")), []);
});

for (const how of ["a stop", "an upgrade"] as const) {
  test(`At ${how} HTTP/1 clients are told Connection: close, HTTP/2 ones GOAWAY`, async () => {
    const world = await start();
    const busy = await HttpConnection.open(world.port);
    await busy.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
    const idle = await HttpConnection.open(world.port);
    await idle.send({ target: "/number" });
    assert.equal((await idle.readResponse()).headers.get("connection"), undefined);
    const http2 = await SocketHttp2Client.open(world.port);
    const id = http2.request(requestFields("POST", "/"), false);
    http2.data(id, "x");
    await http2.fetch({ target: "/number" });
    if (how === "a stop") process.kill(world.pid, "SIGTERM");
    else await upgrade(world);
    await http2.until(() => http2.goaway === "NO_ERROR");
    if (how === "an upgrade") {
      // Its thread may hear of it later than the one of the other client.
      await waitUntil(async () => {
        await idle.send({ target: "/number" });
        return (await idle.readResponse()).headers.get("connection") === "close";
      }, "a response that says close");
    }
    await busy.write("y");
    const { status, headers, body } = await busy.readResponse();
    assert.deepEqual([status, headers.get("connection"), body.toString()], [200, "close", "2"]);
    http2.data(id, "y", true);
    assert.equal(new TextDecoder().decode((await http2.whole(id)).body), "2");
    if (how === "a stop") assert.deepEqual(await world.child.exited, { code: 0, signal: null });
    else endQuietly(world.pid);
    for (const one of [busy, idle, http2]) one.destroy();
  });
}
