/** What an application that afcgi starts learns of afcgi's environment, where its secrets are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentFor } from "../../src/spawn/environment.ts";
import { turns, World } from "../spawn/world.ts";

const OWN = {
  PATH: "/bin",
  HOME: "/root",
  USER: "root",
  LC_ALL: "C",
  TZ: "UTC",
  DB_PASSWORD: "secret",
  AWS_SECRET_ACCESS_KEY: "secret",
  AFCGI_ADMIN: "127.0.0.1:9180",
  NOTIFY_SOCKET: "/run/systemd/notify",
  LISTEN_FDS: "1",
  PATH_SECRET: "secret",
  LC_SECRET1: "secret",
};

const SOURCES = { own: OWN, user: undefined, ofKind: {}, given: {} };

test("Nothing but what every program wants is passed on", () => {
  const env = environmentFor({ ...SOURCES, isCleared: true });
  assert.deepEqual(env, { PATH: "/bin", HOME: "/root", USER: "root", LC_ALL: "C", TZ: "UTC" });
});

test("Where all is passed on, what is meant for afcgi itself is not", () => {
  const env = environmentFor({ ...SOURCES, isCleared: false });
  assert.equal(env["DB_PASSWORD"], "secret");
  for (const name of ["AFCGI_ADMIN", "NOTIFY_SOCKET", "LISTEN_FDS"]) {
    assert.equal(name in env, false, name);
  }
});

test("Another user's program is told who it is, and what is given wins", () => {
  const user = { name: "web", home: "/srv/web" };
  const env = environmentFor({ ...SOURCES, isCleared: true, user, given: { HOME: "/h", A: "b" } });
  assert.deepEqual(
    [env["HOME"], env["USER"], env["LOGNAME"], env["A"]],
    ["/h", "web", "web", "b"],
  );
});

test("By default a spawned application does not get afcgi's variables", async () => {
  for (const clearEnv of [undefined, true, false]) {
    const world = new World({
      command: ["app"],
      env: { A: "b" },
      ...(clearEnv !== undefined && { clearEnv }),
    }, { PATH: "/bin", DB_PASSWORD: "secret" });
    await world.application.start();
    await turns();
    const { env } = world.children[0]!.options;
    assert.equal(env["DB_PASSWORD"], clearEnv === false ? "secret" : undefined);
    assert.equal(env["A"], "b");
    await world.application.stop();
  }
});
