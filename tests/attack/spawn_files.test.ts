/**
 * What root writes for applications that it starts lies where no other user can put a symlink, a
 * FIFO or another file in its place; a directory that somebody removed is made anew, and what dead
 * processes left is swept. Through the executable, with php-fpm:
 * tests/interop/spawned_as_root.test.ts.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SpawnError } from "../../src/runtime/spawner.ts";
import { runtime } from "../runtime/support.ts";
import { temporaryDirectory } from "../support/places.ts";
import { turns, World } from "../spawn/world.ts";
import { DIRECTORY_POLL_MS, REPLACE_POLL_MS, SETTLE_MS } from "../../src/spawn/application.ts";
import { until } from "../support/idle.ts";

const { spawner } = runtime;
const isRoot = process.getuid?.() === 0;
const STRANGER = { name: "www-data", user: 33, group: 33 };

/** Lets files be kept in a directory of the test's; the way there must be safe. */
async function below(directory: string, use: () => unknown): Promise<void> {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = directory;
  try {
    await use();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

test("What is in the way of a file is refused, not followed", () => {
  const directory = spawner.createDirectory(undefined);
  const victim = join(temporaryDirectory(), "victim");
  writeFileSync(victim, "precious");
  symlinkSync(victim, join(directory.path, "link.conf"));
  symlinkSync(join(victim, "..", "missing"), join(directory.path, "dangling.conf"));
  writeFileSync(join(directory.path, "file.conf"), "there");
  for (const name of ["link.conf", "dangling.conf", "file.conf"]) {
    assert.throws(() => directory.write(name, "ours"), /EEXIST/, name);
  }
  assert.equal(readFileSync(victim, "utf8"), "precious");
  // What is forgotten is the name, not what it leads to.
  directory.forget("link.conf");
  assert.equal(existsSync(victim), true);
  directory.write("link.conf", "ours");
  assert.equal(lstatSync(join(directory.path, "link.conf")).isFile(), true);
  directory.remove();
  assert.equal(existsSync(victim), true);
});

test("Two directories never have the same name, and each is ours alone", () => {
  const directories = Array.from({ length: 3 }, () => spawner.createDirectory(undefined));
  assert.equal(new Set(directories.map(({ path }) => path)).size, 3);
  for (const directory of directories) {
    assert.equal(lstatSync(directory.path).mode & 0o777, 0o700);
    assert.equal(lstatSync(directory.path).uid, process.getuid?.());
    directory.remove();
  }
});

test("The directory of another user's sockets holds nothing that we write", {
  skip: !isRoot && "takes root",
}, () => {
  const directory = spawner.createDirectory(STRANGER);
  const written = directory.write("1.conf", "text");
  assert.equal(lstatSync(directory.path).uid, STRANGER.user);
  assert.equal(lstatSync(directory.path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(directory.path), []);
  assert.equal(written.startsWith(directory.path), false);
  const own = join(written, "..");
  assert.equal(lstatSync(own).uid, 0);
  // Others pass through, see no names and change nothing.
  assert.equal(lstatSync(own).mode & 0o777, 0o711);
  directory.remove();
  assert.equal(existsSync(own), false);
});

test("What a user has put among his sockets is not followed when the directory goes", {
  skip: !isRoot && "takes root",
}, () => {
  const directory = spawner.createDirectory(STRANGER);
  const victim = temporaryDirectory();
  writeFileSync(join(victim, "precious"), "text");
  symlinkSync(victim, join(directory.path, "1.sock"));
  symlinkSync(join(victim, "precious"), join(directory.path, "2.sock"));
  mkdirSync(join(directory.path, "empty"));
  directory.remove();
  assert.equal(existsSync(directory.path), false);
  assert.deepEqual(readdirSync(victim), ["precious"]);
});

test("Where others may change the way to our files none are kept", {
  skip: !isRoot && "takes root",
}, async () => {
  const base = temporaryDirectory();
  const theirs = join(base, "theirs");
  mkdirSync(join(theirs, "inner"), { recursive: true });
  chownSync(theirs, STRANGER.user, STRANGER.group);
  const open = join(base, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  for (const directory of [theirs, join(theirs, "inner"), open]) {
    await below(directory, () => {
      assert.throws(() => spawner.createDirectory(undefined), (error: unknown) => {
        assert.ok(error instanceof SpawnError);
        assert.match(error.message, /^Cannot keep files below ".+": other users may change "/);
        return true;
      });
      assert.deepEqual(readdirSync(directory).filter((name) => name.startsWith("afcgi-")), []);
    });
  }
  chmodSync(open, 0o1777);
  await below(open, () => spawner.createDirectory(undefined).remove());
});

test("What dead processes left is swept, and nothing else", async () => {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), "afcgi-test-")));
  await below(parent, async () => {
    const alive = spawner.createDirectory(undefined);
    const dead = spawner.createDirectory(undefined);
    const deadBase = dead.path;
    await leaveBehind(deadBase);
    for (const name of ["afcgi-spawn-empty", "afcgi-spawn-young", "afcgi-spawn-full", "other"]) {
      mkdirSync(join(parent, name), { mode: 0o700 });
    }
    writeFileSync(join(parent, "afcgi-spawn-full", "kept"), "text");
    writeFileSync(join(parent, "afcgi-spawn-file"), "text");
    symlinkSync(deadBase, join(parent, "afcgi-spawn-link"));
    utimesSync(join(parent, "afcgi-spawn-empty"), 1, 1);
    // Empty and old, but not of our making.
    mkdirSync(join(parent, "afcgi-theirs"), { mode: 0o700 });
    utimesSync(join(parent, "afcgi-theirs"), 1, 1);
    await spawner.removeLeftDirectories();
    const left = readdirSync(parent).toSorted();
    const expected = [
      alive.path.slice(parent.length + 1),
      "afcgi-spawn-file",
      "afcgi-spawn-full",
      "afcgi-spawn-link",
      "afcgi-spawn-young",
      "afcgi-theirs",
      "other",
    ];
    assert.deepEqual(left, expected.toSorted());
    alive.remove();
  });
  rmSync(parent, { recursive: true });
});

/** Puts the socket of a dead process in the place of the live one. */
async function leaveBehind(directory: string): Promise<void> {
  const path = join(directory, "alive");
  await until(() => existsSync(path), "the socket of the live process");
  rmSync(path);
  const socket = await spawner.listen(path, 1);
  // Its file stays, as after SIGKILL.
  const kept = `${path}.kept`;
  renameSync(path, kept);
  socket.close();
  renameSync(kept, path);
}

test("A configuration is written anew at each start, whoever has removed it", async () => {
  const world = new World({ command: ["php-fpm"], restart: { backoffMs: 10, backoffMaxMs: 10 } });
  await world.application.start();
  await turns();
  world.runtime.spawner.files.clear();
  world.children[0]!.end({ code: 1, signal: null });
  await world.advance(20, 10);
  assert.equal(world.children.length, 2);
  assert.equal(world.runtime.spawner.files.size, 1);
  // Where nobody has removed it, its own does not stand in its way.
  world.children[1]!.end({ code: 1, signal: null });
  await world.advance(20, 10);
  assert.equal(world.children.length, 3);
  assert.equal(world.runtime.spawner.files.size, 1);
  await world.application.stop();
});

test("Workers whose directory or socket is gone get successors that have one", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  world.runtime.spawner.lost.add("/tmp/afcgi-1/2.sock");
  await world.advance(DIRECTORY_POLL_MS);
  await world.advance(REPLACE_POLL_MS + SETTLE_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/1.sock", "/tmp/afcgi-1/3.sock"]);
  assert.deepEqual(world.log, ["sockets in /tmp/afcgi-1 are gone"]);
  world.runtime.spawner.lost.add("/tmp/afcgi-1");
  await world.advance(DIRECTORY_POLL_MS);
  await world.advance(2 * (REPLACE_POLL_MS + SETTLE_MS), REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-2/4.sock", "/tmp/afcgi-2/5.sock"]);
  await world.application.stop();
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("A socket that listens is only for us", async () => {
  const directory = spawner.createDirectory(undefined);
  const before = process.umask(0);
  const socket = await spawner.listen(join(directory.path, "1.sock"), 1);
  process.umask(before);
  assert.equal(lstatSync(join(directory.path, "1.sock")).mode & 0o777, 0o600);
  socket.close();
  directory.remove();
});
