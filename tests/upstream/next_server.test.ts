/**
 * A route that says after what another server gets a request: by errors, and by responses that are
 * thrown away. Each rule with each case, within the limits of `retry`, and nothing of what was thrown
 * away is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mayRetry, noAttempts } from "../../src/upstream/attempts.ts";
import { UpstreamError, type UpstreamErrorCode } from "../../src/upstream/errors.ts";
import { compileNextRule, NEXT_CASES, type NextCase } from "../../src/upstream/next_server.ts";
import { fillUpstreamOptions } from "../../src/upstream/options.ts";
import type { ScriptedApplication } from "../support/scripted_application.ts";
import { bodyOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

/** What each case names, and nothing else does. */
const CODES: Partial<Record<NextCase, readonly UpstreamErrorCode[]>> = {
  error: ["connect_failed", "lookup_failed", "local_limit", "connection_lost", "bad_record"],
  timeout: ["connect_timeout", "send_timeout", "first_byte_timeout", "idle_timeout"],
  invalid_header: ["bad_answer", "answer_too_large"],
};
/** In no case. */
const NEVER: readonly UpstreamErrorCode[] = [
  "servers_down",
  "queue_full",
  "queue_timeout",
  "tunnels_full",
  "request_body_timeout",
  "request_body_failed",
  "total_timeout",
  "spill_failed",
  "memory_full",
  "unknown_role",
  "client_gone",
  "slow_client",
  "draining",
];
const ALL_CODES = [...Object.values(CODES).flat(), ...NEVER];

test("Each case names its errors, its status, or its methods, and no others", () => {
  for (const one of NEXT_CASES) {
    const rule = compileNextRule([one]);
    assert.deepEqual(ALL_CODES.filter((code) => rule.hasError(code)), CODES[one] ?? [], one);
    const statuses = Array.from({ length: 600 }, (_, status) => status).filter(rule.hasStatus);
    assert.deepEqual(statuses, one.startsWith("http_") ? [Number(one.slice(-3))] : [], one);
    assert.equal(rule.anyMethod, one === "non_idempotent");
    const off = compileNextRule([one, "off"]);
    assert.equal(ALL_CODES.some(off.hasError) || off.hasStatus(503) || off.anyMethod, false, one);
  }
  const all = compileNextRule(NEXT_CASES.filter((one) => one !== "off"));
  assert.deepEqual(ALL_CODES.filter((code) => !all.hasError(code)), NEVER);
});

test("An error that is named sends a request to another server alone, within the limits", () => {
  const options = fillUpstreamOptions({
    servers: ["127.0.0.1:9000"],
    retry: { attemptsMax: 2, methods: ["GET"], delayMs: 1, sameServer: true },
  });
  for (const code of ALL_CODES) {
    for (const named of NEXT_CASES) {
      for (let bits = 0; bits < 2 ** 6; bits++) {
        const [sent, isPost, anyMethod, hasOthers, bodyIsThere, isLast] = [0, 1, 2, 3, 4, 5]
          .map((bit) => (bits >> bit & 1) === 1) as [boolean, ...boolean[]];
        const mayGoOn = mayRetry({
          error: new UpstreamError(code, code, { phase: "first_byte", sent }),
          attempts: { ...noAttempts(Infinity), count: isLast ? 3 : 2 },
          method: isPost ? "POST" : "GET",
          bodyIsThere: bodyIsThere!,
          hasOthers: hasOthers!,
          options,
          nextServer: compileNextRule(anyMethod ? [named, "non_idempotent"] : [named]),
        });
        const isNamed = CODES[named]?.includes(code) === true;
        const mayBeRepeated = !sent || !isPost || anyMethod || named === "non_idempotent";
        const expected = isNamed && hasOthers && bodyIsThere && !isLast && mayBeRepeated;
        assert.equal(mayGoOn, expected, `${code} ${named} ${bits.toString(2)}`);
      }
    }
  }
});

test("What an application has not looked at goes on whatever is named, also to the same server", () => {
  const options = fillUpstreamOptions({ servers: ["127.0.0.1:9000"] });
  for (const code of ["overloaded", "cannot_multiplex"] as const) {
    for (const named of NEXT_CASES) {
      const error = new UpstreamError(code, code, { phase: "first_byte", sent: true });
      const attempts = { ...noAttempts(Infinity), count: 1 };
      const question = { error, attempts, method: "POST", bodyIsThere: true, hasOthers: false };
      const nextServer = compileNextRule([named]);
      assert.equal(mayRetry({ ...question, options, nextServer }), true, `${code} ${named}`);
    }
  }
});

/** How a response comes that is thrown away. */
const RESPONSES = ["whole", "begun", "long"] as const;
type ResponseKind = (typeof RESPONSES)[number];

interface Trial {
  readonly cases: readonly NextCase[];
  readonly status: number;
  readonly method: string;
  readonly body: "none" | "short" | "gone";
  readonly response: ResponseKind;
  readonly attemptsMax: number;
  /** How many servers say the status, of three. */
  readonly failing: number;
}

