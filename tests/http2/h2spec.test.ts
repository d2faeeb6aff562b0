/**
 * The cases of h2spec by its numbers, in memory: before a handler that answers at once and one that
 * reads its request's body first, frame by frame and all in one piece. The tool itself and the
 * executable meet in tests/interop/h2spec.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Handler, settle, whole } from "../support/http1_world.ts";
import { Http2Client } from "../support/http2_client.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import { type Case, sectionOf } from "./h2spec_cases.ts";
import { H2SPEC_CASES } from "./h2spec_all.ts";

const HANDLERS: Readonly<Record<string, Handler>> = {
  "at once": () => whole("hello"),
  "behind the body": async (request) => {
    await new Response(request.body).arrayBuffer().catch(() => {});
    return whole("hello");
  },
};

/** Says what its client says as one piece when it is told to. */
class Gathered {
  readonly #client: MemoryHttp2Client;
  #bytes: number[] = [];
  readonly client = new Http2Client((bytes) => void this.#bytes.push(...bytes));

  constructor(client: MemoryHttp2Client) {
    this.#client = client;
  }

  send(): void {
    if (this.#bytes.length > 0 && this.#client.socket.ended === "no") {
      this.#client.raw(Uint8Array.from(this.#bytes));
    }
    this.#bytes = [];
  }
}

async function play([number, what, ...steps]: Case, handler: Handler, isGathered: boolean) {
  const { openSilent, server } = await http2World(handler);
  const client = openSilent();
  const gathered = new Gathered(client);
  const said = isGathered ? gathered.client : client;
  said.greet();
  for (const step of steps) {
    if (typeof step === "function") {
      // A client goes on sending behind the end, and nobody listens.
      if (client.socket.ended === "no") step(said);
      continue;
    }
    gathered.send();
    await client.settled();
    assert.ok(step.holds(client, client.socket.ended !== "no"), `${number}, ${what}: ${step.what}`);
  }
  client.socket.close();
  await server.stop();
}

test("Every case of h2spec is here once", () => {
  const numbers = H2SPEC_CASES.map(([number]) => number);
  assert.equal(new Set(numbers).size, numbers.length);
  // The preface that is none is a test below; one more is asked in strict mode alone.
  assert.equal(numbers.length, 146 - 1 + 1);
});

for (const section of new Set(H2SPEC_CASES.map(sectionOf))) {
  test(`h2spec ${section}`, async () => {
    for (const given of H2SPEC_CASES.filter((one) => sectionOf(one) === section)) {
      for (const handler of Object.values(HANDLERS)) {
        for (const isGathered of [false, true]) await play(given, handler, isGathered);
      }
    }
  });
}

test("h2spec http2/3.5/2: a preface that is none", async () => {
  const { openSilent } = await http2World(() => whole("x"));
  const client = openSilent();
  client.socket.send("INVALID CONNECTION PREFACE\r\n\r\n");
  await settle();
  assert.equal(client.read().goaway, "PROTOCOL_ERROR");
  assert.notEqual(client.socket.ended, "no");
});
