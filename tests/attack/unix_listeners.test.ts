/**
 * Who may connect to a unix socket that afcgi listens on. Left to the umask it was anybody's guess: with
 * umask 0 everybody came in, past the proxy in front and whatever it asks of clients, and to the admin
 * address. Now the mode is as asked from the moment the file is there.
 */
import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { preflight } from "../../src/app/preflight.ts";
import { ConfigError } from "../../src/config/located_error.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import type { UnixAddress } from "../../src/runtime/address.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { bindSocket } from "../../src/runtime/socket_file.ts";
import { freshPath, runtime, startGateway } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/places.ts";

const SITES = [{ routes: [{ respond: { status: 204 } }] }];

/** A group that we may give a file to, by number and by name. */
const GROUP = process.geteuid?.() === 0 ? 33 : process.getegid!();
const GROUP_NAME = readFileSync("/etc/group", "utf8").split("\n").map((line) => line.split(":"))
  .find(([, , id]) => Number(id) === GROUP)![0]!;

async function optionsOf(config: object): Promise<AppOptions> {
  const directory = temporaryDirectory();
  const file = join(directory, "afcgi.yaml");
  writeFileSync(file, JSON.stringify({ sites: SITES, ...config }));
  const parts = { files: runtime.files, cwd: directory, readVariable: () => undefined };
  return (await loadConfig({ config: file }, parts)).options;
}

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8).padStart(4, "0");
}

/** Runs with a umask that hides nothing. */
async function withOpenUmask<Value>(use: () => Promise<Value>): Promise<Value> {
  const before = process.umask(0);
  try {
    return await use();
  } finally {
    assert.equal(process.umask(before), 0, "the umask is not what it was");
  }
}

const CASES: readonly (readonly [object, string, number | undefined])[] = [
  [{}, "0600", undefined],
  [{ mode: "0666" }, "0666", undefined],
  [{ mode: "660" }, "0660", undefined],
  [{ group: GROUP_NAME }, "0660", GROUP],
  [{ group: String(GROUP), mode: "0620" }, "0620", GROUP],
];

for (const [asked, mode, group] of CASES) {
  test(`Sockets of HTTP and of admin are ${mode} where ${JSON.stringify(Object.keys(asked))} is given`, async () => {
    const [http, admin] = [freshPath(), freshPath()];
    const options = await optionsOf({
      listen: [{ address: `unix:${http}`, ...asked }],
      admin: { listen: { address: `unix:${admin}`, ...asked } },
    });
    const gateway = await withOpenUmask(() => startGateway(options));
    for (const path of [http, admin]) {
      assert.equal(modeOf(path), mode);
      if (group !== undefined) assert.equal(lstatSync(path).gid, group);
    }
    await gateway.app.stop();
    assert.deepEqual([existsSync(http), existsSync(admin)], [false, false]);
  });
}

test("A socket named by its address alone is for its owner, whatever the umask", async () => {
  const [http, admin] = [freshPath(), freshPath()];
  const options = await optionsOf({ listen: [`unix:${http}`], admin: { listen: `unix:${admin}` } });
  const gateway = await withOpenUmask(() => startGateway(options));
  assert.deepEqual([modeOf(http), modeOf(admin)], ["0600", "0600"]);
  await gateway.app.stop();
});

test("The file is nobody's but its owner's until it has its group", async () => {
  const path = freshPath();
  const file = { mode: 0o666, group: String(GROUP) };
  await withOpenUmask(async () => {
    let server = createServer();
    bindSocket({ transport: "unix", path, file }, () => {
      server = server.listen({ path });
      assert.equal(modeOf(path), "0600");
      return server;
    }, () => assert.fail("it was closed"));
    assert.equal(modeOf(path), "0666");
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});

test("What somebody puts in the socket's place keeps its mode and its group", () => {
  const directory = temporaryDirectory();
  const target = join(directory, "target");
  writeFileSync(target, "", { mode: 0o600 });
  const before = lstatSync(target);
  for (const put of [(path: string) => symlinkSync(target, path), writeEmpty]) {
    const path = freshPath();
    let closed = 0;
    const address: UnixAddress = {
      transport: "unix",
      path,
      file: { mode: 0o666, group: String(GROUP) },
    };
    const bind = () => bindSocket(address, () => (put(path), {}), () => void closed++);
    assert.throws(
      bind,
      (error) => error instanceof ListenError && /in the socket's place/.test(error.message),
    );
    assert.equal(closed, 1);
  }
  const after = lstatSync(target);
  assert.deepEqual([after.mode, after.gid], [before.mode, before.gid]);
});

function writeEmpty(path: string): void {
  writeFileSync(path, "");
}

test("A group that is not there is an error of check, and ends the start", async () => {
  const path = freshPath();
  for (const key of ["listen", "admin"] as const) {
    const listen = { address: `unix:${path}`, group: "no-such-group" };
    const options = await optionsOf(
      key === "listen" ? { listen: [listen] } : { listen: ["127.0.0.1:0"], admin: { listen } },
    );
    const { errors: errors } = await preflight(options, runtime, false);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, /^There is no group "no-such-group" \(listener unix:.+create it/);
    await assert.rejects(startGateway(options), /there is no group "no-such-group"/);
    assert.equal(existsSync(path), false);
  }
});

test("What cannot be a mode, or has no file, is an error with its remedy", async () => {
  const path = freshPath();
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ address: `unix:${path}`, mode: "rw" }, /use octal digits in quotes, such as "0660"/],
    [{ address: `unix:${path}`, mode: "0680" }, /use octal digits/],
    [{ address: `unix:${path}`, mode: "4755" }, /use octal digits/],
    [{ address: `unix:${path}`, mode: 432 }, /use octal digits/],
    [{ address: `unix:${path}`, group: "a b" }, /use a group's name or number/],
    [{ address: "unix:@afcgi", mode: "0600" }, /unix:@afcgi has no mode, and everybody/],
    [{ address: "unix:@afcgi", group: "www-data" }, /unix:@afcgi has no group, and everybody/],
    [{ address: "127.0.0.1:0", mode: "0600" }, /has no mode \(take it out/],
  ];
  for (const [listen, expected] of wrong) {
    for (const config of [{ listen: [listen] }, { admin: { listen } }]) {
      await assert.rejects(optionsOf(config), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, expected, JSON.stringify(config));
        return true;
      });
    }
  }
});
