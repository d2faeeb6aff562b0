/** ResponseBuffer: order and bounds across memory, file and memory again, with a file that takes its time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ManualClock, MemoryFiles } from "../support/memory/memory.ts";
import type { TemporaryFile } from "../../src/runtime/files.ts";
import {
  BufferMemory,
  OPEN_MIN,
  OPEN_REST,
  PASSED_LENGTH,
} from "../../src/upstream/buffer_memory.ts";
import {
  ResponseBuffer,
  TIGHT_PIECE_LENGTH_MAX,
  WRITE_BEHIND_RATIO,
} from "../../src/upstream/response_buffer.ts";
import { RETRY_MS, SpillSpace } from "../../src/upstream/spill_space.ts";
import { join } from "../support/fragments.ts";

/** Files whose steps wait until a test lets them go on. */
class SlowFiles extends MemoryFiles {
  readonly waiting: ((fails: boolean) => void)[] = [];

  override async temporary(): Promise<TemporaryFile> {
    await this.#step();
    const file = await super.temporary();
    const { append, read } = { append: file.append.bind(file), read: file.read.bind(file) };
    file.append = async (bytes) => {
      await this.#step();
      await append(bytes);
    };
    file.read = async (offset, length) => {
      await this.#step("read");
      return await read(offset, length);
    };
    return file;
  }

  /** One step, or none when nothing waits. */
  async go(fails = false): Promise<void> {
    this.waiting.shift()?.(fails);
    await rest();
  }

  /** The next step fails, unless it is a read. */
  async fillDisk(): Promise<void> {
    await this.go(this.#kinds[0] === "write");
  }

  readonly #kinds: string[] = [];

  #step(kind = "write"): Promise<void> {
    this.#kinds.push(kind);
    return new Promise((resolve, reject) => {
      this.waiting.push((fails) => {
        this.#kinds.shift();
        if (fails) reject(new Error("disk full"));
        else resolve();
      });
    });
  }
}

/** Until all promises that can have settled. */
async function rest(): Promise<void> {
  for (let count = 0; count < 20; count++) await Promise.resolve();
}

interface Seen {
  rooms: number;
  spilled: number;
  failures: unknown[];
}

function bufferOf(
  memoryMax: number,
  spillMax: number,
  files = new MemoryFiles(),
  space = new SpillSpace(new ManualClock()),
  memory = new BufferMemory(),
  { ownsRead = false, mayStandStill = (): boolean => false } = {},
) {
  const seen: Seen = { rooms: 0, spilled: 0, failures: [] };
  const buffer = new ResponseBuffer({
    memoryMax,
    spillMax,
    files,
    space,
    memory,
    ownsRead: () => ownsRead,
    mayStandStill,
    onRoom: () => void seen.rooms++,
    onSpill: (bytes) => void (seen.spilled += bytes),
    onFailed: (cause) => void seen.failures.push(cause),
  });
  return { buffer, seen, files };
}

function bytes(length: number, start = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (start + index) & 0xff);
}

test("ResponseBuffer gives back what fits in memory at once, and nothing when empty", () => {
  const { buffer, seen } = bufferOf(10, 100);
  assert.equal(buffer.take(), undefined);
  buffer.push(bytes(4));
  buffer.push(bytes(6, 4));
  assert.deepEqual([buffer.length, buffer.isInMemory, buffer.isFull], [10, true, false]);
  assert.deepEqual(buffer.take(), bytes(10));
  assert.equal(buffer.take(), undefined);
  assert.equal(seen.spilled, 0);
});

