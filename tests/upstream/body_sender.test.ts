/** What gathers for one write is bounded, however many bodies wait; see also `bodies.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientConnection } from "../../src/protocol/client_connection.ts";
import {
  CONTENT_LENGTH_SAFE,
  HEADER_LENGTH,
  RecordType,
  Role,
} from "../../src/protocol/constants.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { TURN_LENGTH_MAX } from "../../src/protocol/stdin_turns.ts";
import { BodySender, WRITE_LENGTH_MAX } from "../../src/upstream/body_sender.ts";
import type { StreamHandler } from "../../src/upstream/stream_handler.ts";
import { turn } from "../support/idle.ts";

const REQUESTS = 20;

const HANDLER: StreamHandler = {
  onConnected() {},
  onHeaders() {},
  onInterim() {},
  onSwitched() {
    throw new Error("There is no tunnel");
  },
  onStdout() {},
  onStdoutEnd() {},
  onStderr() {},
  onEnd() {},
  onLost() {},
  onSpill() {},
  onSlowClient() {},
  onBodyProgress() {},
  onBodyFailed(error) {
    throw error;
  },
};

test("One write takes 256 KiB of bodies and no more; what waits goes with the next ones", async () => {
  const protocol = new ClientConnection(REQUESTS);
  const sender = new BodySender(protocol, () => {});
  const body = new Uint8Array(CONTENT_LENGTH_SAFE);
  for (let count = 0; count < REQUESTS; count++) {
    const params = new Uint8Array(0);
    const id = protocol.begin({ role: Role.RESPONDER, keepConnection: true, params });
    const pieces = [body];
    const stdin = { read: () => Promise.resolve(pieces.pop()), cancel() {} };
    sender.send(
      id,
      { role: Role.RESPONDER, stdin, data: undefined },
      HANDLER,
    );
  }
  protocol.takeOutput();
  sender.open();
  await turn();
  const recordMax = HEADER_LENGTH + TURN_LENGTH_MAX + 7;
  let left = REQUESTS * body.length;
  for (let write = 1; left > 0; write++) {
    sender.fill();
    const { length } = protocol.takeOutput();
    assert.ok(length > 0, `nothing in write ${write}`);
    assert.ok(length < WRITE_LENGTH_MAX + recordMax, `${length} bytes in write ${write}`);
    // As long as there is more, a write is full.
    if (left > WRITE_LENGTH_MAX) assert.ok(length >= WRITE_LENGTH_MAX, `${length} bytes`);
    left -= length;
    await turn();
  }
});

test("A request that ends before its body was sent has its STDIN ended before its id is used again", () => {
  const protocol = new ClientConnection(REQUESTS);
  const sender = new BodySender(protocol, () => {});
  const params = new Uint8Array(0);
  const id = protocol.begin({ role: Role.RESPONDER, keepConnection: true, params });
  const stdin = { read: () => new Promise<never>(() => {}), cancel() {} };
  const start = { role: Role.RESPONDER, wantsAlone: false, params: () => params, stdin } as const;
  sender.send(id, { ...start, data: undefined }, HANDLER);
  sender.open();
  protocol.takeOutput();
  const end = new RecordEncoder();
  end.endRequest(id, 0, 0);
  protocol.receive(end.take().slice());
  assert.equal(sender.stop(id), false);
  const expected = new RecordEncoder();
  expected.streamEnd(RecordType.STDIN, id);
  assert.deepEqual(protocol.takeOutput().slice(), expected.take().slice());
});

test("Whom a body waits for is told with each piece: its client, the application, and at its end", async () => {
  const protocol = new ClientConnection(1);
  const sender = new BodySender(protocol, () => {});
  const told: string[] = [];
  const handler = { ...HANDLER, onBodyProgress: (what: string) => void told.push(what) };
  const id = protocol.begin({
    role: Role.RESPONDER,
    keepConnection: true,
    params: new Uint8Array(0),
  });
  // An empty piece says nothing of anybody.
  const pieces = [new Uint8Array(3), new Uint8Array(0), new Uint8Array(7)];
  const stdin = { read: () => Promise.resolve(pieces.shift()), cancel() {} };
  sender.send(id, { role: Role.RESPONDER, stdin, data: undefined }, handler);
  sender.open();
  for (let round = 0; round < 4; round++) {
    await turn();
    sender.fill();
  }
  // The application is waited for from the moment that there is a piece, anew when some of it goes.
  const piece = ["from_client", "to_application", "to_application"];
  assert.deepEqual(told, [...piece, ...piece, "from_client", "sent"]);
});
