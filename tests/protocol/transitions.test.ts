/**
 * The tables of requests at both ends of a FastCGI connection: each of their transitions is taken, in
 * simulated worlds or by the scripts here.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientConnection } from "../../src/protocol/client_connection.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection } from "../../src/protocol/server_connection.ts";
import { CLIENT_REQUEST_TABLES } from "../../src/protocol/client_request_state.ts";
import { SERVER_REQUEST_TABLES } from "../../src/protocol/server_request_state.ts";
import { simulateResponder } from "../simulation/responder_simulation.ts";
import { simulate } from "../simulation/simulation.ts";
import { Random } from "../simulation/random.ts";
import { WiredConnections } from "../simulation/wired_connections.ts";
import { watchTransitions } from "../support/watched_transitions.ts";

const SEEDS = 40;
const STEPS = 100;
const WIRED_STEPS = 400;

type Rows = Record<string, Partial<Record<string, string>>>;

/** The rows of some tables; one that several share is there once. */
function rowsOf(tables: Readonly<Record<string, object>>): Rows {
  const rows: Rows = {};
  for (const [name, table] of Object.entries(tables)) {
    for (const [state, row] of Object.entries(table as Rows)) {
      if (!Object.values(rows).includes(row)) rows[`${name}, ${state}:`] = row;
    }
  }
  return rows;
}

const SOME = new Uint8Array(20);
const ROLES = [Role.RESPONDER, Role.AUTHORIZER, Role.FILTER];

/** What a web server may send behind what has ended for us. */
function sendAll(encoder: RecordEncoder): void {
  encoder.record(RecordType.PARAMS, 1, SOME);
  encoder.streamEnd(RecordType.PARAMS, 1);
  encoder.record(RecordType.STDIN, 1, SOME);
  encoder.streamEnd(RecordType.STDIN, 1);
  encoder.record(RecordType.DATA, 1, SOME);
  encoder.streamEnd(RecordType.DATA, 1);
  encoder.abortRequest(1);
}

function applicationSide(paramsLengthMax: number): ServerConnection {
  return new ServerConnection({
    multiplex: true,
    quota: new RequestQuota(10),
    requestsMax: 10,
    connectionsMax: 10,
    paramsLengthMax,
    paramsMax: 10,
  });
}

/** What web servers seldom do: aborts in the middle of parameters, too many of them, late records. */
function scriptWebServers(): void {
  for (const role of ROLES) {
    for (const how of ["aborts within its parameters", "sends too many parameters"] as const) {
      const encoder = new RecordEncoder();
      encoder.beginRequest(1, role, true);
      encoder.record(RecordType.PARAMS, 1, SOME);
      if (how === "aborts within its parameters") encoder.abortRequest(1);
      sendAll(encoder);
      applicationSide(how === "aborts within its parameters" ? 1_000 : 10).receive(encoder.take());
    }
  }
  // Some web servers end the STDIN of an authorizer, too.
  const encoder = new RecordEncoder();
  encoder.beginRequest(1, Role.AUTHORIZER, true);
  encoder.streamEnd(RecordType.PARAMS, 1);
  encoder.record(RecordType.STDIN, 1, SOME);
  encoder.streamEnd(RecordType.STDIN, 1);
  applicationSide(1_000).receive(encoder.take());
}

/** An application that ends its output twice. */
function scriptApplications(): void {
  const connection = new ClientConnection(1);
  const params = new Uint8Array(0);
  const id = connection.begin({ role: Role.RESPONDER, keepConnection: true, params });
  const encoder = new RecordEncoder();
  encoder.streamEnd(RecordType.STDOUT, id);
  encoder.streamEnd(RecordType.STDOUT, id);
  connection.receive(encoder.take());
}

for (
  const [end, tables, script] of [
    ["that sends it", CLIENT_REQUEST_TABLES, scriptApplications],
    ["that is sent it", SERVER_REQUEST_TABLES, scriptWebServers],
  ] as const
) {
  test(`Every transition of a request at the end ${end} is taken`, async () => {
    const watched = watchTransitions(rowsOf(tables));
    try {
      for (let seed = 0; seed < SEEDS; seed++) {
        new WiredConnections(new Random(seed)).run(WIRED_STEPS);
        await simulate(seed, STEPS);
        await simulateResponder(seed, STEPS);
      }
      script();
      assert.deepEqual(watched.missing(), []);
    } finally {
      watched.restore();
    }
  });
}