test("ResponseBuffer keeps little else alive of the memory that a piece was read with", async () => {
  const kilobyte = 1024;
  const read = new Uint8Array(1024 * kilobyte);
  const appended: number[] = [];
  const files = new MemoryFiles();
  const file = await files.temporary();
  file.append = (pieces) => {
    appended.push(...pieces.map(({ buffer }) => buffer.byteLength / kilobyte));
    return Promise.resolve();
  };
  files.temporary = () => Promise.resolve(file);
  const { buffer } = bufferOf(512 * kilobyte, 4096 * kilobyte, files);
  buffer.push(read.subarray(0, 511 * kilobyte));
  assert.equal((buffer.take() as Uint8Array).buffer.byteLength, 511 * kilobyte, "a copy");
  buffer.push(read.subarray(0, 512 * kilobyte));
  buffer.push(read.subarray(0, 127 * kilobyte));
  buffer.push(read.subarray(0, 128 * kilobyte));
  await rest();
  assert.deepEqual(appended, [127, 1024], "a copy, and a view of what will soon be gone");
  buffer.close();
});

test("ResponseBuffer writes many short pieces as one", async () => {
  const { buffer, files } = bufferOf(0, 10_000);
  const appended: number[] = [];
  const file = await files.temporary();
  const append = file.append.bind(file);
  file.append = (pieces) => {
    appended.push(...pieces.map(({ length }) => length));
    return append(pieces);
  };
  files.temporary = () => Promise.resolve(file);
  for (let count = 0; count < 5; count++) buffer.push(bytes(2, 2 * count));
  await rest();
  assert.deepEqual(appended, [10]);
  assert.deepEqual(await buffer.take(), bytes(10));
  buffer.close();
});

test("ResponseBuffer without a file is full over its memory, and has room at half of it", () => {
  const { buffer, seen } = bufferOf(100_000, 0);
  for (let count = 0; count < 3; count++) buffer.push(bytes(50_000));
  assert.deepEqual([buffer.isFull, buffer.length], [true, 150_000]);
  for (let count = 0; count < 2; count++) {
    assert.equal((buffer.take() as Uint8Array).length, 50_000, "a long piece by itself");
  }
  assert.deepEqual([buffer.isFull, seen.rooms], [false, 1]);
});

test("ResponseBuffer stays full until it says that there is room", () => {
  const { buffer, seen } = bufferOf(200_000, 0);
  for (let count = 0; count < 3; count++) buffer.push(bytes(90_000));
  assert.equal(buffer.isFull, true);
  buffer.take();
  assert.equal(buffer.isFull, true, "180,000 bytes are more than half");
  buffer.push(bytes(1_000));
  assert.equal(buffer.isFull, true, "a piece that fits is no room");
  while (buffer.length > 0) buffer.take();
  assert.deepEqual([buffer.isFull, seen.rooms], [false, 1]);
});

test("ResponseBuffer goes on to a file, and back to memory once that is read", async () => {
  const { buffer, seen, files } = bufferOf(10, 100);
  buffer.push(bytes(10));
  buffer.push(bytes(5, 10));
  await rest();
  assert.deepEqual([seen.spilled, files.temporaryCount, buffer.isInMemory], [5, 1, false]);
  assert.deepEqual(buffer.take(), bytes(10));
  buffer.push(bytes(5, 15));
  assert.equal(seen.spilled, 10, "behind bytes in a file comes the file");
  await rest();
  assert.deepEqual(await buffer.take(), bytes(10, 10));
  assert.deepEqual([seen.spilled, files.temporaryCount], [0, 0]);
  buffer.push(bytes(3));
  assert.equal(buffer.isInMemory, true);
  buffer.close();
});

test("ResponseBuffer is full over spillMax, and has room once a good piece fits again", async () => {
  const { buffer, seen } = bufferOf(100, 400_000);
  buffer.push(bytes(100));
  for (let count = 0; count < 5; count++) {
    buffer.push(bytes(100_000));
    await rest();
  }
  assert.deepEqual([buffer.isFull, seen.spilled, seen.rooms], [true, 500_000, 3]);
  buffer.take();
  assert.equal(buffer.isFull, true, "memory is not what it is full of");
  await buffer.take();
  assert.deepEqual([buffer.isFull, seen.spilled], [false, 500_000 - 128 * 1024]);
  buffer.close();
  assert.equal(seen.spilled, 0);
});

