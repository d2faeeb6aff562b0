/**
 * Real disks that are full, become read-only or go, under one thing at a time: spilled responses,
 * gathered uploads, copies of responses, the access log, the store of certificates. Each fails alone, is told, and goes on
 * by itself when there is room again. The disks are file systems in memory, in a name space of the
 * executable's own, and are filled from outside through /proc.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { AFCGI, type LogLine } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { httpsRequest } from "../support/https.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const MIB = 1024 * 1024;
const DISK_LENGTH = 8 * MIB;
const RESPONSE_LENGTH = 24 * MIB;
const UPLOAD_LENGTH = 2 * MIB;
const COPY_LENGTH = MIB / 2;

/** Whether this user may mount something for processes of its own. */
function mayMount(): boolean {
  try {
    execFileSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const skip = mayMount() ? false : "unshare -rm mount: nobody may mount here";

/** How a disk fails, and how it works again. */
interface Trouble {
  begin(world: World): void;
  end(world: World): void;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  full: {
    begin: ({ disk }) => writeFileSync(join(disk, "filler"), fillerFor(disk)),
    end: ({ disk }) => rmSync(join(disk, "filler")),
  },
  "read-only": {
    begin: (world) => world.mount("remount,ro"),
    end: (world) => world.mount("remount,rw"),
  },
};

/** As many bytes as there is room for. */
function fillerFor(disk: string): Uint8Array {
  const { bavail, bsize } = statfsSync(disk);
  return new Uint8Array(bavail * bsize);
}

class World {
  readonly directory = temporaryDirectory();
  /** The disk, as the executable has it, seen from outside. */
  disk = "";
  port = 0;
  admin!: Admin;
  child!: Child;
  application!: FastCgiServer;

  static async start(make: (disk: string) => Readonly<Record<string, unknown>>): Promise<World> {
    const world = new World();
    const inside = join(world.directory, "disk");
    mkdirSync(inside);
    const path = join(world.directory, "app.sock");
    world.application = await serveFastCgi(answer, { listen: { transport: "unix", path } });
    const config = {
      ...ADMIN,
      listen: ["127.0.0.1:0"],
      upstreams: { app: { servers: [`unix:${path}`], multiplex: "off", connections: { max: 4 } } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      limits: { request_buffer: "64KiB", response_buffer: "64KiB" },
      ...make(inside),
    };
    const file = join(world.directory, "afcgi.yaml");
    writeFileSync(file, JSON.stringify(config));
    const script = 'mount -t tmpfs -o "size=$1,mode=0700" none "$2" && shift 2 && exec "$@"';
    world.child = new Child("unshare", [
      ...["-rm", "sh", "-c", script, "sh", String(DISK_LENGTH), inside],
      ...[AFCGI, "serve", "--config", file],
    ], { cwd: world.directory, env: { TMPDIR: inside } });
    world.port = portOf(await world.told(({ msg, scheme }) => msg === "listening" && !!scheme));
    world.admin = await Admin.of({ waitForLog: (matches) => world.told(matches) });
    world.disk = `/proc/${world.child.pid}/root${inside}`;
    return world;
  }

  mount(options: string): void {
    const inside = join(this.directory, "disk");
    execFileSync("nsenter", [
      ...["--target", String(this.child.pid), "--user", "--mount", "--preserve-credentials"],
      ...["mount", "-o", options, inside],
    ]);
  }

  async told(matches: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    const parse = (text: string): LogLine => {
      try {
        return JSON.parse(text);
      } catch {
        return { msg: text };
      }
    };
    return parse(await this.child.stderr.waitFor((text) => matches(parse(text)), from));
  }

  /** Writes its configuration anew. */
  // deno-lint-ignore no-explicit-any
  change(edit: (config: any) => void): void {
    const file = join(this.directory, "afcgi.yaml");
    const config = JSON.parse(readFileSync(file, "utf8"));
    edit(config);
    writeFileSync(file, JSON.stringify(config));
  }

  /** Others are served as ever. */
  async serves(): Promise<void> {
    const { status, body } = await httpRequest(this.port, { target: "/small" });
    assert.deepEqual([status, body.toString()], [200, "small"]);
  }

  async stop(): Promise<void> {
    assert.deepEqual(await this.child.stop("SIGTERM"), { code: 0, signal: null });
    const { lines } = this.child.stderr;
    assert.deepEqual(lines.filter((line) => line.includes("internal_error")), []);
    await this.application.shutdown({ grace: 0 });
  }
}

async function answer(request: Request): Promise<Response> {
  if (request.method === "POST") return new Response(String((await request.bytes()).length));
  if (request.url.endsWith("/small")) return new Response("small");
  if (request.url.endsWith(".txt")) return new Response("c".repeat(COPY_LENGTH));
  return new Response(new Uint8Array(RESPONSE_LENGTH).fill(0x61));
}

function portOf({ address }: LogLine): number {
  return Number(String(address).split(":").at(-1));
}

for (const [name, trouble] of Object.entries(TROUBLES)) {
  test(
    `A ${name} disk under gathered uploads makes them wait, and nobody else`,
    { skip },
    async () => {
      const world = await World.start(() => ({}));
      trouble.begin(world);
      const body = new Uint8Array(UPLOAD_LENGTH);
      const upload = httpRequest(world.port, { method: "POST", target: "/upload", body });
      await world.told(({ code }) => code === "spill_stuck");
      assert.ok(await world.admin.metric("afcgi_spill_stuck_total") > 0);
      await world.serves();
      trouble.end(world);
      const { status, body: told } = await upload;
      assert.deepEqual([status, told.toString()], [200, String(UPLOAD_LENGTH)]);
      await world.stop();
    },
  );

  test(`A ${name} disk under spilled responses makes their slow clients wait, and nobody else`, {
    skip,
  }, async () => {
    const world = await World.start(() => ({}));
    trouble.begin(world);
    const slow = await HttpConnection.open(world.port);
    await slow.send({ target: "/large" });
    const begun = await slow.readHeaders();
    slow.pause();
    await world.told(({ code }) => code === "spill_stuck");
    await world.serves();
    trouble.end(world);
    slow.resume();
    const body = slow.readBody(begun);
    let length = 0;
    for await (const piece of body.pieces) length += piece.length;
    assert.deepEqual([length, body.complete], [RESPONSE_LENGTH, true]);
    slow.destroy();
    assert.deepEqual(readdirSync(world.disk), []);
    await world.stop();
  });
}

for (const [name, trouble] of Object.entries(TROUBLES)) {
  test(
    `A ${name} disk under copies of responses keeps none, and later one of those that came at once`,
    { skip },
    async () => {
      const world = await World.start((disk) => ({
        workers: 2,
        sites: [{ routes: [{ path: "/*", fastcgi: { upstream: "app", store: disk } }] }],
      }));
      const ask = () =>
        Promise.all(Array.from({ length: 12 }, async () => {
          const { status, body } = await httpRequest(world.port, { target: "/a.txt" });
          assert.deepEqual([status, body.length], [200, COPY_LENGTH]);
        }));
      const kept = () => readdirSync(world.disk).filter((one) => one !== "filler");
      trouble.begin(world);
      const startMs = performance.now();
      await ask();
      await world.told(({ code }) => code === "store_failed");
      await waitUntil(() => kept().length === 0, "nothing to be left");
      const lines = world.child.stderr.lines.filter((line) => line.includes('"store_failed"'));
      const seconds = Math.ceil((performance.now() - startMs) / 1_000);
      assert.ok(lines.length <= seconds, `${lines.length} lines in ${seconds} s`);
      trouble.end(world);
      await ask();
      await waitUntil(() => kept().join() === "a.txt", "the copy, and nothing beside it");
      assert.equal(readFileSync(join(world.disk, "a.txt"), "utf8"), "c".repeat(COPY_LENGTH));
      await world.stop();
    },
  );
}

test(
  "A full disk under the access log costs lines alone, and it goes on by itself",
  { skip },
  async () => {
    const world = await World.start((disk) => ({ log: { access: join(disk, "access.log") } }));
    const log = join(world.disk, "access.log");
    await world.serves();
    await waitUntil(() => readFileSync(log, "utf8").includes("/small"), "a line");
    TROUBLES["full"]!.begin(world);
    for (let count = 0; count < 200; count++) await world.serves();
    await world.child.stderr.waitFor((line) => line.startsWith("Cannot write to "));
    TROUBLES["full"]!.end(world);
    const logged = async () => {
      await httpRequest(world.port, { target: "/again" });
      return readFileSync(log, "utf8").includes("/again");
    };
    await waitUntil(logged, "lines behind the trouble");
    for (const line of readFileSync(log, "utf8").trim().split("\n")) {
      assert.equal(typeof JSON.parse(line).path, "string", "a line is whole or not there");
    }
    await world.stop();
  },
);

test(
  "A log on a disk that is read-only changes nothing, and is opened later",
  { skip },
  async () => {
    let access = "";
    const world = await World.start((disk) => {
      access = join(disk, "access.log");
      return { log: { access: "off" } };
    });
    TROUBLES["read-only"]!.begin(world);
    world.change((config) => config.log = { access });
    process.kill(world.child.pid, "SIGHUP");
    const failed = await world.told(({ code }) => code === "reload_failed");
    assert.match(String(failed["msg"]), /read-only/i);
    await world.serves();
    TROUBLES["read-only"]!.end(world);
    process.kill(world.child.pid, "SIGHUP");
    await world.told(({ code }) => code === "reloaded");
    await world.serves();
    const log = join(world.disk, "access.log");
    await waitUntil(() => readFileSync(log, "utf8").includes("/small"), "a line");
    await world.stop();
  },
);

for (const [name, trouble] of Object.entries(TROUBLES)) {
  test(
    `A ${name} disk under the store refuses new certificates alone, and is told`,
    { skip },
    async () => {
      const world = await World.start((disk) => ({ tls: { store: join(disk, "store") } }));
      const port = await freePort();
      trouble.begin(world);
      world.change((config) => {
        config.listen.push({ address: `127.0.0.1:${port}`, tls: {} });
        const routes = [{ respond: { body: "secure" } }];
        config.sites.push({ hosts: ["a.test"], tls: "internal", https: "allow", routes });
      });
      process.kill(world.child.pid, "SIGHUP");
      const failed = await world.told(({ code }) => code === "reload_failed");
      assert.match(String(failed["msg"]), /store.*(no space|read-only)/i);
      await world.serves();
      trouble.end(world);
      process.kill(world.child.pid, "SIGHUP");
      await world.told(({ code }) => code === "reloaded");
      const { body, subject } = await httpsRequest({ port, servername: "a.test" });
      assert.deepEqual([body, subject], ["secure", "a.test"]);
      await world.serves();
      await world.stop();
    },
  );
}
