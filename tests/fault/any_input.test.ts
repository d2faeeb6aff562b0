/**
 * The whole executable under inputs of every kind that it reads: HTTP, HTTP over TLS, Gemini and
 * the admin address from strangers, records from an application, configurations of ours and of nginx.
 * Whatever comes, it goes on, serves who asks properly, says nothing of an internal fault, and holds
 * no more afterwards than before. Some seconds by default, an hour with `AFCGI_TEST_LONG=1`; a
 * failure names its seed, which `AFCGI_TEST_SEED` repeats as far as time lets it.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { Random } from "../simulation/random.ts";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { descriptorsOf, residentBytesOf, waitForDescriptors } from "../support/descriptors.ts";
import { FaultPeer, ResponseRecords as ResponseRecords } from "../support/fault_peer.ts";
import { runCount, timeLimitMs } from "../support/long_runs.ts";
import { freePlace, placeUrl, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { anyBytes, changed, type Kind } from "./any_input.ts";

const DURATION_MS = runCount(8_000, 3_600_000);
const TEXTS = runCount(30, 3_000);
const SEED = Number(process.env.AFCGI_TEST_SEED ?? 1);
const AT_ONCE = 8;

/** Between two honest requests. */
const HONEST_EVERY = 40;

/** What a client waits for a response before it goes; most go at once. */
const WAIT_MS = 50;

/** Growth that is not a leak: code that ran, and a heap that has met its first load. */
const GROWTH_MAX = 160 * 1024 * 1024;

const FILE_TEXT = "the file's text\n";

type Listener = "http" | "tls" | "gemini" | "admin";

interface World {
  readonly afcgi: Afcgi;
  readonly peer: FaultPeer;
  readonly ports: Readonly<Record<Listener, number>>;
  /** Whether the application does what it should. */
  good: boolean;
}

async function startWorld(random: Random): Promise<World> {
  const directory = temporaryDirectory();
  const root = join(directory, "root");
  mkdirSync(root);
  writeFileSync(join(root, "file.txt"), FILE_TEXT);
  const { certPath: cert, keyPath: key } = selfSigned("/CN=localhost");
  const peer = await FaultPeer.start(await freePlace("unix", directory));
  const afcgi = await Afcgi.start({
    config: {
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: { cert, key } }],
      admin: { listen: "127.0.0.1:0" },
      upstreams: {
        app: {
          servers: [placeUrl(peer.place)],
          multiplex: "on",
          timeouts: { first_byte: "1s", idle: "1s" },
        },
      },
      sites: [{
        root,
        trusted_proxies: ["127.0.0.0/8"],
        compression: {},
        local_redirects: true,
        routes: [{ path: "/app/*", fastcgi: { upstream: "app" } }, { static: {} }],
      }],
      gemini: [{
        listen: "127.0.0.1:0",
        hosts: ["localhost"],
        tls: { cert, key },
        root,
        routes: [{ path: "/app", fastcgi: { upstream: "app" } }, { static: {} }],
      }],
    },
  });
  const world = { afcgi, peer, ports: await portsOf(afcgi), good: false };
  peer.behaviour = {
    onRequest: (request) => {
      const isGood = world.good || random.chance(0.3);
      if (isGood) request.connection.send(goodResponse(request.id));
      else request.connection.write(anyBytes("response", random));
    },
  };
  return world;
}

function goodResponse(id: number) {
  return new ResponseRecords().stdout(id, "Content-Type: text/plain\r\n\r\ngood\n").stdoutEnd(id)
    .end(id);
}

/** The listeners' ports, as the log tells them. */
async function portsOf(afcgi: Afcgi): Promise<World["ports"]> {
  const named = (is: (line: Readonly<Record<string, unknown>>) => boolean) =>
    afcgi.waitForLog((line) => line.msg === "listening" && is(line));
  const port = ({ address }: Readonly<Record<string, unknown>>) =>
    Number(/:(\d+)\/?$/.exec(String(address))![1]);
  return {
    http: port(await named((line) => line.scheme === "http" && line.for === undefined)),
    tls: port(await named((line) => line.scheme === "https")),
    gemini: port(await named((line) => line.scheme === "gemini")),
    admin: port(await named((line) => line.for === "admin")),
  };
}

