/**
 * Temporary files of responses and request bodies: all of them together have a bound, and where
 * nothing can be written (disk full, read-only or missing directory) clients wait and nobody is cut.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SPACE_TIMEOUT_MS } from "../../src/upstream/body_gathering.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { STAND_STILL_MS } from "../../src/upstream/standing_still.ts";
import { RETRY_MS } from "../../src/upstream/spill_space.ts";
import type { ScriptedApplication, ScriptedRequest } from "../support/scripted_application.ts";
import {
  bodyOf,
  codeOf,
  errorOf,
  fedBody,
  textOf,
  UpstreamWorld,
} from "../support/upstream_world.ts";

const LIMITS = { responseBufferMax: 1_000, spillMax: 100_000 } as const;

/** What a system says of a full disk, a read-only one, a directory that is gone or not ours. */
const REASONS = ["ENOSPC: no space left", "EROFS: read-only", "ENOENT: gone", "EACCES: denied"];

async function begun(world: UpstreamWorld, application: ScriptedApplication): Promise<{
  request: ScriptedRequest;
  response: UpstreamResponse;
}> {
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\n");
  return { request, response: await response };
}

test("All responses together take no more than spill_total, and go on when there is space", async () => {
  const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS }, { spillTotalMax: 50_000 });
  const application = await world.application();
  const readers = [];
  for (let count = 0; count < 4; count++) readers.push(await begun(world, application));
  const text = "x".repeat(4_000);
  for (let round = 0; round < 5; round++) {
    for (const { request } of readers) {
      request.stdout(text);
      await world.advance(STAND_STILL_MS);
      assert.ok(world.space.used <= 50_000, `${world.space.used} bytes in files`);
    }
  }
  assert.ok(world.space.used > 30_000);
  assert.deepEqual(world.seen.slice(0, 1), ["paused"]);
  for (const { request } of readers) request.end();
  const texts = await Promise.all(readers.map(({ response }) => textOf(response)));
  for (const { length } of texts) assert.equal(length, 20_000);
  assert.equal(world.space.used, 0);
  await world.close();
});

for (const reason of REASONS) {
  for (const where of ["open", "write"] as const) {
    test(`A response stands still while its file fails (${where}: ${reason}), and comes whole`, async () => {
      const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS });
      const { files } = world.runtime;
      const temporary = files.temporary.bind(files);
      let isFailing = true;
      const check = () => {
        if (isFailing) throw new Error(reason);
      };
      files.temporary = async () => {
        if (where === "open") check();
        const file = await temporary();
        const append = file.append.bind(file);
        file.append = async (pieces) => {
          check();
          await append(pieces);
        };
        return file;
      };
      const application = await world.application();
      const { request, response } = await begun(world, application);
      for (let count = 0; count < 3; count++) {
        request.stdout("x".repeat(3_000));
        await world.advance(STAND_STILL_MS);
      }
      const [connection] = world.upstream.servers[0]!.connections;
      assert.equal(connection!.isPaused, true, "nothing more is read");
      isFailing = false;
      await world.advance(2 * RETRY_MS);
      assert.equal(connection!.isPaused, false, "and again, by itself");
      request.end();
      assert.equal((await textOf(response)).length, 9_000);
      assert.deepEqual(world.seen, ["paused"]);
      await world.close();
    });
  }
}

test("A gathered body waits for space, is not lost, and its client is not read meanwhile", async () => {
  const world = new UpstreamWorld({ multiplex: "off" }, { spillTotalMax: 3_000 });
  const application = await world.application({ multiplex: false });
  const first = fedBody();
  const second = fedBody();
  const responses = [first, second].map(({ body }) =>
    world.send({ method: "POST", body: { ...body, memoryMax: 100 } })
  );
  first.feed.enqueue(new Uint8Array(2_000));
  await world.settle();
  second.feed.enqueue(new Uint8Array(2_000));
  second.feed.enqueue(new Uint8Array(500));
  second.feed.close();
  await world.settle();
  assert.equal(world.space.used, 2_000);
  first.feed.close();
  const one = await application.next();
  await one.stdin;
  one.answer();
  await responses[0];
  await world.advance(RETRY_MS);
  const two = await application.next();
  assert.equal((await two.stdin).length, 2_500);
  two.answer();
  await responses[1];
  assert.equal(world.space.used, 0);
  await world.close();
});

test("A gathered body for which there never is space fails in time, and leaves nothing", async () => {
  for (const reason of REASONS) {
    const world = new UpstreamWorld({ multiplex: "off", timeouts: { firstByteMs: 600_000 } });
    world.runtime.files.temporary = () => Promise.reject(new Error(reason));
    const response = world.send({
      method: "POST",
      body: { ...bodyOf("x".repeat(500)), memoryMax: 100 },
    });
    await world.advance(SPACE_TIMEOUT_MS - 500);
    assert.deepEqual(world.seen, []);
    await world.advance(1_000);
    const error = await errorOf(response);
    assert.deepEqual([error.code, error.fault], ["spill_failed", "local"]);
    assert.ok(error.message.includes(reason));
    assert.equal(world.space.used, 0);
    await world.close();
  }
});

test("A client that leaves while its body waits for space is heard, and its space is free", async () => {
  const world = new UpstreamWorld({ multiplex: "off" }, { spillTotalMax: 300 });
  const leaving = new AbortController();
  const { body, feed } = fedBody();
  const response = world.send({
    method: "POST",
    body: { ...body, memoryMax: 0 },
    signal: leaving.signal,
  });
  feed.enqueue(new Uint8Array(200));
  feed.enqueue(new Uint8Array(200));
  await world.settle();
  assert.equal(world.space.used, 200);
  leaving.abort();
  assert.equal(await codeOf(response), "client_gone");
  await world.settle();
  assert.equal(world.space.used, 0);
  await world.close();
});
