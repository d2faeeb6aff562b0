/**
 * The executable with 256 descriptors, and far more clients: nobody hangs for ever, the processor
 * rests, the admin address answers, and when the flood is over all is as ever. In-process and with
 * Deno, tests/attack/client_connections.test.ts has the same bounds.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const CLIENTS = 2000;
const DESCRIPTORS = 256;
const TICKS_PER_SECOND = 100;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  readonly tlsPort: number;
}

async function start(http: Record<string, unknown>): Promise<World> {
  const directory = temporaryDirectory();
  mkdirSync(directory, { recursive: true });
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  const afcgi = await Afcgi.start({
    descriptorsMax: DESCRIPTORS,
    config: {
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: { cert, key } }],
      sites: [{ routes: [{ respond: { body: "ok" } }] }],
      admin: { listen: "127.0.0.1:0" },
      limits: {
        http: {
          head_timeout: "2s",
          idle_timeout: "2s",
          close_timeout: "1s",
          handshake_timeout: "2s",
          ...http,
        },
      },
    },
  });
  const admin = await Admin.of(afcgi);
  const listening = await afcgi.waitForLog(({ scheme }) => scheme === "https");
  return { afcgi, admin, tlsPort: Number(String(listening["address"]).split(":").at(-1)) };
}

/** A client that never ends by itself, and when it was ended. */
class Silent {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  isConnected = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1", () => this.isConnected = true);
    this.ended = new Promise((resolve) => this.socket.on("close", () => resolve()));
    this.socket.on("error", () => {});
    this.socket.resume();
  }
}

/** The share of one processor that the process used for a while. */
async function processorShare(pid: number, durationMs: number): Promise<number> {
  const used = (): number => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  };
  const [before, startedMs] = [used(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  return (used() - before) / ((performance.now() - startedMs) / 1000);
}

async function isServed(port: number): Promise<boolean> {
  return (await httpRequest(port, {}).catch(() => undefined))?.status === 200;
}

function overTls(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

for (const whenFull of ["refuse", "wait"] as const) {
  test(`${CLIENTS} silent clients with ${DESCRIPTORS} descriptors, when_full ${whenFull}`, async () => {
    const { afcgi, admin, tlsPort } = await start({ when_full: whenFull });
    const clients = Array.from({ length: CLIENTS }, () => new Silent(afcgi.port));
    const handshakes = Array.from({ length: 150 }, () => new Silent(tlsPort));
    await waitUntil(async () => await admin.metric("afcgi_client_connections") > 0, "clients");
    const shares: number[] = [];
    for (let look = 0; look < 3; look++) {
      shares.push(await processorShare(afcgi.child.pid, 500));
      assert.ok(await admin.metric("afcgi_client_connections_max") > 0);
    }
    assert.ok(Math.min(...shares) < 0.5, `processor: ${shares.join(", ")}`);
    assert.ok(readdirSync(`/proc/${afcgi.child.pid}/fd`).length < DESCRIPTORS - 16);
    if (whenFull === "wait") {
      // What waits in the system's queue is nobody's yet: it is the clients that end it.
      for (const { socket } of [...clients, ...handshakes]) socket.destroy();
    }
    await Promise.all([...clients, ...handshakes].map(({ ended }) => ended));
    await waitUntil(() => isServed(afcgi.port), "service");
    assert.match(await overTls(tlsPort), /^HTTP\/1\.1 200 /);
    if (whenFull === "refuse") {
      const lines = afcgi.log.filter(({ code }) => /^connections_/.test(String(code)));
      assert.ok(lines.length > 0 && lines.length < 40, `${lines.length} lines`);
    }
    await afcgi.stop();
  });
}

/** Asks until it is served, as browsers do at 503 and at connections that end; how often it asked. */
async function untilServed(port: number): Promise<number> {
  for (let asked = 1;; asked++) {
    const request = { headers: { Connection: "close" } };
    const response = await httpRequest(port, request).catch(() => undefined);
    if (response?.status === 200) return asked;
    if (response !== undefined) assert.equal(response.status, 503);
    await new Promise((resolve) => setTimeout(resolve, 100 + 400 * Math.random()));
  }
}

for (const whenFull of ["refuse", "wait"] as const) {
  test(`${CLIENTS} clients that ask at once with ${DESCRIPTORS} descriptors are all served, when_full ${whenFull}`, async () => {
    // All are of one address, which has no share of its own then.
    const { afcgi } = await start({ when_full: whenFull, connections_per_address: CLIENTS });
    const asked = await Promise.all(
      Array.from({ length: CLIENTS }, () => untilServed(afcgi.port)),
    );
    assert.equal(asked.length, CLIENTS);
    if (whenFull === "wait") assert.deepEqual(new Set(asked), new Set([1]), "nobody was refused");
    assert.ok(await processorShare(afcgi.child.pid, 500) < 0.5);
    await afcgi.stop();
  });
}

test("Descriptors that others have taken make clients wait, and cost no processor", async () => {
  const { afcgi, admin } = await start({ connections: 10_000 });
  const { pid } = afcgi.child;
  await afcgi.waitForLog(({ code }) => code === "connections_lowered");
  const limit = (count: number) =>
    execFileSync("prlimit", ["--pid", String(pid), `--nofile=${count}:${DESCRIPTORS}`]);
  assert.ok(await isServed(afcgi.port));
  limit(Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) + 4);
  const clients = Array.from({ length: 50 }, () => new Silent(afcgi.port));
  await afcgi.waitForLog(({ code }) => code === "descriptors_exhausted");
  assert.ok(await processorShare(pid, 2_000) < 0.3);
  limit(DESCRIPTORS);
  for (const { socket } of clients) socket.destroy();
  await waitUntil(() => isServed(afcgi.port), "service");
  assert.ok(await admin.metric("afcgi_client_connections_max") > 0);
  await afcgi.stop();
});