/** What is left out is as here: another server gets it. */
const GOES_ON: Trial = {
  cases: ["http_503"],
  status: 503,
  method: "GET",
  body: "none",
  response: "whole",
  attemptsMax: 2,
  failing: 1,
};

/** With how many servers ask, and what the client gets. */
const TRIALS: readonly (readonly [trial: Partial<Trial>, asked: number, gets: string])[] = [
  [{}, 2, "200 good"],
  [{ failing: 0 }, 1, "200 good"],
  [{ failing: 2 }, 3, "200 good"],
  [{ failing: 3 }, 3, "503 failing"],
  // Each server is asked once, however many attempts there may be.
  [{ failing: 3, attemptsMax: 5 }, 3, "503 failing"],
  [{ failing: 2, attemptsMax: 1 }, 2, "503 failing"],
  [{ attemptsMax: 0 }, 1, "503 failing"],
  [{ cases: ["http_500", "http_502"] }, 1, "503 failing"],
  [{ cases: ["off", "http_503"] }, 1, "503 failing"],
  [{ cases: ["http_404", "http_403"], status: 404 }, 2, "200 good"],
  [{ cases: ["error", "timeout", "invalid_header"], status: 500 }, 1, "500 failing"],
  [{ method: "POST" }, 1, "503 failing"],
  [{ method: "POST", cases: ["http_503", "non_idempotent"] }, 2, "200 good"],
  [{ method: "PUT", body: "short" }, 2, "200 good"],
  [{ method: "PUT", body: "gone" }, 1, "503 failing"],
  [{ method: "POST", body: "gone", cases: ["http_503", "non_idempotent"] }, 1, "503 failing"],
  [{ method: "HEAD" }, 2, "200 "],
];

test("A response is thrown away where its status is named, and another server may have a better one", async () => {
  for (const [given, asked, gets] of TRIALS) {
    for (const response of RESPONSES) {
      for (const multiplex of ["on", "off"] as const) {
        const trial = { ...GOES_ON, ...given, response };
        const seen = await tryOut(trial, multiplex);
        assert.deepEqual(seen, { asked, gets }, JSON.stringify({ ...trial, multiplex }));
      }
    }
  }
});

const SERVERS = ["a", "b", "c"].map((name) => `unix:/${name}`);
const LONG = "x".repeat(1024 * 1024);

async function tryOut(
  trial: Trial,
  multiplex: "on" | "off",
): Promise<{ asked: number; gets: string }> {
  const { cases, method, attemptsMax } = trial;
  const world = new UpstreamWorld({
    servers: SERVERS,
    multiplex,
    balance: "round_robin",
    retry: { attemptsMax, methods: ["GET", "HEAD", "PUT"] },
  });
  const count = { asked: 0 };
  const given = Promise.withResolvers<void>();
  for (const address of SERVERS) {
    const application = await world.application({ address, multiplex: multiplex === "on" });
    void serve(application, trial, count, given.promise);
  }
  const { body, feed } = trial.body === "gone" ? fedBody(70_000) : { body: undefined, feed: null };
  feed?.enqueue(new Uint8Array(70_000));
  feed?.close();
  const response = await world.send({
    method,
    nextServer: compileNextRule(cases),
    body: trial.body === "short" ? bodyOf("hello") : body && { ...body, mode: "stream" },
  });
  // One without a body is not told that nobody waits for the rest.
  if (response.head.status === trial.status || method === "HEAD") given.resolve();
  const text = await textOf(response);
  const gets = `${response.head.status} ${text.slice(0, 7)}`;
  // What was thrown away is over: nobody reads it, and its application is told.
  await world.settle();
  assert.equal(world.upstream.requestsOpen, 0);
  const connections = world.upstream.servers.flatMap(({ connections }) => [...connections]);
  assert.deepEqual(connections.map(({ streams }) => streams).filter((count) => count > 0), []);
  const goesOn = count.asked - 1;
  assert.equal(world.seen.filter((line) => line === "retry bad_answer").length, goesOn);
  await world.close();
  return { asked: count.asked, gets };
}

/** The first ones that are asked say the status, the others are good. */
async function serve(
  application: ScriptedApplication,
  { status, response, failing }: Trial,
  count: { asked: number },
  given: Promise<void>,
): Promise<void> {
  for (;;) {
    const request = await application.next();
    if (count.asked++ >= failing) {
      request.answer("good");
      continue;
    }
    const headers = `Status: ${status}\nContent-Type: text/plain\n`;
    if (response === "whole") {
      request.answer("failing", headers);
      continue;
    }
    request.stdout(`${headers}\nfailing`);
    if (response === "long") request.stdout(LONG);
    // One that is thrown away goes on until it is told, or loses its connection.
    await Promise.race([request.aborted, request.connection.closed, given]);
    if (request.connection.isClosed) continue;
    request.endStdout();
    request.end();
  }
}
