/** The executable reads its configuration again, in every way that it can be asked to. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { AFCGI, runAfcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { Load } from "./load.ts";

class World {
  readonly directory = temporaryDirectory();
  readonly file = join(this.directory, "afcgi.yaml");
  port = 0;
  adminPort = 0;
  child!: Child;

  static async start(
    more: Readonly<Record<string, unknown>> = {},
    args: readonly string[] = [],
    layOut: (world: World, text: string) => void = (world, text) => writeFileSync(world.file, text),
  ): Promise<World> {
    const world = new World();
    world.port = await freePort();
    world.adminPort = await freePort();
    layOut(world, world.text(more));
    world.child = new Child(AFCGI, ["serve", ...args], { cwd: world.directory });
    await world.child.stderr.waitFor((line) => line.includes('"for":"admin"'));
    return world;
  }

  text(more: Readonly<Record<string, unknown>> = {}): string {
    return JSON.stringify({
      listen: [`127.0.0.1:${this.port}`],
      admin: { listen: `127.0.0.1:${this.adminPort}`, ready: "listening" },
      log: { access: "off" },
      ...sitesOf("one"),
      ...more,
    });
  }

  write(more: Readonly<Record<string, unknown>>): void {
    writeFileSync(`${this.file}.new`, this.text(more));
    renameSync(`${this.file}.new`, this.file);
  }

  async body(port = this.port): Promise<string> {
    return (await httpRequest(port, {})).body.toString();
  }

  reload(headers: Readonly<Record<string, string>> = {}, method = "POST") {
    const all = { Host: "localhost", ...headers };
    return httpRequest(this.adminPort, { method, target: "/reload", headers: all });
  }

  async metric(name: string): Promise<number> {
    const target = { target: "/metrics", headers: { Host: "localhost" } };
    const text = (await httpRequest(this.adminPort, target)).body.toString();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  }

  async stop(): Promise<void> {
    assert.deepEqual(await this.child.stop("SIGTERM"), { code: 0, signal: null });
    const { lines } = this.child.stderr;
    assert.deepEqual(lines.filter((line) => line.includes("internal_error")), []);
  }
}

function sitesOf(body: string) {
  return { sites: [{ routes: [{ respond: { body } }] }] };
}

test("SIGHUP, the command and POST /reload read the file again", async () => {
  const world = await World.start();
  assert.equal(await world.body(), "one");
  world.write(sitesOf("two"));
  process.kill(world.child.pid, "SIGHUP");
  await world.child.stderr.waitFor((line) => line.includes('"generation":2'));
  assert.equal(await world.body(), "two");
  world.write(sitesOf("three"));
  const command = await runAfcgi(["reload", `127.0.0.1:${world.adminPort}`]);
  assert.equal(command.code, 0, command.stderr);
  assert.match(command.stdout, /generation 3/);
  assert.equal(await world.body(), "three");
  world.write(sitesOf("four"));
  const response = await world.reload();
  assert.equal(response.status, 200);
  assert.deepEqual(JSON.parse(response.body.toString()), { ok: true, generation: 4, warnings: [] });
  assert.equal(await world.body(), "four");
  assert.equal(await world.metric("afcgi_config_generation"), 4);
  assert.equal(await world.metric("afcgi_config_last_reload_successful"), 1);
  await world.stop();
});

test("A faulty file changes nothing; its errors come back with their lines", async () => {
  const world = await World.start();
  writeFileSync(world.file, "sites:\n  - routs: []\n");
  const place = /^afcgi\.yaml:2:5: Unknown key "routs"/;
  const text = await world.reload({ Accept: "text/plain" });
  assert.equal(text.status, 400);
  assert.match(text.body.toString(), place);
  const { errors, generation } = JSON.parse((await world.reload()).body.toString());
  assert.equal(generation, 1);
  assert.match(errors[0], place);
  const command = await runAfcgi(["reload", `http://127.0.0.1:${world.adminPort}`]);
  assert.equal(command.code, 2);
  assert.match(command.stderr, place);
  assert.match(world.child.stderr.lines.join("\n"), /reload_failed/);
  assert.equal(await world.body(), "one");
  assert.equal(await world.metric("afcgi_config_last_reload_successful"), 0);
  await world.stop();
});

test("A reload is taken by POST alone, from no page and under no strange name", async () => {
  const world = await World.start();
  assert.equal((await world.reload({}, "GET")).status, 405);
  assert.equal((await world.reload({ Host: "rebound.example" })).status, 403);
  assert.equal((await world.reload({ Origin: "http://localhost" })).status, 403);
  assert.equal((await world.reload({ "Sec-Fetch-Site": "cross-site" })).status, 403);
  assert.equal(await world.metric("afcgi_config_generation"), 1);
  await world.stop();
});

test("A FIFO, a directory or nothing in the file's place is told, and nobody waits for it", async () => {
  const world = await World.start();
  rmSync(world.file);
  assert.equal((await world.reload()).status, 400);
  execFileSync("mkfifo", [world.file]);
  assert.equal((await world.reload()).status, 400);
  rmSync(world.file);
  mkdirSync(world.file);
  assert.equal((await world.reload()).status, 400);
  assert.equal(await world.body(), "one");
  await world.stop();
});

test("--watch sees a file that is replaced, and a ConfigMap that is swapped", async () => {
  const world = await World.start({}, ["--watch"], (world, text) => {
    for (const version of ["..v1", "..v2"]) mkdirSync(join(world.directory, version));
    writeFileSync(join(world.directory, "..v1", "afcgi.yaml"), text);
    symlinkSync("..v1", join(world.directory, "..data"));
    symlinkSync("..data/afcgi.yaml", world.file);
  });
  const swap = (version: string, more: Readonly<Record<string, unknown>>) => {
    writeFileSync(join(world.directory, version, "afcgi.yaml"), world.text(more));
    symlinkSync(version, join(world.directory, "..data_tmp"));
    renameSync(join(world.directory, "..data_tmp"), join(world.directory, "..data"));
  };
  swap("..v2", sitesOf("two"));
  await world.child.stderr.waitFor((line) => line.includes('"generation":2'));
  assert.equal(await world.body(), "two");
  swap("..v1", { listen: "wrong" });
  await world.child.stderr.waitFor((line) => line.includes("reload_failed"));
  assert.equal(await world.body(), "two");
  swap("..v2", sitesOf("three"));
  await world.child.stderr.waitFor((line) => line.includes('"generation":3'));
  assert.equal(await world.body(), "three");
  await world.stop();
});

test("Listeners come, go, and change to TLS and back, on the same port", async () => {
  const world = await World.start();
  const certificate = join(world.directory, "tls.pem");
  execFileSync("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
    ..."-subj /CN=localhost -addext subjectAltName=DNS:localhost".split(" "),
    ...["-keyout", `${certificate}.key`, "-out", certificate],
  ], { stdio: "ignore" });
  const second = await freePort();
  const first = `127.0.0.1:${world.port}`;
  const tls = { cert: certificate, key: `${certificate}.key` };
  world.write({ ...sitesOf("two"), listen: [{ address: first, tls }, `127.0.0.1:${second}`] });
  assert.equal((await world.reload()).status, 200);
  assert.equal(await world.body(second), "two");
  const get = () =>
    execFileSync("curl", ["-sS", "--cacert", certificate, `https://localhost:${world.port}/`], {
      encoding: "utf8",
    });
  assert.equal(get(), "two");
  assert.equal((await httpRequest(world.port, {})).status, 400);
  world.write(sitesOf("three"));
  assert.equal((await world.reload()).status, 200);
  assert.equal(await world.body(), "three");
  await assert.rejects(httpRequest(second, {}));
  await world.stop();
});

test("What needs a restart is told by its key", async () => {
  const world = await World.start();
  world.write({ ...sitesOf("two"), admin: { listen: `127.0.0.1:${await freePort()}` } });
  const { warnings } = JSON.parse((await world.reload()).body.toString());
  assert.match(warnings[0], /"admin\.listen" needs a restart/);
  assert.equal(await world.body(), "two");
  await world.stop();
});

test("USR1 and HUP reopen the access log, and a reload may give it another path", async () => {
  const world = await World.start({ log: { access: "access.log" } });
  const lines = (name: string) =>
    readFileSync(join(world.directory, name), "utf8").split("\n").filter(Boolean).length;
  await world.body();
  for (const signal of ["SIGUSR1", "SIGHUP"] as const) {
    renameSync(join(world.directory, "access.log"), join(world.directory, `${signal}.log`));
    const from = world.child.stderr.lines.length;
    process.kill(world.child.pid, signal);
    await world.child.stderr.waitFor((line) => line.includes("log files are open anew"), from);
    await world.body();
    await waitUntil(() => Promise.resolve(lines("access.log") >= 1), "a line in the new file");
  }
  await world.child.stderr.waitFor((line) => line.includes("configuration reloaded"));
  world.write({ log: { access: "other.log" } });
  assert.equal((await world.reload()).status, 200);
  await world.body();
  await waitUntil(() => Promise.resolve(lines("other.log") >= 1), "a line in the other file");
  await world.stop();
});

test("A hundred reloads under load, a third of them faulty: nothing lost, memory as before", async () => {
  const world = await World.start();
  const application = join(world.directory, "app.sock");
  const server = await serveFastCgi(() => new Response("served"), {
    listen: { transport: "unix", path: application },
  });
  const config = (round: number) => ({
    upstreams: { app: { servers: [`unix:${application}`], queue: { max: 100 + round } } },
    sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
  });
  const round = async (number: number, isFaulty: boolean) => {
    world.write(isFaulty ? { sites: 7 } : config(number % 2 === 0 ? number : 0));
    assert.equal((await world.reload()).status, isFaulty ? 400 : 200);
  };
  await round(0, false);
  const load = new Load({ port: world.port }, 8);
  for (let number = 0; number < 40; number++) await round(number, false);
  const before = await world.metric("process_resident_memory_bytes");
  for (let number = 0; number < 100; number++) await round(number, number % 3 === 2);
  const after = await world.metric("process_resident_memory_bytes");
  const { responses, closed, bodies } = await load.stop();
  assert.ok(responses > 140, String(responses));
  assert.deepEqual([closed, [...bodies]], [0, ["served"]]);
  // Garbage is collected late under load; what is alive is counted in tests/leak/reload.test.ts.
  assert.ok(after < before + 32 * 1024 * 1024, `${before} bytes before, ${after} after`);
  await server.shutdown({ grace: 0 });
  await world.stop();
});

for (const workers of [1, 2]) {
  test(`A server that joins or leaves costs the others no connection, with ${workers} threads`, async () => {
    const directory = temporaryDirectory();
    const paths = ["one", "two"].map((name) => join(directory, `${name}.sock`));
    const servers = await Promise.all(
      paths.map((path, index) =>
        serveFastCgi(() => new Response(String(index)), { listen: { transport: "unix", path } })
      ),
    );
    const configWith = (...given: readonly string[]) => ({
      workers,
      upstreams: {
        app: { servers: given.map((path) => `unix:${path}`), balance: "round_robin" },
      },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    });
    const world = await World.start(configWith(paths[0]!));
    const bodies = async () => {
      const all: string[] = [];
      for (let count = 0; count < 20; count++) all.push(await world.body());
      return [...new Set(all)].toSorted();
    };
    const connects = () => world.metric(`afcgi_upstream_connects_total{.*one\\.sock".*}`);
    assert.deepEqual(await bodies(), ["0"]);
    const before = await connects();
    assert.ok(before >= 1 && before <= workers, String(before));
    for (let round = 0; round < 5; round++) {
      world.write(configWith(...paths));
      assert.equal((await world.reload()).status, 200);
      assert.deepEqual(await bodies(), ["0", "1"]);
      world.write(configWith(paths[0]!));
      assert.equal((await world.reload()).status, 200);
      assert.deepEqual(await bodies(), ["0"]);
    }
    assert.equal(await connects(), before);
    await world.stop();
    for (const server of servers) await server.shutdown({ grace: 0 });
  });
}

test("An application whose spawn is the same keeps its process; a changed one must come up", async () => {
  const spawnOf = (command: readonly string[], more = {}) => ({
    upstreams: { app: { spawn: { command, workers: 1, stop_timeout: "1s" }, ...more } },
    sites: [{
      routes: [{ path: "/app", fastcgi: { upstream: "app" } }, ...sitesOf("one").sites[0]!.routes],
    }],
  });
  const good = ["perl", "-e", "$SIG{TERM} = sub { exit 0 }; sleep 1 while 1;"];
  const world = await World.start(spawnOf(good));
  const applicationOf = async () => {
    const target = { target: "/status", headers: { Host: "localhost" } };
    const { upstreams } = JSON.parse((await httpRequest(world.adminPort, target)).body.toString());
    return upstreams[0];
  };
  const pidOf = async () => (await applicationOf()).spawn.workers[0].pid as number | undefined;
  // Requests go to the worker, of the upstream that there is now.
  const isSupplied = async () => {
    const { servers, spawn } = await applicationOf();
    return servers.length === 1 && servers[0].address === spawn.workers[0].server;
  };
  await waitUntil(async () => await pidOf() !== undefined, "the worker");
  const pid = await pidOf();
  assert.equal(await isSupplied(), true);
  world.write(spawnOf(good, { queue: { max: 5 } }));
  assert.equal((await world.reload()).status, 200);
  assert.equal(await pidOf(), pid);
  await waitUntil(isSupplied, "the upstream that has the worker");
  world.write(spawnOf(["perl", "-e", "exit 3"]));
  const failed = await world.reload();
  assert.equal(failed.status, 400);
  assert.match(failed.body.toString(), /Cannot start the application of upstream/);
  assert.equal(await pidOf(), pid);
  world.write(spawnOf([...good, "other"]));
  assert.equal((await world.reload()).status, 200);
  assert.notEqual(await pidOf(), pid);
  await waitUntil(() => Promise.resolve(!isAlive(pid!)), "the end of the old worker");
  await world.stop();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
