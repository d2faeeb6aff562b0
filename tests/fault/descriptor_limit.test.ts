/**
 * The executable without one descriptor to spare: on a connection that stands, a file is not missing
 * and an application is not down, but we are out of descriptors. Once there are some, all is as ever.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { FaultPeer, GOOD_BODY } from "../support/fault_peer.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";

/** That nobody can raise, as far as tests change it. */
const LIMIT = 4096;
const CONTENT = "x".repeat(50_000);

test("Without a descriptor to spare neither a file nor an application is missing", async () => {
  const root = join(temporaryDirectory(), "www");
  mkdirSync(root);
  writeFileSync(join(root, "large.txt"), CONTENT);
  const peer = await FaultPeer.start(await freePlace("unix", temporaryDirectory()));
  const afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [placeUrl(peer.place)], multiplex: "on" } },
      sites: [{
        root,
        routes: [{ static: {} }, { fastcgi: { upstream: "app" } }],
      }],
    },
  });
  const client = new KeptClient(afcgi.port);
  try {
    assert.ok((await client.get("/large.txt")).endsWith(CONTENT));
    limit(afcgi.child.pid, nextDescriptor(afcgi.child.pid));
    // Then listeners pause, which gives back some.
    await afcgi.waitForLog(({ code }) => code === "descriptors_exhausted");
    limit(afcgi.child.pid, nextDescriptor(afcgi.child.pid));
    const file = await client.get("/large.txt");
    assert.equal(file.slice(0, 13), "HTTP/1.1 503 ");
    assert.match(file, /local_limit/);
    assert.match(file, /cache-control: no-store/i);
    const page = await client.get("/page");
    assert.equal(page.slice(0, 13), "HTTP/1.1 503 ");
    assert.match(page, /local_limit/);
    const line = await afcgi.waitForLog(({ code, errno }) =>
      code === "local_limit" && errno === "EMFILE"
    );
    assert.match(String(line["msg"]), /too many open files/);
    limit(afcgi.child.pid, 1024);
    assert.ok((await client.get("/large.txt")).endsWith(CONTENT));
    // The server was not passed over for it.
    assert.ok((await client.get("/page")).endsWith(GOOD_BODY));
  } finally {
    client.close();
    await afcgi.stop();
    await peer.stop();
  }
});

for (const workers of [1, 3]) {
  test(`Without a descriptor to spare ${workers} threads are told of, and throw nothing`, async () => {
    const sites = [{ routes: [{ respond: { body: "ok" } }] }];
    const afcgi = await Afcgi.start({
      config: { admin: { listen: "127.0.0.1:0" }, workers, sites },
    });
    const { address } = await afcgi.waitForLog((line) => line.for === "admin");
    const { pid } = afcgi.child;
    const admin = new KeptClient(Number(/:(\d+)$/.exec(String(address))?.[1]));
    const metric = async (name: string) =>
      Number(new RegExp(`^${name} (.*)$`, "m").exec(await admin.get("/metrics", "localhost"))?.[1]);
    try {
      const [resident, most] = [
        await metric("process_resident_memory_bytes"),
        await metric("process_max_fds"),
      ];
      assert.ok(await metric("process_open_fds") < most);
      limit(pid, nextDescriptor(pid));
      assert.ok(await metric("process_resident_memory_bytes") >= resident / 2);
      assert.ok(await metric("process_virtual_memory_bytes") > resident);
      assert.equal(await metric("process_open_fds"), most);
      assert.equal((await admin.get("/status", "localhost")).slice(9, 12), "200");
      // Whoever looks how much memory there is does so now and then.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      limit(pid, LIMIT);
      assert.ok(await metric("process_open_fds") < most);
    } finally {
      admin.close();
      await afcgi.stop();
    }
  });
}

/** The number that the next descriptor would get. */
function nextDescriptor(pid: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let next = 0;
  while (open.has(next)) next++;
  return next;
}

/** Descriptors from this number on may not be had any more. */
function limit(pid: number, count: number): void {
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${count}:${LIMIT}`]);
}

/** One connection, one request after the other. */
class KeptClient {
  readonly #socket: Socket;
  #text = "";
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
      this.#wake();
    });
    this.#socket.on("close", () => this.#wake());
  }

  async get(path: string, host = "a"): Promise<string> {
    this.#text = "";
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    while (!this.#isWhole && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#text;
  }

  get #isWhole(): boolean {
    const end = this.#text.indexOf("\r\n\r\n");
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1];
    if (end < 0) return false;
    return length === undefined
      ? this.#text.endsWith("0\r\n\r\n")
      : this.#text.length >= end + 4 + Number(length);
  }

  close(): void {
    this.#socket.destroy();
  }
}
