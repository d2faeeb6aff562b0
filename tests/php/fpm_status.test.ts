/** php-fpm's status page: what is read from it, and what it is taken to mean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { adviseFpm } from "../../src/php/fpm_advice.ts";
import { type FpmStatus, parseFpmStatus } from "../../src/php/fpm_status.ts";

/** As php-fpm 8.2 writes it. */
const PAGE = {
  "pool": "www",
  "process manager": "static",
  "start time": 1795323116,
  "start since": 2,
  "accepted conn": 12,
  "listen queue": 0,
  "max listen queue": 0,
  "listen queue len": 0,
  "idle processes": 0,
  "active processes": 5,
  "total processes": 5,
  "max active processes": 3,
  "max children reached": 0,
  "slow requests": 0,
};

const IDLE = {
  "pid": 13683,
  "state": "Idle",
  "request duration": 375,
  "request method": "GET",
  "request uri": "/",
  "script": "/srv/www/index.php",
  "last request memory": 2097152,
};
const RUNNING = { ...IDLE, "state": "Running", "last request memory": 0 };

function read(page: unknown): FpmStatus {
  const status = parseFpmStatus(JSON.stringify(page));
  assert.ok(status);
  return status;
}

test("The children are those of the list, where there is one, not the sums", () => {
  const { totalProcesses, idleProcesses, activeProcesses } = read(PAGE);
  assert.deepEqual([totalProcesses, idleProcesses, activeProcesses], [5, 0, 5]);
  const full = read({ ...PAGE, processes: [IDLE, IDLE, RUNNING] });
  assert.deepEqual(
    [full.totalProcesses, full.idleProcesses, full.activeProcesses],
    [3, 2, 1],
  );
  assert.deepEqual(full.processes[0], {
    state: "Idle",
    requestMs: 0.375,
    requestMethod: "GET",
    requestUri: "/",
    script: "/srv/www/index.php",
    lastRequestMemory: 2097152,
  });
});

test("What is no status page is none", () => {
  for (const text of ["", "pong", "[]", "null", "{}", '{"pool":1}', '{"pool":"www"', "<html>"]) {
    assert.equal(parseFpmStatus(text), undefined, text);
  }
});

test("Fields of another kind, and entries that are no processes, count for nothing", () => {
  const status = read({
    ...PAGE,
    "slow requests": "many",
    "listen queue": -1,
    processes: [1, null],
  });
  assert.equal(status.slowRequests, 0);
  assert.equal(status.listenQueue, 0);
  assert.deepEqual(status.processes, []);
  assert.equal(read({ ...PAGE, processes: [{}] }).processes[0]?.state, "");
});

const NOTHING_SLOW =
  "No slow request: none was, or request_slowlog_timeout is not set (try 5s, with slowlog)";

interface Advised {
  readonly says: string;
  readonly page: Readonly<Record<string, unknown>>;
  readonly advice: readonly string[];
}

const ADVISED: readonly Advised[] = [
  {
    says: "A static pool's children, less one, are the connections to allow",
    page: { processes: [IDLE, IDLE, IDLE, RUNNING] },
    advice: [
      "pm.max_children is 4: set connections.max to 3 at most, so that a child is free for " +
      "whoever else asks",
      NOTHING_SLOW,
    ],
  },
  {
    says: "A single child cannot be shared with a kept connection",
    page: { processes: [RUNNING] },
    advice: [
      "pm.max_children is 1: set it to 2 or more, for a kept connection holds a child, and " +
      "connections.max to one less",
      "No child was idle but the one that answered this",
      NOTHING_SLOW,
    ],
  },
  {
    says: "A dynamic pool does not tell its limit, only that it was reached",
    page: {
      "process manager": "dynamic",
      "max children reached": 2,
      processes: [{ ...IDLE, "last request memory": 31 * 1024 * 1024 + 1 }, RUNNING],
    },
    advice: [
      "pm is dynamic, with 2 children now: set connections.max to pm.max_children minus one " +
      "(the pool's file has it; this page does not)",
      "pm.max_children was reached 2 times: raise it if memory allows (a request took up to 32 MiB)",
      NOTHING_SLOW,
    ],
  },
  {
    says: "A queue that was used, and nearly full, is told",
    page: {
      "listen queue": 3,
      "max listen queue": 120,
      "listen queue len": 128,
      processes: [IDLE, RUNNING],
    },
    advice: [
      "pm.max_children is 2: set connections.max to 1 at most, so that a child is free for " +
      "whoever else asks",
      "Connections that wait in the listen queue now: 3",
      "Up to 120 connections waited in the listen queue: with connections.max below " +
      "pm.max_children requests wait in afcgi's queue instead, bounded and counted",
      "The listen queue has room for 128: raise listen.backlog (and net.core.somaxconn)",
      NOTHING_SLOW,
    ],
  },
  {
    says: "Slow requests, and one that runs for long, are told",
    page: {
      "slow requests": 1,
      processes: [IDLE, RUNNING, {
        ...RUNNING,
        "request duration": 12_400_000,
        "request method": "POST",
        "request uri": "/import?x",
      }],
    },
    advice: [
      "pm.max_children is 3: set connections.max to 2 at most, so that a child is free for " +
      "whoever else asks",
      "Slow requests: 1 (the pool's slowlog has where they were)",
      "A request runs for 12 s: POST /import?x (/srv/www/index.php)",
    ],
  },
];

for (const { says, page, advice } of ADVISED) {
  test(says, () => {
    assert.deepEqual(adviseFpm(read({ ...PAGE, ...page })), advice);
  });
}
