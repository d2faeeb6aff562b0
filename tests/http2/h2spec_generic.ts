/** The cases of h2spec's `generic`: what every server is to take. Numbers as in `h2spec_cases.ts`. */
import { Flag, Setting } from "../../src/http2/constants.ts";
import { requestFields, setting } from "../support/http2_client.ts";
import {
  blockWith,
  type Case,
  data,
  dataFrame,
  get,
  goaway,
  headersFrame,
  ping,
  pingAck,
  pingAckOrEnd,
  post,
  priority,
  reset,
  settingsAck,
  settingsFirst,
  type Step,
  streamClosed,
  windowUpdate,
} from "./h2spec_cases.ts";

const noWindow: Step = (client) =>
  client.frame("SETTINGS", 0, 0, setting(Setting.INITIAL_WINDOW_SIZE, 0));

const manySettings: Step = (client) => {
  const values = [
    setting(Setting.HEADER_TABLE_SIZE, 4096),
    setting(Setting.ENABLE_PUSH, 1),
    setting(Setting.MAX_CONCURRENT_STREAMS, 100),
    setting(Setting.INITIAL_WINDOW_SIZE, 65_535),
    setting(Setting.MAX_FRAME_SIZE, 16_384),
    setting(Setting.MAX_HEADER_LIST_SIZE, 100),
  ];
  client.frame("SETTINGS", 0, 0, Uint8Array.from(values.flatMap((value) => [...value])));
};

/** A block cut where it is said, the first piece in HEADERS. */
function cutHeaders(...cuts: readonly number[]): Step {
  return (client) => {
    const block = client.block(requestFields("GET", "/"));
    client.frame("HEADERS", Flag.END_STREAM, client.nextId(), block.subarray(0, cuts[0]));
    cuts.forEach((cut, index) => {
      const isLast = index === cuts.length - 1;
      const piece = block.subarray(cut, cuts[index + 1]);
      client.frame("CONTINUATION", isLast ? Flag.END_HEADERS : 0, 1, piece);
    });
  };
}

/** HEADERS with more before and behind its block. */
function framed(flags: number, front: readonly number[], back: readonly number[]): Step {
  return (client) => {
    const payload = [...front, ...client.block(requestFields("GET", "/")), ...back];
    const all = flags | Flag.END_HEADERS | Flag.END_STREAM;
    client.frame("HEADERS", all, client.nextId(), Uint8Array.from(payload));
  };
}

const paddedData: Step = (client) => {
  const payload = [5, ...new TextEncoder().encode("test"), 0, 0, 0, 0, 0];
  client.frame("DATA", Flag.PADDED | Flag.END_STREAM, 1, Uint8Array.from(payload));
};

const trailers: Step = (client) => client.headers(1, [["x-test", "ok"]], true);

/** `user-agent: h2spec` or `x-test: h2spec`, as a literal with a name of its own. */
const USER_AGENT = "0a 75 73 65 72 2d 61 67 65 6e 74 06 68 32 73 70 65 63";
const USER_AGENT_HUFFMAN = "87 b5 05 b1 61 cc 5a 93 84 9c 48 ac a4";
const X_TEST = "06 78 2d 74 65 73 74 06 68 32 73 70 65 63";
const X_TEST_HUFFMAN = "85 f2 b2 4a 84 ff 84 9c 48 ac a4";

const tableOf128: Step = (client) => {
  client.encoder.limitTable(128);
  get(client);
};

