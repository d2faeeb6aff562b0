/** What can never become a request is refused at once, wherever it is cut, and nothing else is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1 } from "../../src/protocol/byte_buffer.ts";
import { fragmentations } from "../support/fragments.ts";
import { http1World, whole } from "../support/http1_world.ts";
import { inWorld } from "../support/world_test.ts";

/** What comes, and how many bytes of it are enough to know. */
const HOPELESS: readonly (readonly [text: string, enough: number, status: number])[] = [
  ["GET / HTTP/1.0\n\n", 15, 400],
  ["GET / HTTP/1.1\r\nHost: a\n\r\n", 24, 400],
  ["GET /\r\n", 7, 400],
  ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1, 400],
  ["\x80\x2e\x01\x03\x01", 1, 400],
  ["\0\0\0", 1, 400],
  ["\x05\x01\x00", 1, 400],
  ["SSH-2.0-OpenSSH_9.2\r\n", 21, 400],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 16, 505],
  ["GET / HTTP/2.0\r\n", 16, 505],
  ["GET / HTTP/1.1 \r\n", 17, 400],
  [" GET", 1, 400],
  ["G(T", 2, 400],
  ["GET x HTTP/1.1\r\n", 16, 400],
  ["GET / HTTP/1.1\rX", 16, 400],
  ["GET / HTTP/1.1\r\nHost : a", 21, 400],
  ["GET / HTTP/1.1\r\n a", 17, 400],
  ["GET / HTTP/1.1\r\n: a", 17, 400],
  ["GET / HTTP/1.1\r\nHost\r\n", 22, 400],
  ["GET / HTTP/1.1\r\nHost: \x01", 23, 400],
  ["\r\n\r\n\r\n\r\n\r\n", 10, 400],
  [`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(257)}`, 16 + 6 * 257, 431],
];

for (const [text, enough, status] of HOPELESS) {
  // Reports of the runners write other characters each in their own way.
  const shown = encodeURIComponent(text.slice(0, 40));
  test(
    `${shown} is refused as soon as it is known`,
    inWorld(async () => {
      const { open, errors } = await http1World(() => whole("never"));
      const socket = open();
      for (const byte of latin1(text.slice(0, enough - 1))) socket.send(Uint8Array.of(byte));
      assert.deepEqual([socket.text, socket.ended], ["", "no"]);
      socket.send(text.slice(enough - 1, enough));
      assert.match(socket.text, new RegExp(`^HTTP/1\\.1 ${status} .*connection: close\\r\\n`, "s"));
      assert.equal(socket.ended, "end");
      assert.equal(errors.length, 1);
      if (text.length > 100) return;
      const bytes = latin1(text);
      for (const { how, pieces } of fragmentations(bytes)) {
        const other = open();
        for (const piece of pieces) if (piece.length > 0) other.send(piece);
        assert.equal(other.text, socket.text, how);
      }
    }),
  );
}

test(
  "A client that speaks TLS is told of in the log",
  inWorld(async () => {
    const { open, errors } = await http1World(() => whole("never"));
    open().send("\x16\x03\x01");
    assert.match(errors[0]!.message, /TLS/);
  }),
);

test(
  "What may still become a request is waited for, at every length",
  inWorld(async () => {
    const headers = "POST /\u00e9?b HTTP/1.1\r\nHost: a\r\nX-A: \t \u00e9\r\nX-B:\r\n\r\n";
    for (let length = 0; length < headers.length; length++) {
      const { open, errors } = await http1World(() => whole("x"));
      const socket = open();
      socket.send(`\r\n${headers.slice(0, length)}`);
      assert.deepEqual([socket.text, errors.length], ["", 0], `${length}`);
      socket.send(headers.slice(length));
      assert.match(socket.text, /^HTTP\/1\.1 200 /);
    }
  }),
);

test(
  "A header section that is too long and malformed is refused alike however it is cut",
  inWorld(async () => {
    const line = "GET / HTTP/1.1\r\nA: ";
    for (const at of [30, 62, 63, 64, 65, 66, 67, 70]) {
      const text = `${line}${"x".repeat(at - line.length)}\0${"x".repeat(40)}\r\n\r\n`;
      const endings = new Set<string>();
      for (const { pieces } of fragmentations(latin1(text))) {
        const { open } = await http1World(() => whole("x"), { requestHeadersLengthMax: 64 });
        const socket = open();
        for (const piece of pieces) if (piece.length > 0) socket.send(piece);
        endings.add(socket.text.slice(0, 12));
      }
      assert.deepEqual([...endings], [`HTTP/1.1 ${at < 64 ? 400 : 431}`], `${at}`);
    }
  }),
);

test(
  "A long value is looked through to its end, whatever its characters and its pieces",
  inWorld(async () => {
    const { open } = await http1World(() => whole("never"));
    const start = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
    for (const character of ["x", "\t", "\x80", "\xff"]) {
      for (const length of [254, 255, 256, 257, 300, 9_000]) {
        for (const wrong of ["", "\0", "\x1f", "\x7f", "\n", "\rx"]) {
          const text = start + character.repeat(length) + wrong;
          const shown = JSON.stringify([character, length, wrong]);
          for (const cut of [text.length, start.length + 100, text.length - wrong.length]) {
            const socket = open();
            socket.send(text.slice(0, cut));
            if (cut < text.length) socket.send(text.slice(cut));
            const expected = wrong === "" ? ["", "no"] : ["HTTP/1.1 400", "end"];
            assert.deepEqual([socket.text.slice(0, 12), socket.ended], expected, shown);
          }
          // Behind it another line is looked at as ever.
          if (wrong !== "") continue;
          const socket = open();
          socket.send(`${text}\r\nX: y\x01`);
          assert.deepEqual(
            [socket.text.slice(0, 12), socket.ended],
            ["HTTP/1.1 400", "end"],
            shown,
          );
        }
      }
    }
  }),
);
