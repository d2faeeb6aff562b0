/**
 * What `afcgi responder` holds, counted before and after web servers that vanish at every phase of a
 * request, and its memory over many requests: what the second half of them adds has a bound.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { WebServerClient } from "../responder/web_server_client.ts";
import { descriptorsOf, residentBytesOf, waitForDescriptors } from "../support/descriptors.ts";
import { runCount, timeLimitMs } from "../support/long_runs.ts";
import {
  freePlace,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
  waitUntil,
} from "../support/places.ts";
import { repeat, startResponder } from "./pair.ts";

const LEAVING = runCount(1_000, 20_000);
const REQUESTS = runCount(80_000, 200_000);
/** How often memory is looked at in each half. */
const PARTS = 20;
const AT_ONCE = 50;

/** What the heap may grow by while nothing is kept; a request that left 512 bytes behind is over it. */
const GROWTH_MAX = 16 * 1024 * 1024;

const OPTIONS = { timeout: timeLimitMs(20 * 60_000) };

test(
  `The responder holds nothing more after ${LEAVING} web servers that vanish halfway`,
  OPTIONS,
  async () => {
    const place = await freePlace("unix", temporaryDirectory());
    const responder = await startResponder(place);
    try {
      const atStart = descriptorsOf(responder.pid);
      await repeat(LEAVING, AT_ONCE, (index) => leaveAt(place, index));
      await waitForDescriptors(responder.pid, atStart);
      const client = await WebServerClient.connect(currentRuntime(), parseAddress(placeUrl(place)));
      await waitUntil(async () => {
        const { body } = await client.begin({ uri: "/connections" }).answer();
        // The one that asks is in flight.
        return JSON.parse(body).requestsInFlight === 1;
      }, "the end of every request");
      await client.destroy();
    } finally {
      await responder.stop();
    }
  },
);

test(`The responder's memory does not grow with ${REQUESTS} requests`, OPTIONS, async () => {
  const place = await freePlace("unix", temporaryDirectory());
  const responder = await startResponder(place);
  try {
    const atStart = descriptorsOf(responder.pid);
    const address = parseAddress(placeUrl(place));
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => WebServerClient.connect(currentRuntime(), address)),
    );
    const ask = async (index: number): Promise<void> => {
      const client = clients[index % clients.length]!;
      const body = "b".repeat(index % 100 === 0 ? 100_000 : 1_000);
      const request = client.begin({ method: "POST", uri: "/echo", body });
      assert.equal((await request.answer()).body.length, body.length);
      client.requests.delete(request.id);
    };
    /** The least towards the end: the heap has its size by then, and before a collection there is more. */
    const leastAfterHalf = async (): Promise<number> => {
      const seen: number[] = [];
      for (let part = 0; part < PARTS; part++) {
        await repeat(REQUESTS / 2 / PARTS, AT_ONCE, ask);
        seen.push(residentBytesOf(responder.pid));
      }
      return Math.min(...seen.slice(PARTS * 3 / 4));
    };
    const halfway = await leastAfterHalf();
    const growth = await leastAfterHalf() - halfway;
    assert.ok(growth < GROWTH_MAX, `${growth} bytes more after the second half`);
    for (const client of clients) await client.destroy();
    await waitForDescriptors(responder.pid, atStart);
  } finally {
    await responder.stop();
  }
});

/** Sends a part of a request, waits for what comes of it where something does, and goes. */
async function leaveAt(place: Place, index: number): Promise<void> {
  const socket = await open(place);
  const [bytes, responses] = PHASES[index % PHASES.length]!;
  socket.write(bytes);
  if (responses) await new Promise((resolve) => socket.once("data", resolve));
  else await new Promise((resolve) => setImmediate(resolve));
  if (index % 2 === 0) socket.destroy();
  else socket.resetAndDestroy();
}

function open(place: Place): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(placeName(place));
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

/** What is sent, and whether something is answered before the web server goes. */
const PHASES: readonly (readonly [bytes: Uint8Array, answers: boolean])[] = [
  [new Uint8Array(0), false],
  [request("GET", "/").subarray(0, 5), false],
  [request("GET", "/").subarray(0, 16), false],
  [request("GET", "/").subarray(0, 60), false],
  [upload("/echo").subarray(0, -100_000), false],
  [upload("/slow?ms=20000"), false],
  [request("GET", "/slow?ms=20000"), false],
  [request("GET", "/stream?chunks=1000&ms=1000"), true],
  [request("GET", "/bytes?n=8388608"), true],
  [request("GET", "/"), true],
  [Buffer.concat([request("GET", "/slow?ms=20000"), Buffer.from("no FastCGI")]), false],
];

function request(method: string, uri: string, body = new Uint8Array(0)): Uint8Array {
  const encoder = new RecordEncoder();
  encoder.beginRequest(1, Role.RESPONDER, true);
  const params = encodeNameValues([
    ["REQUEST_METHOD", method],
    ["REQUEST_URI", uri],
    ["HTTP_HOST", "app.test"],
    ["CONTENT_LENGTH", String(body.length)],
  ]);
  encoder.stream(RecordType.PARAMS, 1, params);
  encoder.streamEnd(RecordType.PARAMS, 1);
  encoder.stream(RecordType.STDIN, 1, body);
  encoder.streamEnd(RecordType.STDIN, 1);
  return encoder.take().slice();
}

function upload(uri: string): Uint8Array {
  return request("POST", uri, new Uint8Array(200_000));
}
