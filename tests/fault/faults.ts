/**
 * What an application can do wrong with one request, and what the client must get for it; then what
 * is odd and allowed. `application.test.ts` puts each behind the executable.
 */
import { ProtocolStatus, RecordType } from "../../src/protocol/constants.ts";
import {
  type Behaviour,
  GOOD_BODY,
  GOOD_HEADERS,
  goodResponse,
  type PeerRequest,
  ResponseRecords,
} from "../support/fault_peer.ts";

/**
 * `status` with a whole body; or `cut`: a header section of 200 and less body than it promises.
 * Where afcgi has seen the fault before its own header section was out, a status instead of the cut
 * is right, and better.
 */
export type Expected = { readonly status: number; readonly body?: string } | "cut";

export interface Fault {
  readonly says: string;
  readonly expected: Expected;
  readonly behaviour: Behaviour;
}

export const GOOD: Expected = { status: 200, body: GOOD_BODY };

/** A fault that shows when a request has arrived. */
function answering(
  says: string,
  expected: Expected,
  onRequest: (request: PeerRequest) => void,
): Fault {
  return { says, expected, behaviour: { onRequest } };
}

/** A fault that is all in the bytes of the response; the connection stays open. */
function sending(
  says: string,
  expected: Expected,
  bytes: (id: number) => ResponseRecords | Uint8Array | string,
): Fault {
  return answering(says, expected, ({ id, connection }) => {
    const response = bytes(id);
    connection.write(response instanceof ResponseRecords ? response.bytes : response);
  });
}

/** The same, and the connection is closed behind them. */
function closingAfter(
  says: string,
  expected: Expected,
  bytes: (id: number) => ResponseRecords | Uint8Array | string,
): Fault {
  return answering(says, expected, ({ id, connection }) => {
    const response = bytes(id);
    connection.write(response instanceof ResponseRecords ? response.bytes : response);
    connection.close();
  });
}

