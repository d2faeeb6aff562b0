/**
 * What an application asks of the system, by what kind it is, who we are and who connects: whose its
 * directory and sockets are, whom it runs as, where, and with which words. The memory notes it; that
 * the system does it is in tests/runtime/spawning.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpawnObserver } from "../../src/spawn/deps.ts";
import { SpawnedApplication } from "../../src/spawn/application.ts";
import { SPAWN_DEFAULTS, type SpawnOptions } from "../../src/spawn/options.ts";
import type { UserIds } from "../../src/runtime/spawner.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { layOut } from "../config/memory_files.ts";
import { turns } from "./world.ts";

const WEB: UserIds = { name: "web", user: 33, group: 34 };
const WWW: UserIds = { name: "www-data", user: 82, group: 83 };
const ROOT: UserIds = { name: "root", user: 0, group: 0 };
const DAEMON: UserIds = { name: "daemon", user: 1, group: 1 };
const US: UserIds = { name: "afcgi", user: 900, group: 901 };

interface Case {
  readonly isRoot?: boolean;
  readonly client?: UserIds;
  readonly options: Partial<SpawnOptions> & Pick<SpawnOptions, "command">;
  readonly asked: readonly string[];
}

const NOBODY = "undefined";

const CASES: Readonly<Record<string, Case>> = {
  "a program that gets its socket": {
    options: { command: ["app", "-x"] },
    asked: [
      `directory of ${NOBODY}`,
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      `app -x in /here as ${NOBODY} with a socket`,
    ],
  },
  "a program that makes its socket": {
    options: { command: ["app", "--a={socket}", "{socket}:{socket}"], cwd: "/there" },
    asked: [
      `directory of ${NOBODY}`,
      "app --a=/tmp/afcgi-1/1.sock /tmp/afcgi-1/1.sock:/tmp/afcgi-1/1.sock in /there as " +
      `${NOBODY} without a socket`,
    ],
  },
  "php-fpm": {
    options: { command: ["php-fpm"], workers: 3 },
    asked: [
      `directory of ${NOBODY}`,
      "php-fpm --nodaemonize --force-stderr --fpm-config /tmp/afcgi-1/1.conf in /here as " +
      `${NOBODY} without a socket`,
    ],
  },
  "php-cgi by its version": {
    options: { command: ["php-cgi", "-d", "a=b"] },
    asked: [
      `directory of ${NOBODY}`,
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      `/opt/bin/php-cgi8.2 -d a=b in /here as ${NOBODY} with a socket`,
    ],
  },
  "a program of root's that gets its socket": {
    isRoot: true,
    options: { command: ["app"] },
    asked: [
      `directory of ${NOBODY}`,
      "root",
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      `app in /here as ${NOBODY} with a socket`,
    ],
  },
  "a program of another user that gets its socket from root": {
    isRoot: true,
    options: { command: ["app"], user: "web" },
    asked: [
      `directory of ${NOBODY}`,
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      "app in /here as web with a socket",
    ],
  },
  "a program of root's that is said to be root": {
    isRoot: true,
    options: { command: ["app"], user: "root" },
    asked: [
      `directory of ${NOBODY}`,
      "root",
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      "app in /here as root with a socket",
    ],
  },
  "a program of the user after root": {
    isRoot: true,
    options: { command: ["app"], user: "daemon" },
    asked: [
      `directory of ${NOBODY}`,
      `socket /tmp/afcgi-1/1.sock, 511 may wait, of ${NOBODY}`,
      "app in /here as daemon with a socket",
    ],
  },
  "a program of another user that makes its socket": {
    isRoot: true,
    options: { command: ["app", "{socket}"], user: "web" },
    asked: [
      "directory of web",
      "app /tmp/afcgi-1/1.sock in /here as web without a socket",
    ],
  },
  "a program of root's, where somebody else connects": {
    isRoot: true,
    client: US,
    options: { command: ["app"] },
    asked: [
      `directory of ${NOBODY}`,
      "admitted afcgi",
      "socket /tmp/afcgi-1/1.sock, 511 may wait, of 900:901",
      "app in /here as afcgi with a socket",
    ],
  },
  "a program of another user, where somebody else connects": {
    isRoot: true,
    client: US,
    options: { command: ["app"], user: "web" },
    asked: [
      `directory of ${NOBODY}`,
      "admitted afcgi",
      "socket /tmp/afcgi-1/1.sock, 511 may wait, of 900:901",
      "app in /here as web with a socket",
    ],
  },
  "php-fpm of root's": {
    isRoot: true,
    options: { command: ["php-fpm"] },
    asked: [
      `directory of ${NOBODY}`,
      "php-fpm --nodaemonize --force-stderr --fpm-config /tmp/afcgi-1/1.conf in /here as " +
      `${NOBODY} without a socket`,
      "user = www-data",
      "group = 83",
    ],
  },
  "php-fpm of root's, where somebody else connects": {
    isRoot: true,
    client: US,
    options: { command: ["php-fpm"], user: "web" },
    asked: [
      `directory of ${NOBODY}`,
      "admitted afcgi",
      "php-fpm --nodaemonize --force-stderr --fpm-config /tmp/afcgi-1/1.conf in /here as " +
      `${NOBODY} without a socket`,
      "listen.owner = 900",
      "listen.group = 901",
      "user = web",
      "group = 34",
    ],
  },
};

const QUIET: SpawnObserver = {
  onState() {},
  onEnded() {},
  onNotReplaced() {},
  onSocketsLost() {},
  onDirectoryFailed() {},
  onLine() {},
  onRunsAsRoot() {},
};

/** The runtime, and what is asked of it. */
function noting(isRoot: boolean) {
  const runtime = new MemoryRuntime({
    process: { env: { PATH: "/opt/bin", HOME: "/h" }, cwd: "/here" },
  });
  layOut(runtime.files, { "/opt/bin/php-cgi8.2": "" });
  const { spawner } = runtime;
  const asked: string[] = [];
  Object.defineProperty(spawner, "isRoot", { value: isRoot });
  for (const user of [WEB, WWW, US, ROOT, DAEMON]) spawner.users.set(user.name, user);
  const createDirectory = spawner.createDirectory.bind(spawner);
  spawner.createDirectory = ((owner: UserIds | undefined) => {
    asked.push(`directory of ${owner?.name}`);
    const directory = createDirectory();
    return {
      ...directory,
      admit: (user: UserIds) => {
        asked.push(`admitted ${user.name}`);
        return { user: user.user, group: user.group };
      },
    };
  }) as typeof spawner.createDirectory;
  const listen = spawner.listen.bind(spawner);
  spawner.listen = (async (path: string, backlog: number, owner?: UserIds) => {
    const whose = owner === undefined ? NOBODY : `${owner.user}:${owner.group}`;
    asked.push(`socket ${path}, ${backlog} may wait, of ${whose}`);
    return await listen(path);
  }) as typeof spawner.listen;
  const start = spawner.start.bind(spawner);
  spawner.start = async (options) => {
    const { command, cwd, user, input } = options;
    const how = input === undefined ? "without a socket" : "with a socket";
    asked.push(`${command.join(" ")} in ${cwd} as ${user?.name} ${how}`);
    for (const line of [...spawner.files.values()].join("").split("\n")) {
      if (/^(?:user|group|listen\.owner|listen\.group) =/.test(line)) asked.push(line);
    }
    return await start(options);
  };
  return { runtime, asked };
}

