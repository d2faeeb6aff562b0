/**
 * What every thread of the executable meets is one thing for who reads its log: a line that is said
 * once a second, or once a minute, or when something has changed, is said as often with four threads
 * as with one.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import { httpRequest } from "../support/raw_http.ts";
import { KeptClient } from "../support/kept_client.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

const THREADS = 4;
/** Of each thread the same number. */
const CLIENTS = 4 * THREADS;

interface World {
  readonly afcgi: Afcgi;
  readonly admin: Admin;
  /** By what is said of them: plain, https, proxied. */
  readonly ports: readonly number[];
}

async function withThreads(
  config: Readonly<Record<string, unknown>>,
  use: (world: World) => Promise<void>,
  descriptorsMax?: number,
): Promise<void> {
  const directory = temporaryDirectory();
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  const afcgi = await Afcgi.start({
    ...(descriptorsMax !== undefined && { descriptorsMax }),
    config: {
      ...ADMIN,
      workers: THREADS,
      listen: [
        "127.0.0.1:0",
        { address: "127.0.0.1:0", tls: { cert, key } },
        { address: "127.0.0.1:0", proxy_protocol: ["127.0.0.0/8"] },
      ],
      sites: [{ routes: [{ respond: { body: "ok" } }] }],
      ...config,
    },
  });
  try {
    const admin = await Admin.of(afcgi);
    const ports = afcgi.log.filter(({ msg }) => msg === "listening").map(({ address }) =>
      Number(String(address).split(":").at(-1))
    );
    await use({ afcgi, admin, ports });
  } finally {
    await afcgi.stop();
  }
}

/** Whoever says this, and is closed for it. */
async function say(port: number, text: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  socket.write(text);
  await new Promise((resolve) => socket.on("close", resolve));
}

/** So many of the clients are refused; the others, who are let in and say nothing, leave then. */
async function untilRefused(port: number, count: number): Promise<void> {
  let closed = 0;
  const sockets = Array.from({ length: CLIENTS }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => closed++);
    return socket.resume();
  });
  await waitUntil(() => closed >= count, `${count} clients refused`);
  for (const socket of sockets) socket.destroy();
}

/** How many lines of the code there are, and how many there may be after that time. */
async function saidOnce({ afcgi }: World, code: string, all: () => Promise<unknown>) {
  const from = afcgi.log.length;
  const startMs = performance.now();
  await all();
  await waitUntil(() => afcgi.log.slice(from).some((line) => line["code"] === code), code);
  // What other threads say would be there soon.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const lines = afcgi.log.slice(from).filter((line) => line["code"] === code);
  const mayBe = Math.ceil((performance.now() - startMs) / 1_000);
  assert.ok(lines.length <= mayBe, `${lines.length} lines in ${mayBe} s:\n${lines.map(String)}`);
}

function times(work: () => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: CLIENTS }, work));
}

test("Threads: what clients do wrong is one line a second for all of them", async () => {
  await withThreads({}, async (world) => {
    const [, secure, proxied] = world.ports as [number, number, number];
    await saidOnce(world, "tls_handshake_failed", () => times(() => say(secure, "\x16\x03\x01zz")));
    await saidOnce(world, "proxy_protocol_refused", () => times(() => say(proxied, "GET / ")));
    assert.equal(await world.admin.metric("afcgi_tls_handshakes_failed_total"), CLIENTS);
    assert.equal(await world.admin.metric("afcgi_proxy_protocol_refused_total"), CLIENTS);
  });
});

test("Threads: what one trusted proxy says wrong is one line a minute for all of them", async () => {
  const sites = [{ trusted_proxies: ["127.0.0.1"], routes: [{ respond: { body: "ok" } }] }];
  await withThreads({ sites }, async (world) => {
    const headers = { Host: "a", "X-Forwarded-For": "nobody knows" };
    const ask = () => httpRequest(world.afcgi.port, { headers });
    await saidOnce(world, "client_unknown", () => times(ask));
    const { length } = world.afcgi.log.filter(({ code }) => code === "client_unknown");
    assert.equal(length, 1);
  });
});

test("Threads: a name that cannot be looked up is told once", async () => {
  const upstreams = { lost: { servers: ["tcp://lost.invalid:9000"] } };
  const routes = [{ fastcgi: { upstream: "lost" } }];
  await withThreads({ upstreams, sites: [{ routes }] }, async (world) => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => KeptClient.connect({ port: world.afcgi.port })),
    );
    for (const client of clients) await client.get("/");
    const failures = world.afcgi.log.filter(({ code }) => code === "lookup_failed")
      .filter((line) => line["name"] !== undefined);
    // It may fail in two ways, each of them once.
    assert.equal(new Set(failures.map(({ msg }) => msg)).size, failures.length);
    for (const client of clients) client.close();
  });
});

test("Threads: what the process has too little of is told by one of them", async () => {
  const config = { limits: { http: { connections: 100_000, connections_per_address: 4 } } };
  await withThreads(config, async (world) => {
    const { afcgi: { log, port } } = world;
    const lowered = () => log.filter(({ code }) => code === "connections_lowered").length;
    assert.equal(lowered(), 1);
    await saidOnce(world, "connections_address", () => untilRefused(port, CLIENTS - 4));
    assert.equal(lowered(), 1);
  }, 256);
});