test("ResponseBuffer is full while the file is slower than the application, and only then", async () => {
  const files = new SlowFiles();
  const onTheirWayMax = 100 * WRITE_BEHIND_RATIO;
  const { buffer, seen } = bufferOf(100, 10_000, files);
  buffer.push(bytes(100));
  buffer.push(bytes(onTheirWayMax / 2));
  await files.go();
  assert.equal(files.waiting.length, 1, "the file is there and being written to");
  buffer.push(bytes(onTheirWayMax / 2));
  assert.equal(buffer.isFull, false);
  buffer.push(bytes(1));
  assert.equal(buffer.isFull, true, "what is being written and what waits are too much together");
  await files.go();
  assert.equal(buffer.isFull, true, "a byte more than half is still on its way");
  await files.go();
  assert.deepEqual([buffer.isFull, seen.rooms], [false, 1], "memory is still full of other bytes");
  buffer.close();
});

test("ResponseBuffer gives its reader what the file has while more is being written", async () => {
  const files = new SlowFiles();
  const { buffer } = bufferOf(1, 10_000, files);
  buffer.push(bytes(1));
  buffer.take();
  buffer.push(bytes(10));
  const taken = buffer.take() as Promise<Uint8Array>;
  let given: Uint8Array | undefined;
  taken.then((piece) => given = piece);
  await files.go(); // the file is there
  await files.go(); // its first bytes are written
  buffer.push(bytes(10, 10));
  await rest();
  assert.equal(given, undefined);
  while (given === undefined) await files.go();
  assert.deepEqual(given, bytes(10));
  buffer.close();
  while (files.waiting.length > 0) await files.go();
  assert.equal(files.temporaryCount, 0);
});

test("ResponseBuffer closed at any step leaves no file and no spilled byte behind", async () => {
  for (let stepsBefore = 0; stepsBefore < 6; stepsBefore++) {
    const files = new SlowFiles();
    const { buffer, seen } = bufferOf(10, 10_000, files);
    buffer.push(bytes(10));
    buffer.push(bytes(20));
    buffer.take();
    const taken = buffer.take();
    for (let count = 0; count < stepsBefore; count++) await files.go();
    buffer.push(bytes(5));
    buffer.close();
    buffer.close();
    buffer.push(bytes(5));
    while (files.waiting.length > 0) await files.go();
    await taken;
    assert.deepEqual(
      [files.temporaryCount, seen.spilled, seen.failures],
      [0, 0, []],
      `${stepsBefore}`,
    );
  }
});

test("ResponseBuffer gives what its file did not take from memory, and is full meanwhile", async () => {
  for (const stepsBefore of [0, 1]) {
    const files = new SlowFiles();
    const { buffer, seen } = bufferOf(0, 10_000, files);
    buffer.push(bytes(20));
    for (let count = 0; count < stepsBefore; count++) await files.go();
    await files.go(true);
    assert.deepEqual(seen.failures, []);
    buffer.push(bytes(5, 20));
    assert.equal(buffer.isFull, true);
    assert.deepEqual(await buffer.take(), bytes(25));
    assert.deepEqual([buffer.isFull, seen.rooms, seen.spilled], [false, 1, 0]);
    assert.equal(files.temporaryCount, 0, "nothing is in it");
    buffer.close();
    await rest();
    assert.equal(files.temporaryCount, 0);
  }
});

