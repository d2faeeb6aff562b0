/** The small parts of spawned applications, each by itself, at the edges of what it counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileError } from "../../src/runtime/file_error.ts";
import { BackOff, type RunEnd } from "../../src/spawn/back_off.ts";
import { environmentFor } from "../../src/spawn/environment.ts";
import { fpmArguments, fpmConfig } from "../../src/spawn/fpm_config.ts";
import {
  commandKind,
  connectionsMax,
  SPAWN_DEFAULTS,
  workerCount,
} from "../../src/spawn/options.ts";
import { Pauses } from "../../src/spawn/pauses.ts";
import { findProgram, isProgramThere } from "../../src/spawn/program.ts";
import {
  firstSockets,
  nextSocketNumber,
  socketCount,
  socketNumber,
  workerSocket,
} from "../../src/spawn/sockets.ts";
import { findWorkerUser } from "../../src/spawn/worker_user.ts";
import type { UserIds } from "../../src/runtime/spawner.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock, MemoryFiles } from "../support/memory/memory.ts";
import { layOut } from "../config/memory_files.ts";

const failed = (ranMs = 0): RunEnd => ({ ranMs, isGood: false, hasServed: false });
const good = (hasServed: boolean, ranMs = 0): RunEnd => ({ ranMs, isGood: true, hasServed });

test("Waits double up to their most, and begin anew behind a run of ten seconds", () => {
  const backOff = new BackOff(100, 1_000);
  const waits = () => [1, 2, 3, 4, 5, 6].map(() => backOff.next(failed(9_999)));
  assert.deepEqual(waits(), [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(backOff.next(failed(10_000)), 0);
  assert.deepEqual(waits(), [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(
    backOff.next({ ...failed(9_999), hasServed: true }),
    1_000,
    "requests excuse nothing",
  );
});

test("A wait stays a number however often a program ends", () => {
  const backOff = new BackOff(1, Infinity);
  let last = 0;
  for (let ends = 0; ends < 2_000; ends++) last = backOff.next(failed());
  assert.equal(last, 2 ** 30);
});

test("Good ends are followed at once: with requests always, without them three times in a row", () => {
  const backOff = new BackOff(100, 1_000);
  const waits = (ends: readonly RunEnd[]) => ends.map((end) => backOff.next(end));
  const idle = [good(false), good(false), good(false)];
  assert.deepEqual(waits([...idle, good(false), good(false)]), [0, 0, 0, 100, 200]);
  assert.deepEqual(waits([good(true), ...idle, good(false)]), [0, 0, 0, 0, 400]);
  // A bad end with requests before it breaks the row as well.
  assert.deepEqual(waits([{ ...failed(), hasServed: true }, ...idle, good(false)]), [
    800,
    ...[0, 0, 0],
    1_000,
  ]);
  assert.deepEqual(waits([good(false, 10_000), good(false)]), [0, 100], "it was well");
});

test("Only variables that every program wants are passed on, by their whole names", () => {
  const kept = [
    ...["PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "HOME", "USER"],
    ...["LOGNAME", "SHELL"],
  ];
  const ours = [
    ...["AFCGI_X", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS"],
    "LISTEN_FDNAMES",
  ];
  const others = [
    ...["XPATH", "PATHX", "LC_", "LC_all", "path", "TZX", "MY_AFCGI_X", "LISTEN_PORT"],
    ...["NOTIFY_SOCKETS", "XWATCHDOG_PID", "LD_PRELOAD"],
  ];
  const own = Object.fromEntries([...kept, ...ours, ...others].map((name) => [name, "x"]));
  const names = (isCleared: boolean) =>
    Object.keys(environmentFor({ own, isCleared, user: undefined, ofKind: {}, given: {} }));
  assert.deepEqual(names(true).toSorted(), kept.toSorted());
  assert.deepEqual(names(false).toSorted(), [...kept, ...others].toSorted());
});

test("What is given of the environment wins over the kind's, that over who it is, that over ours", () => {
  const user = { name: "web", home: "/srv" };
  const env = environmentFor({
    own: { HOME: "/root", USER: "root", LOGNAME: "root", SHELL: "/bin/sh" },
    isCleared: true,
    user,
    ofKind: { USER: "kind", LOGNAME: "kind" },
    given: { LOGNAME: "given" },
  });
  assert.deepEqual(env, { HOME: "/srv", USER: "kind", LOGNAME: "given", SHELL: "/bin/sh" });
});

test("php-fpm's configuration is one pool on our socket, of its user where root says who", () => {
  const pool = { socket: "/tmp/1.sock", children: 7, maxRequests: 50, user: undefined };
  const text = (before: readonly string[], user: readonly string[]) =>
    [
      ...["[global]", "daemonize = no", "error_log = /dev/null", "log_limit = 8192", "[afcgi]"],
      ...["listen = /tmp/1.sock", "listen.mode = 0600", ...before, "listen.backlog = 511", ...user],
      ...["pm = static", "pm.max_children = 7", "pm.max_requests = 50", "clear_env = no"],
      ...["catch_workers_output = yes", "decorate_workers_output = no", ""],
    ].join("\n");
  assert.equal(fpmConfig(pool), text([], []));
  const user = { name: "web", user: 33, group: 34 };
  assert.equal(fpmConfig({ ...pool, user }), text([], ["user = web", "group = 34"]));
  assert.equal(
    fpmConfig({ ...pool, socketOwner: { user: 5, group: 6 } }),
    text(["listen.owner = 5", "listen.group = 6"], []),
  );
  assert.deepEqual(fpmArguments("/x.conf"), [
    "--nodaemonize",
    "--force-stderr",
    "--fpm-config",
    "/x.conf",
  ]);
});

test("What nobody says of an application is as it is documented", () => {
  assert.deepEqual(SPAWN_DEFAULTS, {
    workers: "auto",
    env: {},
    cwd: undefined,
    user: undefined,
    maxRequests: 0,
    connectionsMax: undefined,
    restart: { backoffMs: 250, backoffMaxMs: 30_000 },
    startTimeoutMs: 30_000,
    stopTimeoutMs: 10_000,
  });
});

test("How many workers and connections there are goes by the program, the processors and what is said", () => {
  const cases: [command: string[], workers: number | "auto", kind: string, counts: number[]][] = [
    // Workers, connections to each, sockets.
    [["php-fpm"], "auto", "php-fpm", [12, 12, 1]],
    [["/usr/sbin/php-fpm8.2"], 5, "php-fpm", [5, 5, 1]],
    [["php-cgi8.2"], "auto", "php-cgi", [12, 1, 12]],
    [["php-cgi"], 5, "php-cgi", [5, 1, 5]],
    [["app"], "auto", "other", [3, 1, 3]],
    [["app", "php-fpm"], 1, "other", [1, 1, 1]],
    [["php-fpm-x"], "auto", "other", [3, 1, 3]],
    [["xphp-cgi"], "auto", "other", [3, 1, 3]],
    [[], "auto", "other", [3, 1, 3]],
  ];
  for (const [command, workers, kind, counts] of cases) {
    const options = { ...SPAWN_DEFAULTS, upstream: "app", command, workers };
    assert.equal(commandKind(command), kind);
    const found = [
      workerCount(options, 3),
      connectionsMax(options, 3),
      socketCount(options, 3),
    ];
    assert.deepEqual(found, counts, String(command));
    assert.equal(connectionsMax({ ...options, connectionsMax: 9 }, 3), 9);
    assert.deepEqual(
      firstSockets(options, 3, "/d").map(({ path }) => path),
      Array.from({ length: counts[2]! }, (_, index) => `/d/${index + 1}.sock`),
    );
  }
});

test("The number of a socket is read from its path, its last part alone", () => {
  for (const [directory, number] of [["/d", 1], ["/7.sock", 32], ["/12", 120]] as const) {
    const socket = workerSocket(directory, number);
    assert.deepEqual(socket, { transport: "unix", path: `${directory}/${number}.sock` });
    assert.equal(socketNumber(socket), number);
  }
});

test("The next number is behind the last one, goes round, and is never one that is used", () => {
  const cases: [last: number, count: number, used: number[], next: number][] = [
    [0, 1, [], 1],
    [1, 1, [1], 2],
    [31, 1, [], 32],
    [32, 1, [], 1],
    [32, 1, [1, 2], 3],
    [31, 1, [32, 1], 2],
    [32, 16, [], 1],
    [32, 17, [], 33],
    [34, 17, [], 1],
    [99, 50, [], 100],
    [100, 50, [], 1],
    // None is free but the last one itself.
    [5, 1, Array.from({ length: 32 }, (_, index) => index + 1).filter((one) => one !== 5), 5],
  ];
  for (const [last, count, used, next] of cases) {
    assert.equal(nextSocketNumber(last, count, new Set(used)), next, `${last} ${count}`);
  }
  const all = new Set(Array.from({ length: 40 }, (_, index) => index + 1));
  assert.equal(nextSocketNumber(32, 16, all), 33);
  // Round and round, with one that stays: each other number comes, and none comes early.
  const seen: number[] = [];
  for (let last = 0, turns = 0; turns < 62; turns++) {
    last = nextSocketNumber(last, 3, new Set([7]));
    seen.push(last);
  }
  const round = Array.from({ length: 32 }, (_, index) => index + 1).filter((one) => one !== 7);
  assert.deepEqual(seen, [...round, ...round]);
});

test("A pause lasts its time, or until all is to end; later ones are none", async () => {
  const clock = new ManualClock();
  const pauses = new Pauses(clock);
  const over: string[] = [];
  const note = (name: string, done: Promise<void>) => void done.then(() => over.push(name));
  const done = Promise.withResolvers<void>();
  note("short", pauses.pause(10));
  note("long", pauses.pause(100));
  note("done", pauses.within(done.promise, 100));
  note("late", pauses.within(new Promise(() => {}), 20));
  assert.equal(clock.timerCount, 4);
  const steps: [act: () => void, over: string[], timers: number][] = [
    [() => clock.advance(9), [], 4],
    [() => clock.advance(1), ["short"], 3],
    [() => done.resolve(), ["short", "done"], 2],
    [() => clock.advance(10), ["short", "done", "late"], 1],
    [() => pauses.endAll(), ["short", "done", "late", "long"], 0],
    [() => note("none", pauses.pause(100)), ["short", "done", "late", "long", "none"], 0],
    [
      () => note("none within", pauses.within(new Promise(() => {}), 100)),
      ["short", "done", "late", "long", "none", "none within"],
      0,
    ],
  ];
  for (const [act, expected, timers] of steps) {
    act();
    await untilIdle();
    assert.deepEqual([over, clock.timerCount], [expected, timers]);
  }
});

const PHP = {
  "/usr/local/sbin/php-fpm8.1": "",
  "/usr/local/bin/php-cgi82": "",
  "/usr/sbin/php-fpm8.2": "",
  "/usr/sbin/php-fpm8": "",
  "/usr/sbin/php-fpm123.4": "",
  "/usr/sbin/php-fpm8.123": "",
  "/usr/bin/php-cgi/inside": "",
  "/usr/bin/php-cgi8.1": "",
  "/bin/php-cgi7.4": "",
  "/secret/php-cgi8.9": "",
  "/bin/app": "",
};

/** Files of which a directory may not be entered, or whose disk fails. */
function filesWith(errors: Readonly<Record<string, string>> = {}): MemoryFiles {
  const files = new MemoryFiles();
  layOut(files, PHP);
  const stat = files.stat.bind(files);
  files.stat = (path) => {
    const denied = Object.keys(errors).find((one) => path === one || path.startsWith(`${one}/`));
    if (denied !== undefined) throw new FileError("look at", path, errors[denied]!);
    return stat(path);
  };
  return files;
}

