/** What is said of a connection that could not be made, or broke: whose it was, once, and why. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectError } from "../../src/runtime/network.ts";
import { connectionError } from "../../src/upstream/connection_errors.ts";

const ADDRESS = "tcp://10.0.0.1:9000";

const CASES: readonly (readonly [
  end: { connected: boolean; timedOut?: boolean; cause: unknown },
  code: string,
  message: string,
])[] = [
  [
    { connected: false, cause: new ConnectError("refused", `Cannot connect to ${ADDRESS}: no`) },
    "connect_failed",
    `Cannot connect to ${ADDRESS}: no`,
  ],
  [
    { connected: false, cause: new ConnectError("refused", "nobody listens") },
    "connect_failed",
    `Cannot connect to ${ADDRESS}: nobody listens`,
  ],
  [
    { connected: false, cause: new ConnectError("local", `No descriptor for ${ADDRESS}`) },
    "local_limit",
    `No descriptor for ${ADDRESS}`,
  ],
  [
    { connected: false, cause: new Error(`odd ${ADDRESS}`) },
    "connect_failed",
    `Cannot connect to ${ADDRESS}: odd ${ADDRESS}`,
  ],
  [
    { connected: false, timedOut: true, cause: new Error("late") },
    "connect_timeout",
    `Cannot connect to ${ADDRESS} in time`,
  ],
  [
    { connected: true, cause: undefined },
    "connection_lost",
    `Lost the connection to ${ADDRESS}: the application closed it`,
  ],
  [
    { connected: true, cause: new Error("reset") },
    "connection_lost",
    `Lost the connection to ${ADDRESS}: reset`,
  ],
];

test("An error names the server, says why, and says both once", () => {
  for (const [end, code, message] of CASES) {
    const error = connectionError({ address: ADDRESS, ...end });
    assert.deepEqual([error.code, error.message, error.server], [code, message, ADDRESS]);
    assert.equal(error.sent, end.connected);
    assert.equal(error.cause, end.cause);
  }
});
