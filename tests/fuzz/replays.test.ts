/**
 * The captures as they are, at whole layers: what real applications said becomes responses of an
 * upstream, what real web servers said becomes requests of our responder, byte for byte, however it
 * is cut. What is expected is read from the capture by means that are not the tested ones.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType } from "../../src/protocol/constants.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryNetwork } from "../support/memory/memory.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { connectable, serve, turns } from "../responder/setup.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { UpstreamWorld } from "../support/upstream_world.ts";
import { type Capture, capturesOf, recordsOf } from "./mutations.ts";
import { until } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

/** Of a piece of a connection, as the network may cut it. */
const PIECES = [Infinity, 1, 7, 64] as const;

const latin1 = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** The text of a stream by request, in the order in which requests ended. */
function streams(bytes: Uint8Array, type: number): Map<number, string> {
  const texts = new Map<number, string>();
  for (const record of recordsOf(bytes)) {
    const view = new DataView(record.buffer, record.byteOffset);
    if (record[1] !== type) continue;
    const id = view.getUint16(2);
    const content = record.subarray(8, 8 + view.getUint16(4));
    texts.set(id, (texts.get(id) ?? "") + latin1(content));
  }
  return texts;
}

async function bytesTextOf({ body }: UpstreamResponse): Promise<string> {
  const response = new Response(body as Uint8Array<ArrayBuffer> | ReadableStream | null);
  return latin1(new Uint8Array(await response.arrayBuffer()));
}

function endsOf(bytes: Uint8Array): number {
  return recordsOf(bytes).filter((record) => record[1] === RecordType.END_REQUEST).length;
}

for (const { name, bytes } of capturesOf("application").filter((one) => endsOf(one.bytes) > 0)) {
  test(
    `An upstream gives what ${name} says, however it is cut`,
    inWorld(async () => {
      const said = [...streams(bytes, RecordType.STDOUT).values()];
      const bodies = said.map((text) => text.slice(/^[^]*?\r?\n\r?\n/.exec(text)![0].length));
      for (const pieceLengthMax of PIECES) {
        const network = new MemoryNetwork(pieceLengthMax === Infinity ? {} : { pieceLengthMax });
        const world = new UpstreamWorld({ multiplex: "on", connections: { max: 1 } }, { network });
        await network.listen(parseAddress(ADDRESS), async (connection) => {
          const reader = connection.readable.getReader();
          await reader.read();
          // By then all requests have been sent.
          await turns();
          await connection.writable.getWriter().write(bytes).catch(() => {});
          while (!(await reader.read().catch(() => ({ done: true }))).done);
          connection.destroy();
        });
        const answered = bodies.map((_, index) => world.send({ id: `r${index}` }));
        const texts: string[] = [];
        for (const one of answered) texts.push(await bytesTextOf(await one));
        assert.deepEqual(texts.toSorted(), bodies.toSorted(), `pieces of ${pieceLengthMax}`);
        await world.close();
      }
    }),
  );
}

/** The parameters that a web server has sent, by request; long ones have other lengths. */
function parametersOf(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const length = (at: number): [value: number, next: number] => {
    const first = text.charCodeAt(at);
    if (first < 128) return [first, at + 1];
    const rest = [1, 2, 3].map((offset) => text.charCodeAt(at + offset));
    return [(first & 127) * 2 ** 24 + rest[0]! * 65_536 + rest[1]! * 256 + rest[2]!, at + 4];
  };
  for (let at = 0; at < text.length;) {
    const [nameLength, afterName] = length(at);
    const [valueLength, start] = length(afterName);
    const end = start + nameLength;
    parameters.set(text.slice(start, end), text.slice(end, end + valueLength));
    at = end + valueLength;
  }
  return parameters;
}

function requestsOf({ bytes }: Capture): { method: string; uri: string; body: string }[] {
  const bodies = streams(bytes, RecordType.STDIN);
  return [...streams(bytes, RecordType.PARAMS)].map(([id, text]) => {
    const parameters = parametersOf(text);
    return {
      method: parameters.get("REQUEST_METHOD") ?? "",
      uri: parameters.get("REQUEST_URI") ?? "",
      body: bodies.get(id) ?? "",
    };
  });
}

for (const capture of capturesOf("web_server").filter((one) => requestsOf(one).length > 0)) {
  test(
    `The responder sees what ${capture.name} asks, however it is cut`,
    inWorld(async () => {
      const wanted = requestsOf(capture);
      for (const pieceLengthMax of PIECES) {
        const seen: { method: string; uri: string; body: string }[] = [];
        const network = new MemoryNetwork(pieceLengthMax === Infinity ? {} : { pieceLengthMax });
        const { runtime, server, errors } = await serve(
          async (request, info) => {
            const body = latin1(new Uint8Array(await request.arrayBuffer()));
            seen.push({ method: request.method, uri: info.params.get("REQUEST_URI") ?? "", body });
            return new Response("x");
          },
          {},
          network,
        );
        const connection = await runtime.connect(connectable(server));
        const writer = connection.writable.getWriter();
        writer.closed.catch(() => {});
        await writer.write(capture.bytes);
        const reader = connection.readable.getReader();
        await until(() => seen.length >= wanted.length, "every request of the capture");
        const order = (one: { uri: string }, other: { uri: string }) =>
          one.uri < other.uri ? -1 : 1;
        assert.deepEqual(seen.toSorted(order), wanted.toSorted(order));
        assert.deepEqual(errors, []);
        void reader.cancel().catch(() => {});
        connection.destroy();
        await server.shutdown({ grace: 0 });
      }
    }),
  );
}