test("ResponseBuffer is full of what its file did not take until half of its memory is free", async () => {
  const files = new SlowFiles();
  const { buffer, seen } = bufferOf(100_000, 1_000_000, files);
  buffer.push(bytes(100_000));
  for (let piece = 0; piece < 4; piece++) buffer.push(bytes(40_000));
  await files.go(true);
  buffer.push(bytes(40_000));
  assert.equal((await buffer.take())?.length, 100_000);
  for (const [left, isFull] of [[4, true], [3, true], [2, true], [1, false]] as const) {
    assert.deepEqual(await buffer.take(), bytes(40_000));
    assert.deepEqual([buffer.length, buffer.isFull], [left * 40_000, isFull]);
  }
  assert.equal(seen.rooms, 1);
  buffer.close();
});

test("ResponseBuffer tries its file again, and goes on with it where it left", async () => {
  const files = new SlowFiles();
  const clock = new ManualClock();
  const { buffer, seen } = bufferOf(0, 10_000, files, new SpillSpace(clock));
  buffer.push(bytes(20));
  await files.go();
  await files.go();
  buffer.push(bytes(10, 20));
  await files.go(true);
  buffer.push(bytes(5, 30));
  assert.equal(buffer.isFull, true);
  clock.advance(RETRY_MS);
  await rest();
  await files.go();
  assert.deepEqual([buffer.isFull, seen.rooms], [false, 2]);
  const taken = buffer.take();
  await files.go();
  assert.deepEqual(await taken, bytes(35));
  buffer.close();
  await rest();
  assert.deepEqual([files.temporaryCount, seen.spilled, clock.timerCount], [0, 0, 0]);
});

test("ResponseBuffer that may not even try its file tries later, and gives its bytes meanwhile", async () => {
  const clock = new ManualClock();
  const space = new SpillSpace(clock);
  space.block(new Error("disk full"));
  const files = new MemoryFiles();
  const { buffer, seen } = bufferOf(0, 10_000, files, space);
  buffer.push(bytes(10));
  assert.deepEqual(await buffer.take(), bytes(10));
  buffer.push(bytes(10, 10));
  clock.advance(RETRY_MS);
  await rest();
  assert.equal(files.temporaryCount, 1);
  assert.deepEqual(await buffer.take(), bytes(10, 10));
  buffer.close();
  await rest();
  assert.deepEqual([files.temporaryCount, seen.spilled, space.used], [0, 0, 0]);
});

test("ResponseBuffer tells when its file cannot be read", async () => {
  for (const stepsBefore of [2]) {
    const files = new SlowFiles();
    const { buffer, seen } = bufferOf(0, 10_000, files);
    buffer.push(bytes(20));
    const taken = buffer.take() as Promise<Uint8Array>;
    for (let count = 0; count < stepsBefore; count++) await files.go();
    await files.go(true);
    assert.equal(seen.failures.length, 1, `${stepsBefore}`);
    buffer.close();
    while (files.waiting.length > 0) await files.go();
    assert.equal((await taken).length, 0);
    assert.deepEqual([files.temporaryCount, seen.spilled], [0, 0]);
  }
});

test("ResponseBuffer lends long pieces of a read that is all its own, until its client is slow", async () => {
  const kilobyte = 1024;
  const read = new Uint8Array(1024 * kilobyte);
  const memory = new BufferMemory();
  const options = { ownsRead: true, mayStandStill: () => true };
  const { buffer } = bufferOf(
    128 * kilobyte,
    4096 * kilobyte,
    undefined,
    undefined,
    memory,
    options,
  );
  const push = (length: number) => buffer.push(read.subarray(0, length));
  const taken = () => (buffer.take() as Uint8Array).buffer.byteLength / kilobyte;
  push(64 * kilobyte);
  assert.equal(taken(), 1024, "a view");
  push(kilobyte);
  assert.equal(taken(), 1, "a copy: so many short ones might keep much");
  for (let count = 0; count < 3; count++) push(64 * kilobyte);
  buffer.spill();
  assert.equal(buffer.isInMemory, false);
  assert.deepEqual([taken(), taken()], [64, 64], "copies: they may stay for long");
  buffer.close();
  await rest();
  assert.equal(memory.used, 0);
});

