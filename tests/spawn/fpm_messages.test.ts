/** Lines that php-fpm sends twice are told once, whichever comes first; no other line is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/memory/manual_clock.ts";
import {
  FpmMessages,
  HOLD_MS,
  isFpmNotice,
  LINES_MAX,
  TOLD_MS,
} from "../../src/spawn/fpm_messages.ts";

function setUp() {
  const clock = new ManualClock();
  const messages = new FpmMessages(clock);
  const told: string[] = [];
  return {
    clock,
    messages,
    told,
    request: (line: string) => {
      if (messages.isNews(line)) told.push(`request: ${line}`);
    },
    output: (line: string) => messages.push(line, () => told.push(`output: ${line}`)),
  };
}

/** As both sources have it. */
const STREAM = ["PHP message: PHP Fatal error:  Uncaught E", "Stack trace:", "#0 {main}"];
const OUTPUT = [`NOTICE: ${STREAM[0]}`, ...STREAM.slice(1)];

test("A message of several lines is told once, with its request, whichever source is first", () => {
  const streamFirst = setUp();
  STREAM.forEach(streamFirst.request);
  OUTPUT.forEach(streamFirst.output);
  const outputFirst = setUp();
  OUTPUT.forEach(outputFirst.output);
  assert.deepEqual(outputFirst.told, []);
  STREAM.forEach(outputFirst.request);
  for (const { clock, told } of [streamFirst, outputFirst]) {
    clock.advance(HOLD_MS);
    assert.deepEqual(told, STREAM.map((line) => `request: ${line}`));
    assert.equal(clock.timerCount, 0);
  }
});

test("What stands behind a message waits no longer than the message itself", async () => {
  const { request, output, told, clock } = setUp();
  OUTPUT.forEach(output);
  output("of a script");
  assert.deepEqual(told, []);
  STREAM.forEach(request);
  await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
  assert.deepEqual(told, [...STREAM.map((line) => `request: ${line}`), "output: of a script"]);
  assert.equal(clock.timerCount, 0);
});

test("A line that is there twice in each source is told twice", () => {
  const { request, output, told, clock } = setUp();
  for (const _ of [1, 2]) output("NOTICE: PHP message: x");
  for (const _ of [1, 2, 3]) request("PHP message: x");
  output("NOTICE: PHP message: x");
  clock.advance(HOLD_MS);
  assert.deepEqual(told, Array.from({ length: 3 }, () => "request: PHP message: x"));
});

test("What no request has is told: at once where it can be nobody's twin, else after a while", () => {
  const { request, output, told, clock } = setUp();
  output("[22-Nov-2026 07:51:16] NOTICE: ready to handle connections");
  output("of a script");
  request("PHP message: known");
  output("NOTICE: PHP message: known");
  output("of a script, behind a message");
  const atOnce = [
    "output: [22-Nov-2026 07:51:16] NOTICE: ready to handle connections",
    "output: of a script",
    "request: PHP message: known",
    "output: of a script, behind a message",
  ];
  assert.deepEqual(told, atOnce);
  output("NOTICE: PHP message: after fastcgi_finish_request()");
  output("its second line");
  output("[22-Nov-2026 07:51:17] WARNING: [pool afcgi] child 7 exited on signal 11 (SIGSEGV)");
  output("of a script again");
  clock.advance(HOLD_MS);
  assert.deepEqual(told.slice(atOnce.length), [
    "output: [22-Nov-2026 07:51:17] WARNING: [pool afcgi] child 7 exited on signal 11 (SIGSEGV)",
    "output: of a script again",
    "output: NOTICE: PHP message: after fastcgi_finish_request()",
    "output: its second line",
  ]);
});

test("A line that waited in vain is not told again when its request comes to it", () => {
  const { request, output, told, clock } = setUp();
  output("NOTICE: PHP message: begins");
  clock.advance(HOLD_MS);
  request("PHP message: begins");
  request("PHP message: ends");
  output("NOTICE: PHP message: ends");
  assert.deepEqual(told, ["output: NOTICE: PHP message: begins", "request: PHP message: ends"]);
});

test("A twin that comes too late is told", () => {
  const { request, output, told, clock } = setUp();
  request("PHP message: x");
  clock.advance(HOLD_MS);
  output("NOTICE: PHP message: x");
  clock.advance(HOLD_MS + TOLD_MS);
  request("PHP message: x");
  assert.deepEqual(told, [
    "request: PHP message: x",
    "output: NOTICE: PHP message: x",
    "request: PHP message: x",
  ]);
});

test("At the end all that waits is told, in its order", () => {
  const { output, messages, told, clock } = setUp();
  for (const number of [1, 2, 3]) output(`NOTICE: PHP message: ${number}`);
  messages.flush();
  assert.deepEqual(told, [1, 2, 3].map((number) => `output: NOTICE: PHP message: ${number}`));
  assert.equal(clock.timerCount, 0);
});

test("No more lines wait than the limit says; those too many are told, the oldest first", () => {
  const { output, told, clock } = setUp();
  for (let number = 0; number < LINES_MAX + 2; number++) output(`NOTICE: PHP message: ${number}`);
  assert.deepEqual(told, ["output: NOTICE: PHP message: 0", "output: NOTICE: PHP message: 1"]);
  assert.equal(clock.timerCount, LINES_MAX);
});

test("No more lines of requests are known than the limit says; those forgotten come twice", () => {
  const { request, output, told, clock } = setUp();
  for (let number = 0; number < LINES_MAX + 1; number++) request(`PHP message: ${number}`);
  told.length = 0;
  for (let number = 0; number < 2; number++) output(`NOTICE: PHP message: ${number}`);
  clock.advance(HOLD_MS);
  assert.deepEqual(told, ["output: NOTICE: PHP message: 0"]);
});

test("isFpmNotice knows what php-fpm itself says when all goes well", () => {
  assert.ok(isFpmNotice("[22-Nov-2026 07:51:16] NOTICE: ready to handle connections"));
  assert.ok(isFpmNotice("[22-Nov-2026 07:51:16.123456] NOTICE: fpm is running, pid 1"));
  for (
    const line of [
      "[22-Nov-2026 07:51:16] WARNING: [pool afcgi] child 7 exited on signal 9 (SIGKILL)",
      "NOTICE: PHP message: PHP Warning: x",
      "[22-Nov-2026 07:51:16] WARNING: [pool afcgi] child 7 said: ] NOTICE: x",
    ]
  ) assert.ok(!isFpmNotice(line), line);
});
