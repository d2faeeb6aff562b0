/**
 * An application whose header section has thousands of fields costs one 502, and no client waits
 * for it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESPONSE_FIELDS_MAX } from "../../src/protocol/cgi_response.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway, withGateway } from "../support/gateway.ts";

async function withHeaders(
  headers: string,
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection }) =>
      connection.send(new ResponseRecords().stdout(id, `${headers}\r\nbody`).stdoutEnd(id).end(id)),
  };
  try {
    const upstream = { retry: { attemptsMax: 0, methods: [], delayMs: 0 } } as never;
    await withGateway({ server: { transport: "unix", path }, upstream }, use);
  } finally {
    await peer.stop();
  }
}

const SHAPES: readonly (readonly [name: string, line: (index: number) => string])[] = [
  ["of one name", () => "a: b\r\n"],
  ["of as many names", (index) => `x-${index}: b\r\n`],
  ["that can be there once", () => "Location: /\r\n"],
  ["without a value", () => "a:\n"],
];

for (const [name, line] of SHAPES) {
  test(`Over ${RESPONSE_FIELDS_MAX} fields ${name} are refused with a code`, async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, at) => line(at)).join("");
    for (const count of [RESPONSE_FIELDS_MAX + 1, 5_000]) {
      await withHeaders(fields(count), async (gateway) => {
        assert.equal((await gateway.send("/many")).status, 502);
        assert.equal((await gateway.access.ofPath("/many"))["code"], "answer_too_large");
        const error = await gateway.log.ofPath("/many");
        assert.match(String(error["msg"]), /more than 512 fields/);
      });
    }
    await withHeaders(fields(RESPONSE_FIELDS_MAX), async (gateway) => {
      const { status, body } = await gateway.send("/most");
      assert.deepEqual([status < 400, body.toString()], [true, "body"]);
    });
  });
}
