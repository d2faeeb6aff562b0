/** The cases of h2spec's `http2`, sections 7 and 8, and of its `hpack`: what requests may be. */
import { Flag } from "../../src/http2/constants.ts";
import { type Fields, requestFields } from "../support/http2_client.ts";
import {
  blockWith,
  type Case,
  connectionError,
  data,
  getWith,
  goaway,
  ping,
  pingAckOrEnd,
  post,
  request,
  resetOfUnknown,
  type Step,
  streamError,
} from "./h2spec_cases.ts";

const [METHOD, SCHEME, PATH, AUTHORITY] = requestFields("GET", "/");

function trailers(fields: Fields): Step {
  return (client) => client.headers(1, fields, false);
}

const pushPromise: Step = (client) => {
  const block = client.block(requestFields("GET", "/"));
  const payload = Uint8Array.of(0, 0, 0, 3, ...block);
  client.frame("PUSH_PROMISE", Flag.END_HEADERS, 1, payload);
};

/** Fields that make a request malformed. */
function malformed(number: string, what: string, ...steps: Step[]): Case {
  return [number, what, ...steps, streamError("PROTOCOL_ERROR")];
}

/** Bytes of a block that nobody can read. */
function unreadable(number: string, what: string, front: string, back: string): Case {
  return [number, what, blockWith(front, back), connectionError("COMPRESSION_ERROR")];
}

export const MESSAGE_CASES: readonly Case[] = [
  ["http2/7/1", "GOAWAY of a code that nobody knows", goaway(0xff), ping("x"), pingAckOrEnd("x")],
  [
    "http2/7/2",
    "RST_STREAM of a code that nobody knows",
    post(),
    resetOfUnknown,
    ping(),
    pingAckOrEnd(),
  ],

  malformed(
    "http2/8.1/1",
    "a second HEADERS that is not the end",
    post(),
    data("test", false),
    trailers([["x-test", "ok"]]),
  ),
  malformed("http2/8.1.2/1", "a name in upper case", getWith(["X-TEST", "ok"])),

  malformed("http2/8.1.2.1/1", "a pseudo-header that nobody knows", getWith([":test", "ok"])),
  malformed("http2/8.1.2.1/2", "a pseudo-header of responses", getWith([":status", "200"])),
  malformed(
    "http2/8.1.2.1/3",
    "a pseudo-header in trailers",
    post(),
    data("test", false),
    trailers([[":method", "POST"]]),
  ),
  malformed(
    "http2/8.1.2.1/4",
    "a pseudo-header behind a field",
    request(["x-test", "ok"], METHOD!, SCHEME!, PATH!, AUTHORITY!),
  ),

  malformed("http2/8.1.2.2/1", "connection", getWith(["connection", "keep-alive"])),
  malformed(
    "http2/8.1.2.2/2",
    "te but for trailers",
    getWith(["trailers", "test"], ["te", "trailers, deflate"]),
  ),

  malformed(
    "http2/8.1.2.3/1",
    "an empty :path",
    request(METHOD!, SCHEME!, [":path", ""], AUTHORITY!),
  ),
  malformed("http2/8.1.2.3/2", "no :method", request(SCHEME!, PATH!, AUTHORITY!)),
  malformed("http2/8.1.2.3/3", "no :scheme", request(METHOD!, PATH!, AUTHORITY!)),
  malformed("http2/8.1.2.3/4", "no :path", request(METHOD!, SCHEME!, AUTHORITY!)),
  malformed("http2/8.1.2.3/5", "two :method", getWith(METHOD!)),
  malformed("http2/8.1.2.3/6", "two :scheme", getWith(SCHEME!)),
  malformed("http2/8.1.2.3/7", "two :path", getWith(PATH!)),

  malformed(
    "http2/8.1.2.6/1",
    "a length that the body has not",
    post(["content-length", "1"]),
    data("test", true),
  ),
  malformed(
    "http2/8.1.2.6/2",
    "a length that the body's pieces have not",
    post(["content-length", "1"]),
    data("test", false),
    data("test", true),
  ),

  ["http2/8.2/1", "PUSH_PROMISE", pushPromise, connectionError("PROTOCOL_ERROR")],

  unreadable("hpack/2.3.3/1", "an index beyond the tables", "", "c6"),
  unreadable("hpack/2.3.3/2", "a name beyond the tables", "", "7f0700"),
  unreadable("hpack/4.2/1", "a size of the table behind fields", "", "21"),
  unreadable("hpack/5.2/1", "padding of more than 7 bits", "", "0085f2b24a84ff8449509fff"),
  unreadable("hpack/5.2/2", "padding by zero", "", "0085f2b24a84ff83495090"),
  unreadable("hpack/5.2/3", "the symbol of the end", "", "0085f2b24a84ff874951fffffffa7f"),
  unreadable("hpack/6.1/1", "index 0", "", "80"),
  unreadable("hpack/6.3/1", "a table larger than we allow", "3fe21f", ""),
];