test("ResponseBuffer that stands still has room at half of its memory, or when it is closed", () => {
  for (const end of ["taken", "closed"]) {
    const { buffer, seen } = bufferOf(100, 1_000, undefined, undefined, undefined, {
      mayStandStill: () => true,
    });
    for (let count = 0; count < 3; count++) buffer.push(bytes(40));
    assert.deepEqual([buffer.isFull, buffer.isInMemory, seen.rooms], [false, true, 0]);
    if (end === "taken") buffer.take();
    else buffer.close();
    assert.equal(seen.rooms, 1);
    buffer.spill();
    assert.deepEqual([seen.rooms, seen.spilled], [1, 0], "nothing is left to do");
  }
});

test("ResponseBuffer gives every byte once and in order, whatever is pushed, taken and written when", async () => {
  const move = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 60 }) }),
    fc.constant("take" as const),
    fc.constant("file" as const),
    fc.constant("disk full" as const),
    fc.constant("time" as const),
    fc.constant("spill" as const),
  );
  const given = fc.tuple(
    fc.array(move, { maxLength: 60 }),
    fc.boolean(),
    fc.boolean(),
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(given, async ([moves, spills, stands, ownsRead]) => {
      const files = new SlowFiles();
      const [memoryMax, spillMax] = [50, spills ? 150 : 0];
      const clock = new ManualClock();
      const space = new SpillSpace(clock, 200);
      const { buffer, seen } = bufferOf(memoryMax, spillMax, files, space, undefined, {
        ownsRead,
        mayStandStill: () => stands,
      });
      const given: Uint8Array[] = [];
      let taking: Promise<unknown> | undefined;
      let pushed = 0;
      const take = (): void => {
        if (taking !== undefined) return;
        const taken = buffer.take();
        if (taken instanceof Promise) {
          taking = taken.then((piece) => {
            given.push(piece);
            taking = undefined;
          });
        } else if (taken !== undefined) given.push(taken);
      };
      for (const next of moves) {
        if (next === "take") take();
        else if (next === "file") await files.go();
        else if (next === "disk full") await files.fillDisk();
        else if (next === "time") clock.advance(RETRY_MS);
        else if (next === "spill") buffer.spill();
        else if (!buffer.isFull) {
          buffer.push(bytes(next.push, pushed));
          pushed += next.push;
        }
        // While it stands still its owner reads nothing; here it is pushed to all the same.
        assert.ok(
          stands || buffer.length <= memoryMax + spillMax + 2 * 60,
          `${buffer.length} bytes are held`,
        );
        // A file of which all was read is not held until the response is over.
        if (buffer.length > 0 || files.waiting.length > 0) continue;
        await rest();
        assert.deepEqual([files.temporaryCount, space.used], [0, 0], "a file without bytes");
      }
      while (buffer.length > 0) {
        take();
        await files.go();
      }
      await taking;
      assert.deepEqual(join(given), bytes(pushed));
      while (files.waiting.length > 0) await files.go();
      await rest();
      assert.deepEqual([seen.spilled, files.temporaryCount, space.used], [0, 0, 0]);
    }),
    { numRuns: 300 },
  );
});

test("ResponseBuffer counts what it holds in memory, until it is closed", async () => {
  const memory = new BufferMemory(100);
  const { buffer } = bufferOf(10, 100, new MemoryFiles(), undefined, memory);
  buffer.push(bytes(8));
  assert.equal(memory.used, 8);
  buffer.push(bytes(7, 8));
  assert.equal(memory.used, 15, "what is on its way to the file is in memory");
  await rest();
  assert.equal(memory.used, 8);
  assert.deepEqual(buffer.take(), bytes(8));
  assert.equal(memory.used, 0);
  assert.deepEqual(await buffer.take(), bytes(7, 8));
  buffer.push(bytes(3));
  buffer.close();
  assert.equal(memory.used, 0);
});