test("PHP of the highest version is found, wherever it lies, and never a directory", async () => {
  const files = filesWith();
  const cases: [program: string, path: string | undefined, found: string][] = [
    ["php-fpm", "/bin", "/usr/sbin/php-fpm8.2"],
    ["php-fpm", undefined, "/usr/sbin/php-fpm8.2"],
    ["php-fpm8.1", "/bin", "/usr/local/sbin/php-fpm8.1"],
    ["php-cgi", "/bin", "/usr/local/bin/php-cgi82"],
    ["php-cgi", ":/bin:", "/usr/local/bin/php-cgi82"],
    ["php-cgi", "/secret", "/secret/php-cgi8.9"],
    ["php-cgi8.1", "", "/usr/bin/php-cgi8.1"],
    ["php-cgi5.6", "/bin", "php-cgi5.6"],
    ["/bin/php-cgi", "/bin", "/bin/php-cgi"],
    ["app", "/bin", "app"],
  ];
  for (const [program, path, found] of cases) {
    assert.equal(await findProgram(program, files, path), found, `${program} ${path}`);
  }
});

test("The first of two directories has the program of that name", async () => {
  const files = new MemoryFiles();
  layOut(files, { "/one/php-cgi": "", "/two/php-cgi": "", "/usr/bin/php-cgi": "" });
  assert.equal(await findProgram("php-cgi", files, "/two:/one"), "/two/php-cgi");
  assert.equal(await findProgram("php-cgi", files, "/none"), "/usr/bin/php-cgi");
});