for (const [what, { isRoot = false, client, options, asked: expected }] of Object.entries(CASES)) {
  test(`What is asked of the system for ${what}`, async () => {
    const { runtime, asked } = noting(isRoot);
    const application = new SpawnedApplication(
      { ...SPAWN_DEFAULTS, workers: 1, upstream: "app", ...options },
      {
        runtime,
        client,
        drainMs: 1_000,
        target: { useServers: () => Promise.resolve(), requestsBegun: () => 0 },
        observer: { ...QUIET, onRunsAsRoot: () => void asked.push("root") },
      },
    );
    await application.start();
    await turns();
    assert.deepEqual(asked, expected);
    await application.stop();
    assert.deepEqual(
      [runtime.spawner.sockets.size, runtime.spawner.files.size, runtime.clock.timerCount],
      [0, 0, 0],
    );
  });
}

test("The variables of a program go by its kind and its user", async () => {
  const cases: [options: Case["options"], isRoot: boolean, env: Record<string, string>][] = [
    [{ command: ["app"] }, false, { PATH: "/opt/bin", HOME: "/h" }],
    [{ command: ["php-cgi"] }, false, {
      PATH: "/opt/bin",
      HOME: "/h",
      PHP_FCGI_MAX_REQUESTS: "0",
    }],
    [{ command: ["php-cgi"], env: { PHP_FCGI_MAX_REQUESTS: "9" } }, false, {
      PATH: "/opt/bin",
      HOME: "/h",
      PHP_FCGI_MAX_REQUESTS: "9",
    }],
    [{ command: ["php-fpm"] }, false, { PATH: "/opt/bin", HOME: "/h" }],
    [{ command: ["app"], user: "web" }, true, {
      PATH: "/opt/bin",
      HOME: "/home/web",
      USER: "web",
      LOGNAME: "web",
    }],
  ];
  for (const [options, isRoot, env] of cases) {
    const { runtime } = noting(isRoot);
    const application = new SpawnedApplication(
      { ...SPAWN_DEFAULTS, workers: 1, upstream: "app", ...options },
      {
        runtime,
        drainMs: 1_000,
        target: { useServers: () => Promise.resolve(), requestsBegun: () => 0 },
        observer: QUIET,
      },
    );
    await application.start();
    await turns();
    assert.deepEqual(runtime.spawner.children[0]!.options.env, env);
    await application.stop();
  }
});
