/** What a file and the flags say of applications that afcgi starts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, formatError } from "../../src/config/located_error.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import type { Flags } from "../../src/config/settings.ts";
import { MemoryFiles } from "../support/memory/memory.ts";
import { SPAWN_DEFAULTS } from "../../src/spawn/options.ts";
import { layOut } from "./memory_files.ts";

const FILE = `upstreams:
  app:
    spawn:
      command: [bin/app, "{socket}"]
      workers: 3
      env: { A: b }
      cwd: work
      user: web
      max_requests: 100
      restart: { backoff: 1s, backoff_max: 1m }
      start_timeout: 5s
      stop_timeout: 6s
    connections: { max: 2 }
sites:
  - routes: [{ fastcgi: { upstream: app } }]
`;

function load(flags: Flags) {
  const files = new MemoryFiles();
  layOut(files, { "/etc/a.yaml": FILE, "/www/index.php": "" });
  return loadConfig(flags, { files, readVariable: () => undefined, cwd: "/" });
}

async function errorsOf(flags: Flags): Promise<readonly string[]> {
  try {
    await load(flags);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.errors.map(formatError);
  }
}

test("A file says all that there is to say of a spawned application", async () => {
  const { options } = await load({ config: "/etc/a.yaml" });
  assert.deepEqual(options.spawns, [{
    upstream: "app",
    command: ["bin/app", "{socket}"],
    workers: 3,
    env: { A: "b" },
    cwd: "/etc/work",
    user: "web",
    maxRequests: 100,
    connectionsMax: 2,
    restart: { backoffMs: 1_000, backoffMaxMs: 60_000 },
    startTimeoutMs: 5_000,
    stopTimeoutMs: 6_000,
  }]);
  assert.deepEqual(options.upstreams.map(({ servers, supplied }) => ({ servers, supplied })), [
    { servers: [], supplied: true },
  ]);
});

test("--upstream in place of a spawned application starts nothing", async () => {
  const { options } = await load({ config: "/etc/a.yaml", upstream: ["h:1"] });
  assert.deepEqual(options.spawns, []);
  assert.equal(options.upstreams[0]!.supplied, false);
});

test("--spawn is the whole configuration, with the preset php for PHP", async () => {
  const { options } = await load({ spawn: "php-fpm8.2 -d a=b", root: "/www" });
  const command = ["php-fpm8.2", "-d", "a=b"];
  const spawn = { ...SPAWN_DEFAULTS, upstream: "php", command, clearEnv: false };
  assert.deepEqual(options.spawns, [spawn]);
  assert.deepEqual(options.sites[0]!.routes.map(({ handler }) => handler.kind), ["static", "php"]);
  const other = await load({ spawn: "app" });
  assert.deepEqual(other.options.sites[0]!.routes.map(({ handler }) => handler.kind), ["fastcgi"]);
});

test("--spawn is refused beside a file, beside --upstream, and for PHP without a root", async () => {
  assert.deepEqual(await errorsOf({ config: "/etc/a.yaml", spawn: "app" }), [
    '--spawn: The upstreams are in "/etc/a.yaml" (leave one of the two out)',
  ]);
  assert.deepEqual(await errorsOf({ upstream: ["h:1"], spawn: "app" }), [
    "--spawn: The application is at --upstream already (leave one of the two out)",
  ]);
  assert.deepEqual(await errorsOf({ spawn: "php-cgi" }), [
    '--spawn: Preset "php" has no files (add --root DIR)',
  ]);
});