test("A directory that may not be entered has no program; another failure is told", async () => {
  for (const code of ["EACCES", "EPERM"]) {
    const files = filesWith({ "/secret": code, "/usr/local/bin": code });
    assert.equal(await findProgram("php-cgi", files, "/secret"), "/usr/bin/php-cgi8.1");
    assert.equal(await isProgramThere("/secret/php-cgi8.9", files, "/bin"), false);
  }
  const files = filesWith({ "/usr/local/bin": "EIO" });
  await assert.rejects(findProgram("php-cgi", files, "/bin"), FileError);
  await assert.rejects(isProgramThere("/usr/local/bin/php-cgi82", files, "/bin"), FileError);
});

test("Whether a program is there is looked for where it would be started from", async () => {
  const files = filesWith();
  const cases: [program: string, path: string | undefined, isThere: boolean][] = [
    ["app", "/bin", true],
    ["app", "/other:/bin", true],
    ["app", ":/bin", true],
    ["app", "/other", false],
    ["app", "", false],
    ["app", undefined, false],
    ["php-cgi8.1", undefined, true],
    ["php-fpm", "/other", true],
    ["php-fpm7.0", "/other", false],
    ["/bin/app", "/other", true],
    ["/bin", "/other", false],
    ["/bin/none", "/bin", false],
  ];
  for (const [program, path, isThere] of cases) {
    assert.equal(await isProgramThere(program, files, path), isThere, `${program} ${path}`);
  }
  const usual = new MemoryFiles();
  layOut(usual, { "/usr/bin/app": "" });
  assert.equal(await isProgramThere("app", usual, undefined), true, "the system's own list");
  assert.equal(await isProgramThere("app", usual, "/bin"), false);
});

