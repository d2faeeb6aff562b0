/**
 * How a response is framed and in how many writes it goes, for every kind of one: by what its client
 * asked, what it declares, how long it is and whether it is there at once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BytesResponse,
  type HttpResponse,
  StreamResponse,
} from "../../src/runtime/http_response.ts";
import { DATE, http1World, settle } from "../support/http1_world.ts";
import { turn } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

/** A longer piece is not copied, and a longer stream not gathered. */
const COPIED = 32_768;

/** Who asks: the request's line and fields, and whether another request may follow. */
const ASKED: readonly (readonly [line: string, isNew: boolean, keeps: boolean])[] = [
  ["GET / HTTP/1.1\r\nhost: a", true, true],
  ["GET / HTTP/1.1\r\nhost: a\r\nconnection: close", true, false],
  ["GET / HTTP/1.0", false, false],
  ["GET / HTTP/1.0\r\nconnection: keep-alive", false, true],
  ["HEAD / HTTP/1.1\r\nhost: a", true, true],
];

/** Each in a turn of its own where they are not there at once. */
function streamOf(lengths: readonly number[], isAtOnce: boolean): ReadableStream<Uint8Array> {
  const waiting = [...lengths];
  return new ReadableStream({
    async pull(controller) {
      if (!isAtOnce) { for (let turns = 0; turns < 2; turns++) await turn(); }
      const length = waiting.shift();
      if (length === undefined) controller.close();
      else controller.enqueue(new Uint8Array(length).fill(0x78));
    },
  }, { highWaterMark: 0 });
}

/** What goes out, how it ends, and in how many writes. */
async function sent(response: HttpResponse, line: string) {
  const { open } = await http1World(() => response);
  const socket = open();
  let writes = 0;
  const write = socket.write.bind(socket);
  socket.write = (bytes) => {
    assert.ok(bytes.length > 0, "nothing is written");
    writes++;
    return write(bytes);
  };
  socket.send(`${line}\r\n\r\n`);
  for (let turns = 0; turns < 12; turns++) await turn();
  await settle();
  const { text, ended } = socket;
  return { text, ended, writes };
}

/** The text that is to be expected. */
function textOf(
  status: string,
  length: number | undefined,
  body: string,
  [, isNew, keeps]: (typeof ASKED)[number],
): string {
  const connection = !keeps ? "connection: close\r\n" : isNew ? "" : "connection: keep-alive\r\n";
  const framing = length === undefined ? "" : `content-length: ${length}\r\n`;
  return `HTTP/1.1 ${status}\r\ndate: ${DATE}\r\n${framing}${connection}\r\n${body}`;
}

const text = (length: number): string => "x".repeat(length);
const sum = (lengths: readonly number[]): number => lengths.reduce((so, one) => so + one, 0);
const chunked = (lengths: readonly number[]): string =>
  lengths.map((length) => `${length.toString(16)}\r\n${text(length)}\r\n`).join("") + "0\r\n\r\n";
const isHead = ([line]: (typeof ASKED)[number]): boolean => line.startsWith("HEAD");
const endOf = (keeps: boolean): string => keeps ? "no" : "end";

test(
  "Bytes go with their length, up to 32 KiB in one write with their header section",
  inWorld(async () => {
    for (const asked of ASKED) {
      for (const length of [0, 1, COPIED, COPIED + 1]) {
        const response = new BytesResponse(200, [], new Uint8Array(length).fill(0x78));
        const body = isHead(asked) ? "" : text(length);
        const seen = await sent(response, asked[0]);
        assert.equal(seen.text, textOf("200 OK", length, body, asked));
        assert.deepEqual([seen.ended, seen.writes], [
          endOf(asked[2]),
          body.length > COPIED ? 2 : 1,
        ]);
      }
    }
  }),
);