export const GENERIC_CASES: readonly Case[] = [
  ["generic/1/1", "the preface", settingsFirst],

  ["generic/2/1", "PRIORITY on an idle stream", priority(1, 0, 255), ping(), pingAck()],
  [
    "generic/2/2",
    "WINDOW_UPDATE, half-closed (remote)",
    noWindow,
    get,
    windowUpdate(1, 1),
    dataFrame,
  ],
  [
    "generic/2/3",
    "PRIORITY, half-closed (remote)",
    noWindow,
    get,
    priority(1, 0, 255),
    windowUpdate(1, 1),
    dataFrame,
  ],
  ["generic/2/4", "RST_STREAM, half-closed (remote)", get, reset(1), ping(), pingAckOrEnd()],
  ["generic/2/5", "PRIORITY, closed", get, streamClosed, priority(1, 0, 255), ping(), pingAck()],

  ["generic/3.1/1", "DATA", post(), data("test", true), headersFrame],
  [
    "generic/3.1/2",
    "several DATA frames",
    post(),
    data("test", false),
    data("test", true),
    headersFrame,
  ],
  ["generic/3.1/3", "DATA with padding", post(), paddedData, headersFrame],

  ["generic/3.2/1", "HEADERS", get, headersFrame],
  [
    "generic/3.2/2",
    "HEADERS with padding",
    framed(Flag.PADDED, [8], [0, 0, 0, 0, 0, 0, 0, 0]),
    headersFrame,
  ],
  [
    "generic/3.2/3",
    "HEADERS with priority",
    framed(Flag.PRIORITY, [0, 0, 0, 0, 255], []),
    headersFrame,
  ],

  ["generic/3.3/1", "PRIORITY of 1", priority(1, 0, 0), get, headersFrame],
  ["generic/3.3/2", "PRIORITY of 256", priority(1, 0, 255), get, headersFrame],
  ["generic/3.3/3", "PRIORITY with a dependency", priority(3, 1, 0), get, headersFrame],
  ["generic/3.3/4", "PRIORITY, exclusive", priority(1, 0, 0, 1), get, headersFrame],
  [
    "generic/3.3/5",
    "PRIORITY of a higher stream that is idle",
    priority(3, 0, 255),
    get,
    headersFrame,
  ],

  ["generic/3.4/1", "RST_STREAM", post(), reset(1), ping(), pingAckOrEnd()],
  ["generic/3.5/1", "SETTINGS", manySettings, settingsAck(2)],
  ["generic/3.7/1", "PING", ping("h2spec"), pingAck("h2spec")],
  ["generic/3.8/1", "GOAWAY", goaway(0, "h2spec"), ping("h2spec"), pingAckOrEnd("h2spec")],
  ["generic/3.9/1", "WINDOW_UPDATE of the connection", windowUpdate(0, 1), ping(), pingAck()],
  ["generic/3.9/2", "WINDOW_UPDATE of a stream", get, windowUpdate(1, 1), headersFrame],
  ["generic/3.10/1", "CONTINUATION", cutHeaders(5), headersFrame],
  ["generic/3.10/2", "several CONTINUATION frames", cutHeaders(5, 10), headersFrame],

  ["generic/4/1", "GET", get, headersFrame],
  [
    "generic/4/2",
    "HEAD",
    (client) => void client.request(requestFields("HEAD", "/")),
    headersFrame,
  ],
  ["generic/4/3", "POST", post(), data("test", true), headersFrame],
  [
    "generic/4/4",
    "POST with trailers",
    post(["trailer", "x-test"]),
    data("test", false),
    trailers,
    headersFrame,
  ],

  ["generic/5/1", "an indexed field", blockWith("", "ba"), headersFrame],
  [
    "generic/5/2",
    "incremental indexing of a known name, Huffman",
    blockWith("", `40 ${USER_AGENT_HUFFMAN}`),
    headersFrame,
  ],
  [
    "generic/5/3",
    "incremental indexing of a known name",
    blockWith("", `40 ${USER_AGENT}`),
    headersFrame,
  ],
  [
    "generic/5/4",
    "incremental indexing of a new name",
    blockWith("", `40 ${X_TEST}`),
    headersFrame,
  ],
  [
    "generic/5/5",
    "incremental indexing of a new name, Huffman",
    blockWith("", `40 ${X_TEST_HUFFMAN}`),
    headersFrame,
  ],
  ["generic/5/6", "no indexing of a known name", blockWith("", `00 ${USER_AGENT}`), headersFrame],
  [
    "generic/5/7",
    "no indexing of a known name, Huffman",
    blockWith("", `00 ${USER_AGENT_HUFFMAN}`),
    headersFrame,
  ],
  ["generic/5/8", "no indexing of a new name", blockWith("", `00 ${X_TEST}`), headersFrame],
  [
    "generic/5/9",
    "no indexing of a new name, Huffman",
    blockWith("", `00 ${X_TEST_HUFFMAN}`),
    headersFrame,
  ],
  ["generic/5/10", "a known name never indexed", blockWith("", `10 ${USER_AGENT}`), headersFrame],
  [
    "generic/5/11",
    "a known name never indexed, Huffman",
    blockWith("", `10 ${USER_AGENT_HUFFMAN}`),
    headersFrame,
  ],
  ["generic/5/12", "a new name never indexed", blockWith("", `10 ${X_TEST}`), headersFrame],
  [
    "generic/5/13",
    "a new name never indexed, Huffman",
    blockWith("", `10 ${X_TEST_HUFFMAN}`),
    headersFrame,
  ],
  ["generic/5/14", "a smaller dynamic table", tableOf128, headersFrame],
  ["generic/5/15", "two sizes of the dynamic table", blockWith("3f61 3fe11f", ""), headersFrame],
];