test("ResponseBuffer uses its file at once where all buffers hold half of what they may", async () => {
  const memory = new BufferMemory(100);
  memory.count(45);
  const { buffer, seen } = bufferOf(10, 100, new MemoryFiles(), undefined, memory);
  buffer.push(bytes(5));
  assert.equal(buffer.isInMemory, true);
  buffer.push(bytes(5, 5));
  assert.equal(buffer.isInMemory, false);
  assert.equal(seen.spilled, 5);
  assert.deepEqual(buffer.take(), bytes(5));
  assert.deepEqual(await buffer.take(), bytes(5, 5));
  buffer.close();
  assert.equal(memory.used, 45);
});

test("ResponseBuffer without a file holds up its application where memory is tight", () => {
  const memory = new BufferMemory(100);
  memory.count(50);
  const { buffer, seen } = bufferOf(10, 0, new MemoryFiles(), undefined, memory);
  buffer.push(bytes(5));
  assert.deepEqual([buffer.isFull, memory.used], [true, 55]);
  assert.deepEqual(buffer.take(), bytes(5));
  assert.deepEqual([buffer.isFull, seen.rooms, memory.used], [false, 1, 50]);
});

test("ResponseBuffer gives shorter pieces where memory is tight: its reader's socket holds each", async () => {
  const memory = new BufferMemory(1024 * 1024);
  const { buffer } = bufferOf(512 * 1024, 4 * 1024 * 1024, new MemoryFiles(), undefined, memory);
  for (let count = 0; count < 8; count++) buffer.push(bytes(16 * 1024));
  assert.equal((buffer.take() as Uint8Array).length, 128 * 1024);
  for (let count = 0; count < 8; count++) buffer.push(bytes(16 * 1024));
  memory.count(512 * 1024);
  const first = buffer.take() as Uint8Array;
  assert.equal(first.length, TIGHT_PIECE_LENGTH_MAX);
  for (let count = 0; count < 8; count++) buffer.push(bytes(16 * 1024));
  let length = first.length;
  for (let piece = await buffer.take(); piece !== undefined; piece = await buffer.take()) {
    assert.ok(piece.length <= TIGHT_PIECE_LENGTH_MAX, `${piece.length} bytes`);
    length += piece.length;
  }
  assert.equal(length, 256 * 1024);
  buffer.close();
});

test("BufferMemory tells each time that much has come and gone", () => {
  let told = 0;
  const onPassed = (isOver: boolean) => void (told += isOver ? 100 : 1);
  const memory = new BufferMemory(undefined, undefined, undefined, onPassed);
  for (let round = 1; round <= 3; round++) {
    for (let count = 0; count < 15; count++) {
      memory.count(PASSED_LENGTH / 32);
      memory.count(-PASSED_LENGTH / 32);
    }
    memory.count(PASSED_LENGTH / 32);
    assert.equal(told, round - 1);
    memory.count(-PASSED_LENGTH / 32);
    assert.equal(told, round);
  }
});

test("BufferMemory tells once when many buffers were open and few are left", () => {
  const told: boolean[] = [];
  const memory = new BufferMemory(undefined, undefined, undefined, (isOver) => told.push(isOver));
  const open = (count: number) =>
    Array.from({ length: count }, () => {
      return bufferOf(10, 100, new MemoryFiles(), undefined, memory).buffer;
    });
  for (const buffer of open(OPEN_MIN - 1)) buffer.close();
  assert.deepEqual(told, [], "they were not many");
  for (let round = 1; round <= 2; round++) {
    const buffers = open(OPEN_MIN);
    for (const [at, buffer] of buffers.entries()) {
      buffer.close();
      buffer.close();
      assert.equal(told.length, at + 1 >= OPEN_MIN * (1 - OPEN_REST) ? round : round - 1);
    }
  }
  assert.deepEqual(told, [true, true]);
});