/** One client that sends its bytes in pieces, reads for a moment, and is gone. */
async function sendBytes(port: number, bytes: Uint8Array, random: Random, isTls: boolean) {
  const socket: Socket = isTls
    ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false })
    : connectTcp(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (let start = 0; start < bytes.length && !socket.destroyed;) {
    const end = start + random.pick([1, 7, 100, 100_000]);
    socket.write(bytes.subarray(start, end));
    start = end;
    if (random.chance(0.2)) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  if (random.chance(0.3)) socket.end();
  const waitMs = random.pick([0, 1, WAIT_MS]);
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, waitMs))]);
  if (random.chance(0.5)) socket.resetAndDestroy();
  else socket.destroy();
}

async function requireHonest({ ports }: World, what: string): Promise<void> {
  const response = await httpRequest(ports.http, { target: "/file.txt" });
  assert.equal(response.status, 200, what);
  assert.equal(response.body.toString(), FILE_TEXT, what);
}

const TARGETS: readonly [Listener, Kind][] = [
  ["http", "http"],
  ["http", "http"],
  ["http", "response"],
  ["tls", "http"],
  ["gemini", "gemini"],
  ["gemini", "http"],
  ["admin", "admin"],
];

test(
  `Nothing that strangers and an application send ends or bloats it (seed ${SEED})`,
  { timeout: timeLimitMs(2 * DURATION_MS) },
  async () => {
    const random = new Random(SEED);
    const world = await startWorld(random);
    const { afcgi, peer, ports } = world;
    const { pid } = afcgi.child;
    await requireHonest(world, "at the start");
    const [descriptors, residentBytes] = [descriptorsOf(pid), residentBytesOf(pid)];
    const endMs = performance.now() + DURATION_MS;
    let count = 0;
    const client = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const [listener, kind] = random.pick(TARGETS);
        const isTls = listener !== "http" && listener !== "admin" && random.chance(0.8);
        await sendBytes(ports[listener], anyBytes(kind, random), random, isTls);
        if (++count % HONEST_EVERY === 0) await requireHonest(world, `after ${count} inputs`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    assert.ok(count > 100, `only ${count} inputs were sent`);
    assert.ok(peer.requestCount > 10, `only ${peer.requestCount} reached the application`);
    world.good = true;
    await waitUntil(async () => {
      const { status, body } = await httpRequest(ports.http, { target: "/app/" });
      return status === 200 && body.toString() === "good\n";
    }, "the application, which behaves again");
    const { others, pipes, temporaryFiles } = descriptors;
    // Connections to the application are kept.
    await waitForDescriptors(pid, { others: others + 2, pipes, temporaryFiles, sockets: 40 });
    const growth = residentBytesOf(pid) - residentBytes;
    assert.ok(growth < GROWTH_MAX, `it holds ${growth} bytes more`);
    const errors = afcgi.log.filter(({ code }) => code === "internal_error");
    assert.deepEqual(errors.slice(0, 3), []);
    await afcgi.stop();
    await peer.stop();
  },
);

test(
  `No configuration makes check or import fail without words (seed ${SEED})`,
  { timeout: timeLimitMs(DURATION_MS) },
  async () => {
    const random = new Random(SEED);
    const directory = temporaryDirectory();
    const ours = textsOf("../../examples/", ".yaml");
    const nginxs = textsOf("../interop/nginx/", ".conf");
    const tried: Record<string, number> = {};
    for (let count = 0; count < TEXTS; count++) {
      const isOurs = count % 2 === 0;
      const path = join(directory, isOurs ? "afcgi.yaml" : "nginx.conf");
      const text = changed(random.pick(isOurs ? ours : nginxs), random);
      writeFileSync(path, text, "latin1");
      const args = isOurs ? ["check", "--config", path] : ["import", "nginx", path];
      const { code, signal, stdout, stderr } = await runAfcgi(args);
      const shown = `${args.join(" ")} of input ${count}:\n${stdout}\n${stderr}`;
      assert.equal(signal, null, shown);
      assert.ok(code !== null && code >= 0 && code <= 3, shown);
      assert.doesNotMatch(stderr, /^ {4}at |TypeError|ReferenceError|RangeError/m, shown);
      if (code !== 0) assert.notEqual((stdout + stderr).trim(), "", shown);
      tried[code] = (tried[code] ?? 0) + 1;
    }
    assert.ok(Object.keys(tried).length > 1, `every one ended alike: ${JSON.stringify(tried)}`);
  },
);

function textsOf(directory: string, ending: string): string[] {
  const url = new URL(directory, import.meta.url);
  return readdirSync(fileURLToPath(url)).filter((name) => name.endsWith(ending)).sort()
    .map((name) => readFileSync(new URL(name, url), "utf8"));
}
