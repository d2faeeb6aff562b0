import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { FileResponse } from "../../src/runtime/http_response.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import { DATE, GET, http1World, settle } from "../support/http1_world.ts";
import { until } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

const MIB = 1024 * 1024;

/** A file of `length` bytes, each of which tells where it stands, and whether it is still open. */
class CountingFile implements OpenFile {
  readonly descriptor = -1;
  readonly path = undefined;
  readonly info: FileInfo;
  readonly length: number;
  isOpen = true;

  constructor(length: number) {
    this.length = length;
    const common = { modifiedMs: 0, changedMs: 0, inode: 0, device: 0 };
    this.info = { kind: "file", size: length, ...common };
  }

  stream(): never {
    throw new Error("Nobody wants a stream");
  }

  read(bytes: Uint8Array, offset: number): number {
    assert.ok(this.isOpen);
    const count = Math.max(0, Math.min(bytes.length, this.length - offset));
    for (let index = 0; index < count; index++) bytes[index] = letter(offset + index);
    return count;
  }

  close(): void {
    this.isOpen = false;
  }
}

function letter(offset: number): number {
  return 0x61 + offset % 26;
}

function text(start: number, end: number): string {
  const bytes = new Uint8Array(end - start);
  for (let offset = start; offset < end; offset++) bytes[offset - start] = letter(offset);
  return new TextDecoder().decode(bytes);
}

function respondWith(file: OpenFile, start: number, end: number): FileResponse {
  return new FileResponse(206, [["x-a", "b"]], { file, start, end });
}

function headers(length: number): string {
  return `HTTP/1.1 206 Partial Content\r\nx-a: b\r\ndate: ${DATE}\r\ncontent-length: ${length}\r\n\r\n`;
}

for (const canTransfer of [true, false]) {
  const way = canTransfer ? "straight from it" : "in pieces";

  test(
    `A file goes out ${way}, and is closed`,
    inWorld(async () => {
      const file = new CountingFile(5 * MIB);
      const { open } = await http1World(() => respondWith(file, 3, 5 * MIB - 3));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.send(GET);
      await until(() => !file.isOpen, "the file's end");
      assert.equal(socket.text, headers(5 * MIB - 6) + text(3, 5 * MIB - 3));
      assert.equal(socket.transferred, canTransfer ? 5 * MIB - 6 : 0);
      assert.equal(socket.aheads, 1);
      assert.equal(socket.ended, "no");
    }),
  );

  test(
    `Of a file of which nothing goes out ${way} the header section does not wait for more`,
    inWorld(async () => {
      const file = new CountingFile(10);
      const { open } = await http1World(() => respondWith(file, 3, 3));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.send(GET);
      await until(() => !file.isOpen, "the file's end");
      assert.equal(socket.text, headers(0));
      assert.equal(socket.aheads, 0);
    }),
  );

  test(
    `A file goes out ${way} as fast as its client takes it, and keeps little in memory`,
    inWorld(async () => {
      const file = new CountingFile(MIB);
      const { open } = await http1World(() => respondWith(file, 0, MIB));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.room = 0;
      socket.send(GET);
      await settle();
      while (file.isOpen) {
        assert.ok(socket.unsentLength <= 64 * 1024 + 200, String(socket.unsentLength));
        socket.take(100_000);
        await settle();
      }
      socket.take(Infinity);
      assert.equal(socket.text, headers(MIB) + text(0, MIB));
    }),
  );

  test(
    `A file that has become shorter cuts the response that goes out ${way}`,
    inWorld(async () => {
      const file = new CountingFile(1000);
      const { open } = await http1World(() => respondWith(file, 0, 1001));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.send(GET + GET);
      await settle();
      assert.equal(socket.text, headers(1001) + text(0, 1000));
      assert.notEqual(socket.ended, "no");
      assert.equal(file.isOpen, false);
    }),
  );

  test(
    `A client that leaves closes the file that goes out ${way}`,
    inWorld(async () => {
      const file = new CountingFile(MIB);
      const { open } = await http1World(() => respondWith(file, 0, MIB));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.room = 0;
      socket.send(GET);
      await settle();
      assert.equal(file.isOpen, true);
      socket.close();
      await settle();
      assert.equal(file.isOpen, false);
    }),
  );

  test(
    `A client that takes a file slowly is never cut while it goes out ${way}`,
    inWorld(async () => {
      const file = new CountingFile(MIB);
      const { open, clock } = await http1World(() => respondWith(file, 0, MIB));
      const socket = open();
      socket.canTransfer = canTransfer;
      socket.room = 0;
      socket.send(GET);
      await settle();
      for (let time = 0; time < 8; time++) {
        clock.advance(CONNECTION_TIMEOUTS.sendMs / 2);
        // All that waits, so that as much waits again.
        socket.take(socket.unsentLength);
        await settle();
      }
      assert.equal(socket.ended, "no");
      clock.advance(2 * CONNECTION_TIMEOUTS.sendMs);
      await settle();
      assert.deepEqual([socket.ended, file.isOpen], ["reset", false]);
    }),
  );
}

test(
  "A file for HEAD, and one whose client has left, is closed and not read",
  inWorld(async () => {
    const file = new CountingFile(10);
    const { open } = await http1World(() => respondWith(file, 0, 10));
    const socket = open();
    socket.send(GET.replace("GET", "HEAD"));
    assert.equal(socket.text, headers(10));
    assert.equal(file.isOpen, false);

    const late = new CountingFile(10);
    const response = Promise.withResolvers<FileResponse>();
    const world = await http1World(() => response.promise);
    const left = world.open();
    left.send(GET);
    left.close();
    response.resolve(respondWith(late, 0, 10));
    await settle();
    assert.equal(late.isOpen, false);
  }),
);

test(
  "A request that was sent ahead is answered behind the file",
  inWorld(async () => {
    const files = [new CountingFile(100_000), new CountingFile(5)];
    let count = 0;
    const { open } = await http1World(() => {
      const file = files[count++]!;
      return respondWith(file, 0, file.length);
    });
    const socket = open();
    socket.canTransfer = true;
    socket.send(GET + GET);
    await until(() => !files[1]!.isOpen, "the file's end");
    assert.equal(socket.text, headers(100_000) + text(0, 100_000) + headers(5) + text(0, 5));
  }),
);
