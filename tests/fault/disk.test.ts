/**
 * The directory of temporary files goes away and comes back while afcgi works, and the access log's
 * disk is full: each fails alone, is told, and what waited goes on by itself.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { Afcgi } from "../support/afcgi.ts";
import { temporaryDirectory } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const RESPONSE_LENGTH = 24 * 1024 * 1024;
const UPLOAD_LENGTH = 2 * 1024 * 1024;

interface World {
  readonly afcgi: Afcgi;
  /** The directory of temporary files goes, and comes back. */
  lose(): void;
  find(): void;
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const temporary = join(directory, "tmp");
  mkdirSync(temporary);
  const path = join(directory, "app.sock");
  const application = async (request: Request) => {
    if (request.method === "POST") return new Response(String((await request.bytes()).length));
    if (request.url.endsWith("/small")) return new Response("small");
    return new Response(new Uint8Array(RESPONSE_LENGTH).fill(0x61));
  };
  const server = await serveFastCgi(application, { listen: { transport: "unix", path } });
  const afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [`unix:${path}`], multiplex: "off", connections: { max: 4 } } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      limits: { request_buffer: "64KiB", response_buffer: "64KiB" },
    },
    env: { TMPDIR: temporary },
  });
  await use({
    afcgi,
    lose: () => renameSync(temporary, `${temporary}.away`),
    find: () => renameSync(`${temporary}.away`, temporary),
  });
  await afcgi.stop();
  await server.shutdown({ grace: 0 });
}

test("An upload waits for the directory of temporary files, and nobody else does", async () => {
  await withWorld(async ({ afcgi, lose, find }) => {
    lose();
    const body = new Uint8Array(UPLOAD_LENGTH);
    const upload = httpRequest(afcgi.port, { method: "POST", target: "/upload", body });
    await afcgi.waitForLog(({ code }) => code === "spill_stuck");
    const small = await httpRequest(afcgi.port, { target: "/small" });
    assert.deepEqual([small.status, small.body.toString()], [200, "small"]);
    find();
    const { status, body: told } = await upload;
    assert.deepEqual([status, told.toString()], [200, String(UPLOAD_LENGTH)]);
  });
});

test("A slow client's response waits for it, and comes whole", async () => {
  await withWorld(async ({ afcgi, lose, find }) => {
    lose();
    const slow = await HttpConnection.open(afcgi.port);
    await slow.send({ target: "/large" });
    const begun = await slow.readHeaders();
    slow.pause();
    await afcgi.waitForLog(({ code }) => code === "spill_stuck");
    assert.equal((await httpRequest(afcgi.port, { target: "/small" })).status, 200);
    find();
    slow.resume();
    const body = slow.readBody(begun);
    let length = 0;
    for await (const piece of body.pieces) length += piece.length;
    assert.deepEqual([length, body.complete], [RESPONSE_LENGTH, true]);
    slow.destroy();
  });
});

test("A full disk under the access log costs its lines alone, and a reload gives it another", async () => {
  const directory = temporaryDirectory();
  const sites = [{ routes: [{ respond: { body: "fine" } }] }];
  const config = { log: { access: "/dev/full" }, sites };
  const afcgi = await Afcgi.start({ config });
  for (let count = 0; count < 5; count++) {
    assert.equal((await httpRequest(afcgi.port, { target: "/" })).status, 200);
  }
  await afcgi.child.stderr.waitFor((line) => line.startsWith("Cannot write to /dev/full"));
  const other = join(directory, "access.log");
  const from = afcgi.child.stderr.lines.length;
  afcgi.rewrite({ ...config, log: { access: other } });
  process.kill(afcgi.child.pid, "SIGHUP");
  await afcgi.child.stderr.waitFor((line) => line.includes("configuration reloaded"), from);
  await httpRequest(afcgi.port, { target: "/after" });
  await afcgi.stop();
  assert.match(readFileSync(other, "utf8"), /"path":"\/after"/);
});
