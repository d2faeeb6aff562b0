/** What is left of a request that was given up never reaches a later one: its response, its place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RecordDecoder } from "../../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../../src/protocol/record_encoder.ts";
import { connectable, gate, serve, streamOf, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

/** More than the connection and the outlet hold. */
const OLD = new Uint8Array(600_000).fill("o".charCodeAt(0));

function begin(encoder: RecordEncoder, id: number, uri: string): void {
  encoder.beginRequest(id, Role.RESPONDER, true);
  encoder.stream(
    RecordType.PARAMS,
    id,
    encodeNameValues([["REQUEST_METHOD", "GET"], ["REQUEST_URI", uri], ["HTTP_HOST", "a"]]),
  );
  encoder.streamEnd(RecordType.PARAMS, id);
  encoder.streamEnd(RecordType.STDIN, id);
}

for (const way of ["whole", "in pieces"] as const) {
  test(
    `An aborted download that waited is no part of the next request with its id, ${way}`,
    inWorld(async () => {
      const never = gate();
      const { runtime, server } = await serve((request) => {
        if (new URL(request.url).pathname === "/new") return new Response("new");
        if (way === "whole") return new Response(OLD);
        return new Response(streamOf((async function* () {
          yield OLD;
          yield OLD;
          await never.promise;
        })()));
      });
      const connection = await runtime.connect(connectable(server));
      const writer = connection.writable.getWriter();
      const encoder = new RecordEncoder();
      begin(encoder, 1, "/old");
      await writer.write(encoder.take().slice());
      // Nothing is read, so most of it waits.
      await turns();
      encoder.abortRequest(1);
      await writer.write(encoder.take().slice());
      await turns();
      begin(encoder, 1, "/new");
      await writer.write(encoder.take().slice());

      const decoder = new RecordDecoder();
      const reader = connection.readable.getReader();
      let ends = 0;
      let second = "";
      while (ends < 2) {
        const { value } = await reader.read();
        decoder.push(value!);
        for (let record = decoder.next(); record; record = decoder.next()) {
          if (record.type === RecordType.END_REQUEST) ends++;
          if (record.type === RecordType.STDOUT && ends === 1) {
            second += new TextDecoder().decode(record.content);
          }
        }
      }
      assert.match(second, /^[^]*\r\n\r\nnew$/);
      assert.ok(!second.includes("oo"), "bytes of the download");
      never.resolve();
      connection.destroy();
      await server.shutdown({ grace: 0 });
    }),
  );
}

test(
  "A handler that goes on after its abort holds a place, and gives it back when it is done",
  inWorld(async () => {
    const goOn = gate();
    const { runtime, server, connect } = await serve(async (request) => {
      if (new URL(request.url).pathname === "/long") await goOn.promise;
      return new Response("x");
    }, { maxRequests: 1 });
    const connection = await runtime.connect(connectable(server));
    const writer = connection.writable.getWriter();
    const encoder = new RecordEncoder();
    begin(encoder, 1, "/long");
    await writer.write(encoder.take().slice());
    await turns();
    encoder.abortRequest(1);
    await writer.write(encoder.take().slice());
    await turns();
    const client = await connect();
    const early = client.begin();
    assert.equal(
      (await early.ended() as { protocolStatus: number }).protocolStatus,
      2,
      "OVERLOADED",
    );
    goOn.resolve();
    await turns();
    const late = client.begin();
    assert.equal((await late.ended() as { protocolStatus: number }).protocolStatus, 0);
    connection.destroy();
    await client.destroy();
    await server.shutdown({ grace: 0 });
  }),
);
