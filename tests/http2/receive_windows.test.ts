/** What clients of HTTP/2 may send of bodies: against a model, and over many streams one after the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { STREAM_WINDOW, STREAM_WINDOW_MAX } from "../../src/http2/limits.ts";
import { ReceiveWindows, type Receiving } from "../../src/http2/receive_windows.ts";
import { settle, whole } from "../support/http1_world.ts";
import { requestFields } from "../support/http2_client.ts";
import { http2World } from "../support/http2_world.ts";
import { inWorld } from "../support/world_test.ts";

type Act =
  | { readonly kind: "begin" }
  | { readonly kind: "take" | "read" | "end"; readonly at: number; readonly share: number };

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Act>({ kind: "begin" }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("take" as const, "take" as const, "read" as const, "end" as const),
      at: fc.nat(9),
      share: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
    }),
  },
);

interface Model {
  readonly stream: Receiving & { receiveWindow: number };
  /** What the client may send, as it was told; what came and is not read. */
  window: number;
  unread: number;
}

test("No client sends more than it was told, and windows grow by no more than they may in all", () => {
  fc.assert(
    fc.property(
      fc.array(anyAct, { maxLength: 60 }),
      fc.constantFrom(0, STREAM_WINDOW, 3 * STREAM_WINDOW, 40 * STREAM_WINDOW),
      (acts, grownMax) => {
        const models = new Map<number, Model>();
        const windows = new ReceiveWindows(grownMax, (id, increment) => {
          if (id !== 0) models.get(id)!.window += increment;
        });
        let lastId = -1;
        for (const act of acts) {
          const at = [...models.values()];
          if (act.kind === "begin") {
            lastId += 2;
            const stream = {
              id: lastId,
              state: "open" as const,
              receiveWindow: STREAM_WINDOW,
              windowMax: STREAM_WINDOW,
              unannounced: 0,
            };
            models.set(lastId, { stream, window: STREAM_WINDOW, unread: 0 });
            continue;
          }
          const model = at[act.at % Math.max(1, at.length)];
          if (model === undefined) continue;
          const { stream } = model;
          if (act.kind === "take") {
            const length = Math.ceil(model.window * act.share);
            windows.takeOfConnection(length);
            windows.takeOfStream(stream, length);
            model.window -= length;
            model.unread += length;
          } else if (act.kind === "read") {
            const length = act.share > 0.4 ? model.unread : Math.floor(model.unread * act.share);
            model.unread -= length;
            windows.consumed(stream, length, model.unread === 0);
          } else {
            windows.release(stream);
            models.delete(stream.id);
          }
          let grown = 0;
          for (const { stream: one, window, unread } of models.values()) {
            grown += one.windowMax - STREAM_WINDOW;
            assert.ok(one.windowMax <= STREAM_WINDOW_MAX);
            assert.ok(window + unread + one.unannounced <= one.windowMax + STREAM_WINDOW_MAX / 2);
            assert.ok(window <= one.windowMax, "more than it may have at once");
            assert.equal(window, one.receiveWindow, "what it was told");
          }
          assert.ok(grown <= grownMax, `${grown} of ${grownMax}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

const LENGTH = 400_000;

test(
  "What windows have grown by comes back with each stream, however it ends",
  inWorld(async () => {
    const world = await http2World(async (request) => {
      let length = 0;
      for await (const bytes of request.body!) length += bytes.length;
      return whole(String(length));
    }, { limits: { memoryMax: 1_000_000 } });
    const client = world.open();
    await client.settled();
    const announced: number[] = [];
    for (let round = 0; round < 8; round++) {
      const id = client.request(
        requestFields("POST", "/", [["content-length", String(LENGTH)]]),
        false,
      );
      let window = STREAM_WINDOW;
      let told = 0;
      for (let left = LENGTH; left > 0;) {
        await client.settled();
        const updates = client.of("WINDOW_UPDATE", id);
        for (const { payload } of updates.slice(told)) {
          window += new DataView(payload.buffer).getUint32(0);
        }
        told = updates.length;
        const length = Math.min(left, window, 16_384);
        assert.ok(length > 0, "the window is opened again");
        window -= length;
        left -= length;
        client.data(id, new Uint8Array(length), left === 0);
      }
      await client.settled();
      assert.equal(client.text(id), String(LENGTH));
      announced.push(client.of("WINDOW_UPDATE", id).length);
    }
    assert.ok(announced.every((count) => count === announced[0]), `${announced}`);
  }),
);

test(
  "What nobody will read of a body is not held, however much of it has come",
  inWorld(async () => {
    const responding: (() => void)[] = [];
    const world = await http2World(
      () => new Promise((resolve) => void responding.push(() => resolve(whole("early")))),
      { limits: { memoryMax: 100_000 } },
    );
    const client = world.open();
    for (let stream = 0; stream < 6; stream++) {
      const id = client.request(requestFields("POST", "/", [["content-length", "60000"]]), false);
      client.data(id, new Uint8Array(40_000));
      responding.shift()!();
      await client.settled();
      assert.equal(client.text(id), "early");
    }
    assert.equal(client.goaway, undefined);
    assert.deepEqual(world.goaways, []);
    await settle();
  }),
);
