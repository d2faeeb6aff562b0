/**
 * What one request leaves behind never becomes a part of the next one with its id: parameters, bodies
 * and responses of requests that were given up at any point, on the application's side and on ours.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ClientConnection } from "../../src/protocol/client_connection.ts";
import { ProtocolStatus, RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection } from "../../src/protocol/server_connection.ts";

const ADMIN = encodeNameValues([["REMOTE_USER", "admin"], ["X", "x".repeat(500)]]);
const GUEST = encodeNameValues([["REMOTE_USER", "guest"]]);

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function serverWith(quota: RequestQuota): ServerConnection {
  return new ServerConnection({
    multiplex: true,
    quota,
    requestsMax: 10,
    connectionsMax: 10,
    paramsLengthMax: 10_000,
    paramsMax: 100,
  });
}

test("Parameters of an aborted request are not the next one's with its id, however far they came", () => {
  const property = fc.property(
    fc.nat(ADMIN.length),
    fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 5 }),
    fc.boolean(),
    fc.boolean(),
    (sentLength, cuts, isSplit, neighbour) => {
      const quota = new RequestQuota(10);
      const server = serverWith(quota);
      const webServer = new RecordEncoder();
      const receive = () => server.receive(webServer.take().slice());
      if (neighbour) {
        webServer.beginRequest(2, Role.RESPONDER, true);
        webServer.record(RecordType.PARAMS, 2, ADMIN.subarray(0, 20));
      }
      webServer.beginRequest(1, Role.RESPONDER, true);
      for (let at = 0, index = 0; at < sentLength; index++) {
        const length = Math.min(sentLength - at, cuts[index] ?? sentLength);
        webServer.record(RecordType.PARAMS, 1, ADMIN.subarray(at, at + length));
        at += length;
        if (isSplit) receive();
      }
      webServer.abortRequest(1);
      assert.deepEqual(receive(), [], "nobody hears of it");
      assert.equal(quota.taken, neighbour ? 1 : 0, "its place is free again");
      webServer.beginRequest(1, Role.RESPONDER, true);
      webServer.stream(RecordType.PARAMS, 1, GUEST);
      webServer.streamEnd(RecordType.PARAMS, 1);
      const [begun] = receive();
      assert.ok(begun?.kind === "begin");
      assert.deepEqual([...begun.parameters.toMap()], [["REMOTE_USER", "guest"]]);
    },
  );
  fc.assert(property);
});

test("Parameters that are refused leave nothing for the next request with its id", () => {
  const server = serverWith(new RequestQuota(10));
  const webServer = new RecordEncoder();
  webServer.beginRequest(1, Role.RESPONDER, true);
  for (let count = 0; count < 30; count++) webServer.record(RecordType.PARAMS, 1, ADMIN);
  const [fault] = server.receive(webServer.take().slice());
  assert.equal(fault?.kind, "fault");
  server.endRequest(1, 1, ProtocolStatus.REQUEST_COMPLETE);
  webServer.beginRequest(1, Role.RESPONDER, true);
  webServer.stream(RecordType.PARAMS, 1, GUEST);
  webServer.streamEnd(RecordType.PARAMS, 1);
  const [begun] = server.receive(webServer.take().slice());
  assert.ok(begun?.kind === "begin");
  assert.deepEqual([...begun.parameters.toMap()], [["REMOTE_USER", "guest"]]);
});

test("A body that an aborted request still gets is not the next one's with its id", () => {
  const server = serverWith(new RequestQuota(10));
  const webServer = new RecordEncoder();
  const begin = () => {
    webServer.beginRequest(1, Role.RESPONDER, true);
    webServer.stream(RecordType.PARAMS, 1, GUEST);
    webServer.streamEnd(RecordType.PARAMS, 1);
  };
  begin();
  webServer.record(RecordType.STDIN, 1, new TextEncoder().encode("old"));
  webServer.abortRequest(1);
  webServer.record(RecordType.STDIN, 1, new TextEncoder().encode("late"));
  const kinds = server.receive(webServer.take().slice()).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["begin", "stdin", "abort"]);
  server.endRequest(1, 1, ProtocolStatus.REQUEST_COMPLETE);
  webServer.record(RecordType.STDIN, 1, new TextEncoder().encode("stray"));
  begin();
  webServer.record(RecordType.STDIN, 1, new TextEncoder().encode("new"));
  const pieces = server.receive(webServer.take().slice())
    .flatMap((event) => event.kind === "stdin" ? [text(event.bytes)] : []);
  assert.deepEqual(pieces, ["new"]);
});

test("What comes for an aborted request is nobody's, and its id is in use until its end", () => {
  const client = new ClientConnection(1);
  const begin = () => client.begin({ role: Role.RESPONDER, keepConnection: true, params: GUEST });
  const application = new RecordEncoder();
  const first = begin();
  client.abort(first);
  application.record(RecordType.STDOUT, first, new TextEncoder().encode("old"));
  const told = client.receive(application.take().slice());
  assert.deepEqual(told.filter(({ kind }) => kind === "stdout"), []);
  assert.equal(client.hasFreeId, false, "the application may still write with it");
  application.endRequest(first, 0, ProtocolStatus.REQUEST_COMPLETE);
  client.receive(application.take().slice());
  assert.equal(client.isInUse(first), false);
});
