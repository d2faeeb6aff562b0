/** A file that its client takes as fast as it comes: the others have their turns all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sendFileBytes } from "../../src/http1/sent_file.ts";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";

const MIB = 1024 * 1024;

for (const way of ["transferred", "read and written"] as const) {
  test(`A file that is ${way} gives the others a turn every 4 MiB`, async () => {
    for (const [length, turns] of [[4, 0], [5, 1], [12, 2], [13, 3]] as const) {
      let closed = 0;
      const file = {
        descriptor: 1,
        read: (view: Uint8Array) => view.length,
        close: () => void closed++,
      } as unknown as OpenFile;
      const scratch = new ByteBuffer();
      const turnsAt: number[] = [];
      let sent = 0;
      const target = {
        isGone: false,
        transfer(_file: OpenFile, _offset: number, count: number) {
          if (way !== "transferred") return 0;
          sent += count;
          return count;
        },
        write: () => undefined,
        writeScratch() {
          sent += scratch.length;
          return undefined;
        },
        hasAll() {},
        bodyFailed() {},
      };
      const clock = {
        atTurnEnd(callback: () => void) {
          turnsAt.push(sent / MIB);
          callback();
        },
      };
      const range = { start: 0, end: length * MIB };
      assert.equal(await sendFileBytes(target, { scratch, clock }, file, range), true);
      assert.deepEqual([sent, closed], [length * MIB, 1]);
      assert.deepEqual(turnsAt, [4, 8, 12].slice(0, turns));
    }
  });
}
