import assert from "node:assert/strict";
import { test } from "node:test";
import { type LoadPlan, proxyRows } from "../../bench/cases/proxy_rows.ts";
import type { Contender } from "../../bench/contenders/contender.ts";
import { Scope } from "../../bench/scope.ts";

const LENGTH = 5;

/** A server in Node's words: what each request is answered with. */
function contender(name: string, response: string): Contender {
  return {
    name,
    title: name,
    servesFiles: true,
    command: ({ port }) => ({
      program: "node",
      args: [
        "-e",
        `require("http").createServer((_, response) => ${response}).listen(${port}, "127.0.0.1")`,
      ],
    }),
  };
}

const ENDS: Contender = {
  ...contender("ends", ""),
  command: () => ({ program: "sh", args: ["-c", "echo 'No such option' >&2; exit 3"] }),
};

const RIGHT = contender("right", `response.end("12345")`);
const SHORT = contender("short", `response.end("123")`);

const PLAN: LoadPlan = {
  path: "/",
  length: LENGTH,
  load: () =>
    Promise.resolve({ requests: 1, failed: 0, durationUs: 1e6, p50Us: 1, p99Us: 1, bytes: 5 }),
};

test("A contender that ends or answers wrong is a broken row beside the others", async () => {
  const scope = new Scope();
  try {
    const variants = [ENDS, RIGHT, SHORT].map((contender) => ({ contender }));
    const rows = await proxyRows({ scope, contenders: [] }, variants, PLAN);
    assert.deepEqual(rows.map(({ name }) => name), ["ends", "right", "short"]);
    await assert.rejects(
      rows[0]!.measure(1),
      /^Error: Cannot start ends: it ended with status 3\nNo such option$/,
    );
    assert.equal((await rows[1]!.measure(1)).requestsPerSecond, 1);
    await assert.rejects(rows[2]!.measure(1), /it answers "\/" with status 200 and 3 bytes$/);
  } finally {
    await scope.stop();
  }
});

test("A benchmark that is stopped starts no row any more", async () => {
  const scope = new Scope();
  await scope.stop();
  const rows = proxyRows({ scope, contenders: [] }, [{ contender: RIGHT }], PLAN);
  await assert.rejects(rows, /the measurement has ended/);
});
