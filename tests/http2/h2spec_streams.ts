/** The cases of h2spec's `http2`, sections 3 to 5: what a connection and a stream may be. */
import { Flag, FRAME_LENGTH_MIN } from "../../src/http2/constants.ts";
import { HTTP2_LIMIT_DEFAULTS } from "../../src/http2/limits.ts";
import { requestFields } from "../support/http2_client.ts";
import {
  beginHeaders,
  type Case,
  connectionEnd,
  connectionError,
  continuation,
  data,
  get,
  headers,
  headersFrame,
  initialWindow,
  NOTHING_8,
  ping,
  pingAck,
  post,
  priority,
  raw,
  reset,
  settingsFirst,
  type Step,
  streamClosed,
  streamError,
  WHOLE,
  windowUpdate,
} from "./h2spec_cases.ts";

const UNKNOWN_FRAME = raw(`000008 16 00 00000000 ${NOTHING_8}`);

const dataOfMost: Step = (client) =>
  client.frame("DATA", Flag.END_STREAM, 1, new Uint8Array(FRAME_LENGTH_MIN));
const dataTooLong: Step = (client) =>
  client.frame("DATA", Flag.END_STREAM, 1, new Uint8Array(FRAME_LENGTH_MIN + 1));
const headersTooLong: Step = (client) => {
  const dummies = Array.from({ length: 5 }, (_, index) =>
    // Bytes that Huffman's code makes no shorter.
    [`x-dummy${index}`, "\u00ff".repeat(4000)] as const);
  const block = client.block(requestFields("GET", "/", dummies));
  client.frame("HEADERS", WHOLE, client.nextId(), block);
};

const tooManyStreams: Step = (client) => {
  for (let count = 0; count <= HTTP2_LIMIT_DEFAULTS.streamsMax; count++) get(client);
};

const selfDependent: Step = (client) => {
  const block = client.block(requestFields("GET", "/"));
  const payload = Uint8Array.of(0, 0, 0, 1, 255, ...block);
  client.frame("HEADERS", WHOLE | Flag.PRIORITY, client.nextId(), payload);
};

const blockAlone: Step = (client) =>
  client.frame("CONTINUATION", Flag.END_HEADERS, 1, client.block(requestFields("GET", "/")));

const startCases: readonly Case[] = [
  ["http2/3.5/1", "the preface", settingsFirst],

  ["http2/4.1/1", "a frame of a type that nobody knows", UNKNOWN_FRAME, ping(), pingAck()],
  ["http2/4.1/2", "a flag that nobody knows", raw(`000008 06 16 00000000 ${NOTHING_8}`), pingAck()],
  ["http2/4.1/3", "the reserved bit", raw(`000008 06 16 80000000 ${NOTHING_8}`), pingAck()],

  ["http2/4.2/1", "DATA of 2^14 bytes", post(), dataOfMost, headersFrame],
  ["http2/4.2/2", "DATA that is too long", post(), dataTooLong, streamError("FRAME_SIZE_ERROR")],
  ["http2/4.2/3", "HEADERS that is too long", headersTooLong, connectionError("FRAME_SIZE_ERROR")],

  [
    "http2/4.3/1",
    "half a field",
    raw("000001 01 05 00000001 40"),
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "http2/4.3/2",
    "PRIORITY within a section",
    beginHeaders(false),
    priority(1, 0, 255),
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/4.3/3",
    "HEADERS of another stream within a section",
    beginHeaders(false),
    headers(3, WHOLE),
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
];

const stateCases: readonly Case[] = [
  [
    "http2/5.1/1",
    "idle: DATA",
    data("test", true),
    connectionError("PROTOCOL_ERROR", "STREAM_CLOSED"),
  ],
  ["http2/5.1/2", "idle: RST_STREAM", reset(1), connectionError("PROTOCOL_ERROR")],
  ["http2/5.1/3", "idle: WINDOW_UPDATE", windowUpdate(1, 100), connectionError("PROTOCOL_ERROR")],
  ["http2/5.1/4", "idle: CONTINUATION", blockAlone, connectionError("PROTOCOL_ERROR")],
  [
    "http2/5.1/5",
    "half-closed (remote): DATA",
    get,
    data("test", true),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/6",
    "half-closed (remote): HEADERS",
    get,
    headers(1, WHOLE),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/7",
    "half-closed (remote): CONTINUATION",
    get,
    blockAlone,
    connectionError("STREAM_CLOSED", "PROTOCOL_ERROR"),
  ],
  [
    "http2/5.1/8",
    "closed by RST_STREAM: DATA",
    post(),
    reset(1),
    data("test", true),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/9",
    "closed by RST_STREAM: HEADERS",
    post(),
    reset(1),
    headers(1, WHOLE),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/10",
    "closed by RST_STREAM: CONTINUATION",
    post(),
    reset(1),
    continuation(true),
    streamError("STREAM_CLOSED", "PROTOCOL_ERROR"),
  ],
  [
    "http2/5.1/11",
    "closed: DATA",
    get,
    streamClosed,
    data("test", true),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/12",
    "closed: HEADERS",
    get,
    streamClosed,
    headers(1, WHOLE),
    connectionError("STREAM_CLOSED"),
  ],
  [
    "http2/5.1/13",
    "closed: CONTINUATION",
    get,
    streamClosed,
    continuation(true),
    connectionError("STREAM_CLOSED", "PROTOCOL_ERROR"),
  ],
  ["http2/5.1.1/1", "an even stream", headers(2, WHOLE), connectionError("PROTOCOL_ERROR")],
  [
    "http2/5.1.1/2",
    "a stream lower than one before it",
    headers(5, WHOLE),
    headers(3, WHOLE),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/5.1.2/1",
    "one stream too many",
    initialWindow(0),
    tooManyStreams,
    streamError("REFUSED_STREAM"),
  ],
  ["http2/5.3.1/1", "HEADERS that depends on itself", selfDependent, streamError("PROTOCOL_ERROR")],
  [
    "http2/5.3.1/2",
    "PRIORITY that depends on itself",
    priority(1, 1, 255),
    streamError("PROTOCOL_ERROR"),
  ],
  ["http2/5.4.1/1", "PING of a stream", raw(`000008 06 00 00000003 ${NOTHING_8}`), connectionEnd],
  [
    "http2/5.4.1/2",
    "GOAWAY before the end (of strict mode)",
    raw(`000008 06 00 00000003 ${NOTHING_8}`),
    connectionError("PROTOCOL_ERROR"),
  ],
  ["http2/5.5/1", "a frame of an extension", UNKNOWN_FRAME, ping(), pingAck()],
  [
    "http2/5.5/2",
    "the same within a section",
    beginHeaders(),
    UNKNOWN_FRAME,
    connectionError("PROTOCOL_ERROR"),
  ],
];

export const STREAM_CASES: readonly Case[] = [...startCases, ...stateCases];
