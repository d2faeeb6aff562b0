/** The three fixed bodies against the bytes of sections 4.2, 5.1 and 5.5. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeBeginRequest,
  decodeEndRequest,
  decodeUnknownType,
  encodeBeginRequest,
  encodeEndRequest,
  encodeUnknownType,
} from "../../src/protocol/body.ts";
import { ProtocolStatus, Role } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";

test("BEGIN_REQUEST is the role in two bytes, the flags, and five reserved bytes", () => {
  assert.deepEqual(encodeBeginRequest(Role.RESPONDER, true), Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0));
  assert.deepEqual(encodeBeginRequest(Role.FILTER, false), Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0));
  assert.deepEqual(encodeBeginRequest(0xabcd, false).subarray(0, 2), Uint8Array.of(0xab, 0xcd));
});

test("BEGIN_REQUEST is read as it was written", () => {
  for (const role of [0, ...Object.values(Role), 255, 256, 65_535]) {
    for (const keepConnection of [false, true]) {
      assert.deepEqual(
        decodeBeginRequest(encodeBeginRequest(role, keepConnection)),
        { role, keepConnection },
      );
    }
  }
});

test("BEGIN_REQUEST keeps the connection by its lowest flag alone", () => {
  assert.equal(decodeBeginRequest(Uint8Array.of(0, 1, 0xfe, 9, 9, 9, 9, 9)).keepConnection, false);
  assert.equal(decodeBeginRequest(Uint8Array.of(0, 1, 0xff, 9, 9, 9, 9, 9)).keepConnection, true);
});

test("END_REQUEST is the application's status in four bytes and the protocol's in one", () => {
  assert.deepEqual(
    encodeEndRequest(0x01020304, ProtocolStatus.OVERLOADED),
    Uint8Array.of(1, 2, 3, 4, 2, 0, 0, 0),
  );
  assert.deepEqual(
    decodeEndRequest(Uint8Array.of(1, 2, 3, 4, 2, 9, 9, 9)),
    { appStatus: 0x01020304, protocolStatus: ProtocolStatus.OVERLOADED },
  );
});

test("The application's status is unsigned: -1 is read as 4294967295", () => {
  const body = encodeEndRequest(-1, ProtocolStatus.REQUEST_COMPLETE);
  assert.deepEqual(body, Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0));
  assert.equal(decodeEndRequest(body).appStatus, 4_294_967_295);
});

test("END_REQUEST is read as it was written", () => {
  for (const appStatus of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    for (const protocolStatus of [...Object.values(ProtocolStatus), 255]) {
      assert.deepEqual(
        decodeEndRequest(encodeEndRequest(appStatus, protocolStatus)),
        { appStatus, protocolStatus },
      );
    }
  }
});

test("UNKNOWN_TYPE is the type and seven reserved bytes", () => {
  assert.deepEqual(encodeUnknownType(200), Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0));
  assert.equal(decodeUnknownType(Uint8Array.of(200, 9, 9, 9, 9, 9, 9, 9)), 200);
});

test("A fixed body of any other length than 8 is refused by name", () => {
  const decoders = {
    BEGIN_REQUEST: decodeBeginRequest,
    END_REQUEST: decodeEndRequest,
    UNKNOWN_TYPE: decodeUnknownType,
  };
  for (const [name, decode] of Object.entries(decoders)) {
    for (const length of [0, 7, 9, 65_535]) {
      assert.throws(() => decode(new Uint8Array(length)), (error: unknown) => {
        assert.ok(error instanceof ProtocolError);
        assert.equal(error.code, "bad_record");
        assert.equal(
          error.message,
          `Cannot read ${name}: its body has ${length} bytes where 8 are due`,
        );
        return true;
      });
    }
  }
});

test("A fixed body is read from a view that begins anywhere in its memory", () => {
  const memory = new Uint8Array(32).fill(0xee);
  memory.set(encodeEndRequest(7, 3), 5);
  assert.deepEqual(
    decodeEndRequest(memory.subarray(5, 13)),
    { appStatus: 7, protocolStatus: 3 },
  );
});
