/** The cases of h2spec's `http2`, section 6: each kind of frame. */
import { Flag, Setting } from "../../src/http2/constants.ts";
import { requestFields } from "../support/http2_client.ts";
import {
  beginHeaders,
  type Case,
  connectionError,
  continuation,
  data,
  dataOf,
  get,
  headers,
  headersFrame,
  initialWindow,
  NOTHING_8,
  ping,
  pingAck,
  pingPayload,
  post,
  priority,
  raw,
  reset,
  settings,
  settingsAck,
  type Step,
  streamError,
  WHOLE,
  windowUpdate,
} from "./h2spec_cases.ts";

const WINDOW_MAX = 0x7fff_ffff;

const paddingTooLong: Step = (client) => {
  const block = client.block(requestFields("GET", "/"));
  const payload = Uint8Array.of(block.length + 2, ...block);
  client.frame("HEADERS", WHOLE | Flag.PADDED, client.nextId(), payload);
};

/** A body whose section has not ended. */
const beginPost: Step = (client) =>
  client.frame("HEADERS", 0, client.nextId(), client.block(requestFields("POST", "/")));

const frameCases: readonly Case[] = [
  ["http2/6.1/1", "DATA of no stream", data("test", true, 0), connectionError("PROTOCOL_ERROR")],
  [
    "http2/6.1/2",
    "DATA behind the end",
    (client) => void client.request(requestFields("POST", "/")),
    data("test", true),
    streamError("STREAM_CLOSED"),
  ],
  [
    "http2/6.1/3",
    "DATA with too much padding",
    post(["content-length", "4"]),
    raw("000005 00 09 00000001 06 54657374"),
    connectionError("PROTOCOL_ERROR"),
  ],

  [
    "http2/6.2/1",
    "PRIORITY within a section",
    beginHeaders(false),
    priority(1, 0, 255),
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.2/2",
    "HEADERS of another stream within a section",
    beginHeaders(false),
    headers(3, WHOLE),
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
  ["http2/6.2/3", "HEADERS of no stream", headers(0, WHOLE), connectionError("PROTOCOL_ERROR")],
  ["http2/6.2/4", "HEADERS with too much padding", paddingTooLong, streamError("PROTOCOL_ERROR")],

  ["http2/6.3/1", "PRIORITY of no stream", priority(0, 0, 255), connectionError("PROTOCOL_ERROR")],
  [
    "http2/6.3/2",
    "PRIORITY of 4 bytes",
    get,
    raw("000004 02 00 00000001 80000001"),
    streamError("FRAME_SIZE_ERROR"),
  ],

  ["http2/6.4/1", "RST_STREAM of no stream", reset(0), connectionError("PROTOCOL_ERROR")],
  ["http2/6.4/2", "RST_STREAM of an idle stream", reset(1), connectionError("PROTOCOL_ERROR")],
  [
    "http2/6.4/3",
    "RST_STREAM of 3 bytes",
    get,
    raw("000003 03 00 00000001 000000"),
    connectionError("FRAME_SIZE_ERROR"),
  ],

  [
    "http2/6.5/1",
    "an acknowledgement with a payload",
    raw("000001 04 01 00000000 00"),
    connectionError("FRAME_SIZE_ERROR"),
  ],
  [
    "http2/6.5/2",
    "SETTINGS of a stream",
    raw("000006 04 00 00000001 000300000064"),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.5/3",
    "SETTINGS of 3 bytes",
    raw("000003 04 00 00000000 000300"),
    connectionError("PROTOCOL_ERROR", "FRAME_SIZE_ERROR"),
  ],
  [
    "http2/6.5.2/1",
    "ENABLE_PUSH of 2",
    settings([Setting.ENABLE_PUSH, 2]),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.5.2/2",
    "INITIAL_WINDOW_SIZE above the most",
    initialWindow(0x8000_0000),
    connectionError("FLOW_CONTROL_ERROR"),
  ],
  [
    "http2/6.5.2/3",
    "MAX_FRAME_SIZE below the least",
    settings([Setting.MAX_FRAME_SIZE, 16_383]),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.5.2/4",
    "MAX_FRAME_SIZE above the most",
    settings([Setting.MAX_FRAME_SIZE, 16_777_216]),
    connectionError("PROTOCOL_ERROR"),
  ],
  ["http2/6.5.2/5", "a setting that nobody knows", settings([0xff, 1]), ping(), pingAck()],
  [
    "http2/6.5.3/1",
    "a setting twice",
    settings([Setting.INITIAL_WINDOW_SIZE, 100], [Setting.INITIAL_WINDOW_SIZE, 1]),
    settingsAck(2),
    get,
    dataOf(1),
  ],
  ["http2/6.5.3/2", "an acknowledgement", settings([Setting.ENABLE_PUSH, 0]), settingsAck(2)],
];

const connectionCases: readonly Case[] = [
  ["http2/6.7/1", "PING", ping("h2spec"), pingAck("h2spec")],
  [
    "http2/6.7/2",
    "PING with ACK is not answered",
    (client) => client.ping(Flag.ACK, pingPayload("invalid")),
    ping("h2spec"),
    pingAck("h2spec"),
  ],
  [
    "http2/6.7/3",
    "PING of a stream",
    raw(`000008 06 00 00000001 ${NOTHING_8}`),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.7/4",
    "PING of 6 bytes",
    raw("000006 06 00 00000000 000000000000"),
    connectionError("FRAME_SIZE_ERROR"),
  ],
  [
    "http2/6.8/1",
    "GOAWAY of a stream",
    raw(`000008 07 00 00000001 ${NOTHING_8}`),
    connectionError("PROTOCOL_ERROR"),
  ],

  [
    "http2/6.9/1",
    "the connection's window by nothing",
    windowUpdate(0, 0),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.9/2",
    "a stream's window by nothing",
    post(),
    windowUpdate(1, 0),
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.9/3",
    "WINDOW_UPDATE of 3 bytes",
    raw("000003 08 00 00000000 000001"),
    connectionError("FRAME_SIZE_ERROR"),
  ],
  ["http2/6.9.1/1", "a window of 1", initialWindow(1), settingsAck(2), get, dataOf(1)],
  [
    "http2/6.9.1/2",
    "the connection's window above the most",
    windowUpdate(0, WINDOW_MAX),
    windowUpdate(0, WINDOW_MAX),
    connectionError("FLOW_CONTROL_ERROR"),
  ],
  [
    "http2/6.9.1/3",
    "a stream's window above the most",
    post(),
    windowUpdate(1, WINDOW_MAX),
    windowUpdate(1, WINDOW_MAX),
    streamError("FLOW_CONTROL_ERROR"),
  ],
  [
    "http2/6.9.2/1",
    "another window behind HEADERS",
    initialWindow(0),
    settingsAck(2),
    get,
    initialWindow(1),
    dataOf(1),
  ],
  [
    "http2/6.9.2/2",
    "a window that becomes negative",
    initialWindow(3),
    settingsAck(2),
    get,
    dataOf(3),
    initialWindow(2),
    settingsAck(3),
    windowUpdate(1, 2),
    dataOf(1, 2),
  ],
  [
    "http2/6.9.2/3",
    "a window above the most",
    raw("000006 04 00 00000000 000480000000"),
    connectionError("FLOW_CONTROL_ERROR"),
  ],

  [
    "http2/6.10/1",
    "several CONTINUATION frames",
    beginHeaders(),
    continuation(false),
    continuation(true),
    headersFrame,
  ],
  [
    "http2/6.10/2",
    "DATA behind CONTINUATION without end",
    beginPost,
    continuation(false),
    data("test", true),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.10/3",
    "CONTINUATION of no stream",
    beginHeaders(),
    continuation(true, 0),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.10/4",
    "CONTINUATION behind HEADERS that was whole",
    get,
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.10/5",
    "CONTINUATION behind the last one",
    beginHeaders(),
    continuation(true),
    continuation(true),
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "http2/6.10/6",
    "CONTINUATION behind DATA",
    beginPost,
    data("test", true),
    continuation(false),
    continuation(true, 0),
    connectionError("PROTOCOL_ERROR"),
  ],
];

export const FRAME_CASES: readonly Case[] = [...frameCases, ...connectionCases];
