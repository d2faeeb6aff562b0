/**
 * Root's rights: given up by every thread once afcgi listens, never taken from the executable's file.
 * `tests/e2e/privileges.test.ts` looks at the executable itself.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { becomeUser } from "../../src/app/app_user.ts";
import { MemorySpawner } from "../support/memory/memory_spawner.ts";
import { raisedRights } from "../../src/runtime/raised_rights.ts";
import { findWorkerUser } from "../../src/spawn/worker_user.ts";

const WEB = { name: "web", user: 33, group: 33 };
const OTHER = { name: "other", user: 34, group: 34 };

const USER = "1000 1000 1000 1000";

function statusOf(
  { uid = USER, gid = USER, permitted = "0", ambient = "0" } = {},
): string {
  return `Name:\tafcgi\nUid:\t${uid.replaceAll(" ", "\t")}\nGid:\t${gid.replaceAll(" ", "\t")}\n` +
    `CapInh:\t0\nCapPrm:\t${permitted.padStart(16, "0")}\nCapAmb:\t${ambient.padStart(16, "0")}\n`;
}

test("Rights from the executable's file are refused, those of a service manager taken", () => {
  const root = "0 0 0 0";
  assert.equal(raisedRights(statusOf()), undefined);
  assert.equal(raisedRights(statusOf({ uid: root, permitted: "1ffffffffff" })), undefined);
  assert.equal(raisedRights(statusOf({ permitted: "400", ambient: "400" })), undefined);
  assert.equal(raisedRights(""), undefined);
  assert.equal(raisedRights(statusOf({ permitted: "400" })), "its file has capabilities");
  const more = statusOf({ permitted: "401", ambient: "400" });
  assert.equal(raisedRights(more), "its file has capabilities");
  const setuid = statusOf({ uid: "1000 0 0 0", gid: "1000 1000 1000 1000" });
  assert.equal(raisedRights(setuid), "its file has the setuid or setgid bit");
  const setgid = statusOf({ gid: "1000 33 33 33" });
  assert.equal(raisedRights(setgid), "its file has the setuid or setgid bit");
});

function spawner(isRoot: boolean): MemorySpawner {
  const made = new MemorySpawner();
  made.users.set("web", WEB).set("other", OTHER);
  return Object.defineProperty(made, "isRoot", { get: () => isRoot && made.self === undefined });
}

test("Only root becomes another user, and who is him already needs nothing", async () => {
  const root = spawner(true);
  await becomeUser("web", root);
  assert.deepEqual(root.self, WEB);
  await becomeUser("web", root);
  await assert.rejects(becomeUser("other", root), /^SpawnError: .+only root may/);
  await assert.rejects(becomeUser("nobody", spawner(true)), /there is no such user/);
  await assert.rejects(becomeUser("web", spawner(false)), /only root may/);
});

test("Who has given up root starts workers as itself and as nobody else", async () => {
  const root = spawner(true);
  await becomeUser("web", root);
  const rules = {
    upstream: "app",
    kind: "php-fpm",
    client: undefined,
    isMadeByUser: false,
  } as const;
  assert.equal(findWorkerUser(root, { ...rules, name: undefined }), undefined);
  assert.equal(findWorkerUser(root, { ...rules, name: "web" }), undefined);
  assert.throws(() => findWorkerUser(root, { ...rules, name: "other" }), /only root may/);
});