export const FAULTS: readonly Fault[] = [
  sending("answers in HTTP", { status: 502 }, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
  sending("answers with garbage", { status: 502 }, () => Buffer.alloc(64, 0xff)),
  sending("answers with a record of version 2", { status: 502 }, (id) => {
    const bytes = goodResponse(id).bytes;
    bytes[0] = 2;
    return bytes;
  }),
  sending("answers for an id that was never given out", { status: 502 }, () => goodResponse(9999)),
  answering("closes instead of answering", { status: 502 }, ({ connection }) => connection.close()),
  answering("breaks the connection", { status: 502 }, ({ connection }) => connection.reset()),
  closingAfter(
    "closes after half a record header",
    { status: 502 },
    (id) => goodResponse(id).bytes.subarray(0, 4),
  ),
  closingAfter(
    "closes within its first record",
    { status: 502 },
    (id) => goodResponse(id).bytes.subarray(0, 20),
  ),
  sending(
    "sends a management record of an unknown type",
    GOOD,
    (id) => Buffer.concat([new ResponseRecords().record(77, 0, "").bytes, goodResponse(id).bytes]),
  ),
  sending(
    "ends without a response",
    { status: 502 },
    (id) => new ResponseRecords().stdoutEnd(id).end(id),
  ),
  sending(
    "ends within the CGI header block",
    { status: 502 },
    (id) => new ResponseRecords().stdout(id, "Content-Type: text/plain\r\n").stdoutEnd(id).end(id),
  ),
  sending(
    "sends a CGI header without a colon",
    { status: 502 },
    (id) => new ResponseRecords().stdout(id, "no header\r\n\r\nbody").stdoutEnd(id).end(id),
  ),
  sending(
    "sends a status that is no number",
    { status: 502 },
    (id) =>
      new ResponseRecords().stdout(id, `Status: fine\r\n${GOOD_HEADERS}`).stdoutEnd(id).end(id),
  ),
  sending(
    "sends a CGI header block over 64 KiB",
    { status: 502 },
    (id) =>
      new ResponseRecords().stdout(id, `X-Long: ${"x".repeat(70_000)}\r\n${GOOD_HEADERS}`)
        .stdoutEnd(id)
        .end(id),
  ),
  sending(
    "is overloaded",
    { status: 503 },
    (id) => new ResponseRecords().stdoutEnd(id).end(id, ProtocolStatus.OVERLOADED),
  ),
  sending(
    "does not know the role",
    { status: 502 },
    (id) => new ResponseRecords().stdoutEnd(id).end(id, ProtocolStatus.UNKNOWN_ROLE),
  ),
  answering("never answers", { status: 504 }, () => {}),
  closingAfter(
    "closes in the middle of a body without a length",
    "cut",
    (id) => new ResponseRecords().stdout(id, `${GOOD_HEADERS}half`),
  ),
  closingAfter(
    "closes in the middle of a body with a length",
    "cut",
    (id) => new ResponseRecords().stdout(id, `Content-Length: 100\r\n${GOOD_HEADERS}half`),
  ),
  sending(
    "stops in the middle of a body",
    "cut",
    (id) => new ResponseRecords().stdout(id, `${GOOD_HEADERS}half`),
  ),
  sending(
    "ends before its Content-Length",
    "cut",
    (id) =>
      new ResponseRecords().stdout(id, `Content-Length: 100\r\n${GOOD_HEADERS}half`).stdoutEnd(id)
        .end(id),
  ),
  sending(
    "ends a request that it then calls overloaded",
    "cut",
    (id) =>
      new ResponseRecords().stdout(id, `${GOOD_HEADERS}half`).stdoutEnd(id).end(
        id,
        ProtocolStatus.OVERLOADED,
      ),
  ),
  // What comes in the wrong place, or for nobody.
  sending(
    "sends STDOUT after an empty record of STDOUT",
    GOOD,
    (id) =>
      new ResponseRecords().stdout(id, GOOD_HEADERS).stdoutEnd(id).stderr(id, "notice").stdoutEnd(
        id,
      )
        .stdout(id, GOOD_BODY).stdoutEnd(id).end(id),
  ),
  sending(
    "sends a record of an unknown type for the request",
    GOOD,
    (id) => Buffer.concat([new ResponseRecords().record(77, id, "").bytes, goodResponse(id).bytes]),
  ),
  sending(
    "begins a request itself",
    { status: 502 },
    (id) =>
      Buffer.concat([
        new ResponseRecords().record(RecordType.BEGIN_REQUEST, id, "\0\x01\0\0\0\0\0\0").bytes,
        goodResponse(id).bytes,
      ]),
  ),
  sending(
    "sends STDOUT without a request id",
    { status: 502 },
    () => new ResponseRecords().record(RecordType.STDOUT, 0, GOOD_HEADERS),
  ),
  sending(
    "sends an END_REQUEST that is too short",
    "cut",
    (id) =>
      new ResponseRecords().stdout(id, GOOD_HEADERS + GOOD_BODY).record(
        RecordType.END_REQUEST,
        id,
        "\0\0\0",
      ),
  ),
  sending(
    "sends more than its Content-Length",
    { status: 200, body: GOOD_BODY.slice(0, 2) },
    (id) =>
      new ResponseRecords().stdout(id, `Content-Length: 2\r\n${GOOD_HEADERS}${GOOD_BODY}`)
        .stdoutEnd(id).end(
          id,
        ),
  ),
  answering("breaks the connection in the middle of a body", "cut", ({ id, connection }) => {
    connection.send(new ResponseRecords().stdout(id, `${GOOD_HEADERS}half`));
    connection.reset();
  }),
  answering(
    "closes one direction instead of answering",
    { status: 502 },
    ({ connection }) => connection.halfClose(),
  ),
  answering("closes one direction in the middle of a body", "cut", ({ id, connection }) => {
    connection.send(new ResponseRecords().stdout(id, `${GOOD_HEADERS}half`));
    connection.halfClose();
  }),
  // What follows is odd, and allowed.
  answering("closes one direction behind its response", GOOD, ({ id, connection }) => {
    connection.send(goodResponse(id));
    connection.halfClose();
  }),
  {
    says: "answers before it has read the request",
    expected: GOOD,
    behaviour: { onBegin: (id, connection) => connection.send(goodResponse(id)) },
  },
  sending("ends the request twice", GOOD, (id) => goodResponse(id).end(id)),
  sending(
    "sends STDOUT and STDERR after the end of the request",
    GOOD,
    (id) => goodResponse(id).stdout(id, "stray").stderr(id, "stray").stdoutEnd(id),
  ),
  sending(
    "tells values that nobody asked for",
    GOOD,
    (id) =>
      Buffer.concat([
        new ResponseRecords().record(RecordType.GET_VALUES_RESULT, 0, "\x0f\x01FCGI_MPXS_CONNS0")
          .bytes,
        new ResponseRecords().record(RecordType.UNKNOWN_TYPE, 0, "\x09\0\0\0\0\0\0\0").bytes,
        goodResponse(id).bytes,
      ]),
  ),
  sending("sends a CGI header block of 64 KiB", GOOD, (id) => {
    const frame = `X-Long: \r\n${GOOD_HEADERS}`;
    const headers = frame.replace(": ", `: ${"x".repeat(64 * 1024 - frame.length)}`);
    return new ResponseRecords().stdout(id, headers + GOOD_BODY).stdoutEnd(id).end(id);
  }),
  sending(
    "sends no end of STDOUT before END_REQUEST",
    GOOD,
    (id) => new ResponseRecords().stdout(id, GOOD_HEADERS + GOOD_BODY).end(id),
  ),
  closingAfter(
    "ends STDOUT and closes without END_REQUEST",
    GOOD,
    (id) => new ResponseRecords().stdout(id, GOOD_HEADERS + GOOD_BODY).stdoutEnd(id),
  ),
  closingAfter("closes although the connection was to be kept", GOOD, goodResponse),
  sending(
    "ends with an application status that is not 0",
    GOOD,
    (id) =>
      new ResponseRecords().stdout(id, GOOD_HEADERS + GOOD_BODY).stdoutEnd(id).end(
        id,
        ProtocolStatus.REQUEST_COMPLETE,
        7,
      ),
  ),
  sending("pads every record with 255 bytes", GOOD, (id) => paddedResponse(id)),
  sending("sends one byte in each record", GOOD, (id) => {
    const response = new ResponseRecords();
    for (const byte of GOOD_HEADERS + GOOD_BODY) response.stdout(id, byte);
    return response.stdoutEnd(id).end(id);
  }),
  sending("floods STDERR", GOOD, (id) => {
    const flood = new ResponseRecords().stderr(id, `${"e".repeat(20_000)}\n`.repeat(100));
    return Buffer.concat([flood.bytes, goodResponse(id).bytes]);
  }),
];

/** Every record by hand, with the most padding that a header can say. */
function paddedResponse(id: number): Uint8Array {
  const record = (type: number, content: string) =>
    Buffer.concat([
      Buffer.from([1, type, id >> 8, id & 0xff, 0, content.length, 255, 0]),
      Buffer.from(content),
      Buffer.alloc(255, 0xee),
    ]);
  return Buffer.concat([
    record(RecordType.STDOUT, GOOD_HEADERS),
    record(RecordType.STDOUT, GOOD_BODY),
    record(RecordType.STDOUT, ""),
    record(RecordType.END_REQUEST, "\0".repeat(8)),
  ]);
}
