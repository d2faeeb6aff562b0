/**
 * When a client's socket is read, against a model: whatever happens in whatever order, it is told what
 * the model says, once each time that it changes, and what is held is what waits.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeldMemory } from "../../src/http1/held_memory.ts";
import { Inflow } from "../../src/http1/inflow.ts";

/** Bytes that are dropped behind the last response before the client has to wait. */
const LINGERED_MAX = 16_777_216;

type Step =
  | { readonly kind: "piece"; readonly waits: number; readonly isTaken: boolean }
  | { readonly kind: "body"; readonly isHeld: boolean }
  | { readonly kind: "headers"; readonly length: number }
  | { readonly kind: "drop"; readonly length: number }
  | { readonly kind: "next" | "linger" | "end" | "update" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("piece" as const),
      waits: fc.constantFrom(0, 1, 5),
      isTaken: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("body" as const), isHeld: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("headers" as const),
      length: fc.constantFrom(0, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("drop" as const),
      length: fc.constantFrom(1, LINGERED_MAX / 2, LINGERED_MAX),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("next" as const, "update" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("linger" as const, "end" as const) }) },
);

test("A socket is read as the model says, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const told: boolean[] = [];
      const held = new HeldMemory();
      const socket = { pause: () => void told.push(true), resume: () => void told.push(false) };
      const inflow = new Inflow(socket, held);
      let waiting = 0;
      let gathered = 0;
      let lingered = 0;
      let isBodyHeld = false;
      let isLingering = false;
      let isEnded = false;
      let isPaused = false;
      const expected: boolean[] = [];
      let heldLength = 0;
      const look = (): void => {
        if (isEnded) return;
        heldLength = gathered + waiting;
        const now = isLingering ? lingered > LINGERED_MAX : isBodyHeld || waiting > 0;
        if (now !== isPaused) expected.push(now);
        isPaused = now;
      };
      for (const one of steps) {
        switch (one.kind) {
          case "piece":
            inflow.begin();
            if (one.waits > 0) inflow.keep(new Uint8Array(one.waits));
            // Nothing is decided within a piece.
            inflow.holdBody(true);
            inflow.update();
            assert.deepEqual(told, expected);
            inflow.holdBody(isBodyHeld);
            if (one.isTaken) assert.equal(inflow.next()?.length ?? 0, waiting + one.waits);
            waiting = one.isTaken ? 0 : waiting + one.waits;
            inflow.settle();
            look();
            break;
          case "body":
            isBodyHeld = one.isHeld;
            inflow.holdBody(isBodyHeld);
            look();
            break;
          case "headers":
            gathered = inflow.gatheredLength = one.length;
            break;
          case "drop":
            inflow.drop(one.length);
            lingered += one.length;
            break;
          case "next":
            assert.equal(inflow.next()?.length ?? 0, waiting);
            waiting = 0;
            break;
          case "linger":
            isLingering = true;
            waiting = 0;
            inflow.linger();
            look();
            break;
          case "end":
            inflow.end();
            isEnded = true;
            waiting = 0;
            heldLength = 0;
            break;
          case "update":
            inflow.update();
            look();
        }
        assert.deepEqual(told, expected);
        assert.equal(held.length, heldLength);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("What is held is told as what there is more or less of, and nothing where it is the same", () => {
  const counted: number[] = [];
  const held = new HeldMemory({ isFull: false, count: (more) => void counted.push(more) });
  for (const length of [0, 5, 5, 3, 0, 0, 7]) {
    held.note(length);
    assert.equal(held.length, length);
  }
  assert.deepEqual(counted, [5, -2, -3, 7]);
});