const WEB: UserIds = { name: "web", user: 33, group: 33 };
const WWW: UserIds = { name: "www-data", user: 82, group: 82 };
const ME: UserIds = { name: "me", user: 1000, group: 1000 };

interface UserCase {
  readonly isRoot?: boolean;
  readonly name?: string;
  readonly kind?: "php-fpm" | "php-cgi" | "other";
  readonly client?: UserIds;
  readonly isMadeByUser?: boolean;
}

test("Whom a worker runs as: by what is said, by its kind, by who connects and by who we are", () => {
  const users = new Map([WEB, WWW, ME].map((user) => [user.name, user]));
  const find = (
    { isRoot = false, name, kind = "other", client, isMadeByUser = false }: UserCase,
  ): UserIds | undefined | string => {
    const spawner = {
      isRoot,
      findUser: (one: string) => users.get(one),
      isSelf: ({ user }: UserIds) => user === (isRoot ? 0 : ME.user),
    };
    try {
      return findWorkerUser(spawner, { upstream: "app", name, kind, client, isMadeByUser });
    } catch (error) {
      return (error as Error).message;
    }
  };
  const cannot = 'Cannot start upstream "app"';
  const onlyRoot = `${cannot} as user "web": only root may ` +
    "(start afcgi as root, or leave spawn.user out)";
  const unreachable = `${cannot} as user "web": afcgi, which is to be user "me", could not ` +
    "connect to its socket (take {socket} out, so that it gets its socket as descriptor 0, or " +
    "name one user for both)";
  const cases: [given: UserCase, found: UserIds | undefined | string][] = [
    [{}, undefined],
    [{ kind: "php-fpm" }, undefined],
    [{ isRoot: true }, undefined],
    [{ isRoot: true, kind: "php-cgi" }, undefined],
    [{ isRoot: true, kind: "php-fpm" }, WWW],
    [{ isRoot: true, kind: "php-fpm", name: "web" }, WEB],
    [{ isRoot: true, kind: "php-fpm", client: ME }, WWW],
    [{ isRoot: true, client: ME }, ME],
    [{ isRoot: true, client: ME, isMadeByUser: true }, ME],
    [{ isRoot: true, client: ME, name: "web" }, WEB],
    [{ isRoot: true, client: ME, name: "web", isMadeByUser: true }, unreachable],
    [{ isRoot: true, client: WEB, name: "web", isMadeByUser: true }, WEB],
    [{ isRoot: true, name: "web", isMadeByUser: true }, WEB],
    [
      { isRoot: true, name: "none" },
      `${cannot}: there is no user "none" (name one with spawn.user)`,
    ],
    [{ name: "none" }, `${cannot}: there is no user "none" (name one with spawn.user)`],
    [{ name: "web" }, onlyRoot],
    [{ name: "me" }, undefined],
    [{ client: ME }, undefined],
  ];
  for (const [given, found] of cases) assert.deepEqual(find(given), found, JSON.stringify(given));
});
