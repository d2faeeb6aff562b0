/**
 * Requests to applications where each connect, read, write, timer and operation of a temporary file
 * fails in its turn: every request has one response or one error, in its time, and nothing is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import {
  failEach,
  FailingNetwork,
  failTemporaryFiles,
  failTimers,
  type Operations,
} from "../support/failing_operations.ts";
import type { ScriptedApplication, ScriptedRequest } from "../support/scripted_application.ts";
import { bodyOf, textOf, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";

const TIMEOUTS = {
  connectMs: 1_000,
  firstByteMs: 1_000,
  idleMs: 1_000,
  totalMs: 3_000,
  abortMs: 500,
} as const;

interface Scenario {
  readonly name: string;
  readonly settings: WorldSettings;
  /** What the application does with each request. */
  readonly answer: (request: ScriptedRequest) => void | Promise<void>;
  /** What is sent; resolves to the bodies. */
  readonly ask: (world: UpstreamWorld) => Promise<string>[];
  /** What each says when it is whole. */
  readonly whole: string;
  /** Operations of which each must have failed once. */
  readonly operations: readonly string[];
}

const read = async (answered: Promise<UpstreamResponse>): Promise<string> =>
  await textOf(await answered);

const SCENARIOS: readonly Scenario[] = [
  {
    name: "a short response",
    settings: { multiplex: "on" },
    answer: (request) => request.answer("whole"),
    ask: (world) => [read(world.send())],
    whole: "whole",
    operations: ["connect", "read", "write"],
  },
  {
    name: "an application that is asked whether it multiplexes",
    settings: { multiplex: "auto" },
    answer: (request) => request.answer("whole"),
    ask: (world) => [read(world.send()), read(world.send())],
    whole: "whole",
    operations: ["connect", "read", "write"],
  },
  {
    name: "requests in turn on a connection of php-fpm's kind",
    settings: { multiplex: "off", connections: { max: 1, reuse: true } },
    answer: (request) => request.answer("whole"),
    ask: (world) => [read(world.send()), read(world.send()), read(world.send())],
    whole: "whole",
    operations: ["connect", "read", "write"],
  },
  {
    name: "a streamed body and a response in pieces",
    settings: { multiplex: "on" },
    async answer(request) {
      request.stdout("X-A: 1\n\n");
      const body = await request.stdin;
      request.stdout(body.slice(0, 2));
      request.stderr("a line\n");
      request.stdout(body.slice(2));
      request.endStdout();
      request.end();
    },
    ask: (world) => [read(world.send({ method: "POST", body: bodyOf("whole") }))],
    whole: "whole",
    operations: ["connect", "read", "write"],
  },
  {
    name: "a body gathered in a temporary file",
    settings: { multiplex: "off" },
    answer: async (request) => request.answer(String((await request.stdin).length)),
    ask: (world) => [
      read(world.send({ method: "POST", body: { ...bodyOf("x".repeat(9_000)), memoryMax: 10 } })),
    ],
    whole: "9000",
    operations: ["connect", "open a temporary file", "append to a temporary file"],
  },
  {
    name: "a slow client, whose response goes through a temporary file",
    settings: { multiplex: "on", limits: { responseBufferMax: 100, spillMax: 1_000_000 } },
    answer: (request) => request.answer("x".repeat(200_000)),
    ask: (world) => [
      world.send().then(async (response) => {
        await world.settle();
        return String((await textOf(response)).length);
      }),
    ],
    whole: "200000",
    operations: ["connect", "read", "write", "open a temporary file", "read a temporary file"],
  },
];

async function answerAll(
  application: ScriptedApplication,
  answer: Scenario["answer"],
): Promise<void> {
  for (;;) void answer(await application.next());
}

async function run(scenario: Scenario, operations: Operations): Promise<void> {
  const world = new UpstreamWorld(
    { ...scenario.settings, timeouts: TIMEOUTS, retry: { delayMs: 50 } },
    { network: new FailingNetwork(operations, "client") },
  );
  failTemporaryFiles(world.runtime.files, operations);
  failTimers(world.runtime.clock, operations);
  const application = await world.application({ multiplex: scenario.settings.multiplex !== "off" });
  void answerAll(application, scenario.answer);
  const outcomes = scenario.ask(world).map((asked) => {
    const outcome = { ended: undefined as string | undefined };
    asked.then(
      (text) => outcome.ended = text,
      (error) => outcome.ended = error instanceof UpstreamError ? "error" : `${error}`,
    );
    return outcome;
  });
  await world.advance(4_000);
  for (const { ended } of outcomes) {
    const isCut = operations.failed !== undefined && ended === "error";
    assert.ok(isCut || ended === scenario.whole, `a request ended with ${ended}`);
  }
  await world.close();
}

for (const scenario of SCENARIOS) {
  test(`Whichever operation fails, each request has one end: ${scenario.name}`, async () => {
    const failures = await failEach((operations) => run(scenario, operations));
    for (const operation of scenario.operations) {
      assert.ok(failures.includes(operation), `no ${operation} has failed: ${failures}`);
    }
  });
}