test(
  "A stream that is there at once goes as bytes do, a longer one as it comes",
  inWorld(async () => {
    for (const asked of ASKED) {
      const [line, isNew, keeps] = asked;
      for (
        const lengths of [[], [1], [3, 4], [COPIED], [COPIED - 1, 1], [COPIED, 1], [COPIED + 1]]
      ) {
        for (const isDeclared of [true, false]) {
          const length = sum(lengths);
          const declared = isDeclared ? length : undefined;
          const body = streamOf(lengths, true);
          const seen = await sent(new StreamResponse(200, [], body, { length: declared }), line);
          const isGathered = length <= COPIED;
          const shown = `${line} ${lengths} ${declared}`;
          if (isHead(asked)) {
            assert.equal(seen.text, textOf("200 OK", declared, "", asked), shown);
          } else if (isGathered || isDeclared) {
            assert.equal(seen.text, textOf("200 OK", length, text(length), asked), shown);
            assert.equal(seen.writes, isGathered ? 1 : 2, shown);
            assert.equal(seen.ended, endOf(keeps), shown);
          } else if (isNew) {
            const last = `transfer-encoding: chunked\r\n${
              keeps ? "" : "connection: close\r\n"
            }\r\n`;
            // What had come by then is one piece.
            assert.ok(seen.text.endsWith(last + chunked([length])), shown);
            assert.equal(seen.ended, endOf(keeps), shown);
          } else {
            const closing = [line, isNew, false] as const;
            assert.equal(seen.text, textOf("200 OK", undefined, text(length), closing), shown);
            assert.equal(seen.ended, "end", shown);
          }
        }
      }
    }
  }),
);

test(
  "Pieces that come later leave each in one write up to 32 KiB, with what frames them",
  inWorld(async () => {
    const lengths = [1, COPIED, COPIED + 1];
    for (const asked of ASKED.filter((one) => !isHead(one))) {
      const [line, isNew, keeps] = asked;
      for (const declared of [sum(lengths), undefined]) {
        const body = streamOf(lengths, false);
        const seen = await sent(new StreamResponse(200, [], body, { length: declared }), line);
        const isChunked = declared === undefined && isNew;
        const isKept = keeps && (isNew || declared !== undefined);
        const expected = isChunked ? chunked(lengths) : text(sum(lengths));
        assert.ok(seen.text.endsWith(`\r\n\r\n${expected}`), line);
        // The header section, the pieces, of the last its frames apart, and the last chunk.
        assert.equal(seen.writes, 1 + 2 + (isChunked ? 3 + 1 : 1), line);
        assert.equal(seen.ended, endOf(isKept), line);
      }
    }
  }),
);

test(
  "A stream is cut to what it declares, and one that is too short ends its connection",
  inWorld(async () => {
    for (const isAtOnce of [true, false]) {
      for (
        const [lengths, declared] of [[[3, 4], 5], [[5, 1], 5], [[6], 5], [[4], 5], [
          [],
          5,
        ]] as const
      ) {
        const body = streamOf(lengths, isAtOnce);
        const seen = await sent(
          new StreamResponse(200, [], body, { length: declared }),
          ASKED[0]![0],
        );
        const length = Math.min(declared, sum(lengths));
        assert.equal(seen.text, textOf("200 OK", declared, text(length), ASKED[0]!));
        assert.equal(seen.ended, length < declared ? "end" : "no", `${lengths} ${declared}`);
      }
    }
  }),
);

test(
  "A response without a body says of its length what its status and its method allow",
  inWorld(async () => {
    const phrases: Readonly<Record<number, string>> = {
      200: "200 OK",
      204: "204 No Content",
      304: "304 Not Modified",
    };
    for (const asked of ASKED) {
      for (const status of [200, 204, 304]) {
        const bytes = await sent(new BytesResponse(status, [], new Uint8Array(3)), asked[0]);
        const length = status === 200 ? 3 : undefined;
        const body = status === 200 && !isHead(asked) ? "\0\0\0" : "";
        assert.equal(bytes.text, textOf(phrases[status]!, length, body, asked));
        for (const declared of [undefined, 0, 3]) {
          const none = await sent(
            new StreamResponse(status, [], null, { length: declared }),
            asked[0],
          );
          const told = status === 204
            ? undefined
            : status === 304 || isHead(asked)
            ? declared
            : declared ?? 0;
          assert.equal(none.text, textOf(phrases[status]!, told, "", asked));
          const isShort = status === 200 && !isHead(asked) && told !== 0;
          assert.equal(none.ended, endOf(asked[2] && !isShort));
        }
      }
    }
  }),
);
