/**
 * Certificates whose store fails for an hour, from each of its operations on in turn: there is one in
 * the end, it is kept once that works, and it is renewed in time. An exception of our own ends
 * nobody's renewals.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PrivateDirectoryError } from "../../src/certificates/store.ts";
import type { PrivateDirectory } from "../../src/runtime/private_directory.ts";
import { AcmeWorld, DAY_MS, hello, HOUR_MS, MINUTE_MS } from "../support/acme_world.ts";
import { failEach, type Operations } from "../support/failing_operations.ts";
import { assertNoUnexpected } from "../support/unexpected.ts";

/** Of a certificate of 90 days. */
const RENEWED_BY_MS = 66 * DAY_MS;

function failStore(world: AcmeWorld, operations: Operations): void {
  const { runtime, clock } = world;
  const open = runtime.openPrivateDirectory.bind(runtime);
  let untilMs = -Infinity;
  const count = (what: string): void => {
    if (operations.fails(what)) untilMs = clock.nowMs() + HOUR_MS;
    if (clock.nowMs() < untilMs) throw new PrivateDirectoryError(`Cannot ${what}: EIO`);
  };
  runtime.openPrivateDirectory = (path) => {
    const directory = open(path);
    const failing: PrivateDirectory = {
      path: directory.path,
      read(name) {
        count("read");
        return directory.read(name);
      },
      async write(name, text) {
        count("write");
        await directory.write(name, text);
      },
      create(name, text) {
        count("create");
        return directory.create(name, text);
      },
      remove(name) {
        count("remove");
        directory.remove(name);
      },
      list(name) {
        count("list");
        return directory.list(name);
      },
    };
    return failing as ReturnType<typeof open>;
  };
}

async function run(operations: Operations): Promise<void> {
  const world = new AcmeWorld();
  failStore(world, operations);
  const starting = world.start([["a.test"]]);
  // Who starts it is told that the store does not work.
  const process = await starting.catch((error) => {
    assert.ok(error instanceof PrivateDirectoryError);
  });
  if (process === undefined) return;
  await world.until(() => world.authority.issued > 0, DAY_MS, MINUTE_MS / 2);
  await world.pass(2 * HOUR_MS, MINUTE_MS);
  // That an order is not repeated is another test's matter.
  operations.isArmed = false;
  const { issued } = world.authority;
  const kept = [...world.runtime.privateTexts.get("/store")!.keys()]
    .filter((name) => name.startsWith("certificates/"));
  assert.equal(kept.length, 1, "it is kept");
  await world.pass(RENEWED_BY_MS, DAY_MS / 2);
  assert.ok(world.authority.issued > issued, "it is renewed");
  assert.ok(process.source.find("a.test", hello("a.test")) !== undefined);
  assertNoUnexpected(process.lines());
  // A lock that could not be let go gets old.
  await world.stop({ locksMax: 2 });
}

test("Whenever the store fails, and for an hour, certificates are kept in the end and renewed", async () => {
  const failures = await failEach(run);
  for (const name of ["read", "write", "create", "remove", "list"]) {
    assert.ok(failures.includes(name), `${name}: ${failures}`);
  }
});
