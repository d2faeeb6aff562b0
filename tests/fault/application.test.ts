/**
 * An application that does each wrong thing, behind the executable: with one request on a connection
 * and with many. The client gets a clear status, or a visible cut once the head is out; never a
 * hang; and the next good request succeeds. Requests are POSTs, because those are not sent twice.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ProtocolStatus, RecordType } from "../../src/protocol/constants.ts";
import { Afcgi } from "../support/afcgi.ts";
import {
  Answer,
  type Behaviour,
  FaultPeer,
  GOOD_BODY,
  GOOD_HEAD,
  goodAnswer,
  type PeerRequest,
} from "../support/fault_peer.ts";
import { freePlace, placeUrl, temporaryFolder } from "../support/places.ts";
import { type HttpAnswer, HttpConnection, httpRequest } from "../support/raw_http.ts";

const MODES = ["on", "off"] as const;
type Mode = (typeof MODES)[number];

/**
 * `status` with a whole body; or `cut`: a head of 200 and less body than it promises. Where afcgi has
 * seen the fault before its own head was out, a status instead of the cut is right, and better.
 */
type Expected = { readonly status: number; readonly body?: string } | "cut";

interface Fault {
  readonly says: string;
  readonly expected: Expected;
  readonly behaviour: Behaviour;
}

const POST = { method: "POST", target: "/", body: "a body" };
const GOOD: Expected = { status: 200, body: GOOD_BODY };

/** A fault that shows when a request has arrived. */
function answering(
  says: string,
  expected: Expected,
  onRequest: (request: PeerRequest) => void,
): Fault {
  return { says, expected, behaviour: { onRequest } };
}

/** A fault that is all in the bytes of the answer; the connection stays open. */
function sending(
  says: string,
  expected: Expected,
  bytes: (id: number) => Answer | Uint8Array | string,
): Fault {
  return answering(says, expected, ({ id, connection }) => {
    const answer = bytes(id);
    connection.write(answer instanceof Answer ? answer.bytes : answer);
  });
}

/** The same, and the connection is closed behind them. */
function closingAfter(
  says: string,
  expected: Expected,
  bytes: (id: number) => Answer | Uint8Array | string,
): Fault {
  return answering(says, expected, ({ id, connection }) => {
    const answer = bytes(id);
    connection.write(answer instanceof Answer ? answer.bytes : answer);
    connection.close();
  });
}

const FAULTS: readonly Fault[] = [
  sending("answers in HTTP", { status: 502 }, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
  sending("answers with garbage", { status: 502 }, () => Buffer.alloc(64, 0xff)),
  sending("answers with a record of version 2", { status: 502 }, (id) => {
    const bytes = goodAnswer(id).bytes;
    bytes[0] = 2;
    return bytes;
  }),
  sending("answers for an id that was never given out", { status: 502 }, () => goodAnswer(9999)),
  answering("closes instead of answering", { status: 502 }, ({ connection }) => connection.close()),
  answering("breaks the connection", { status: 502 }, ({ connection }) => connection.reset()),
  closingAfter(
    "closes after half a record header",
    { status: 502 },
    (id) => goodAnswer(id).bytes.subarray(0, 4),
  ),
  closingAfter(
    "closes within its first record",
    { status: 502 },
    (id) => goodAnswer(id).bytes.subarray(0, 20),
  ),
  sending(
    "sends a management record of an unknown type",
    { status: 502 },
    (id) => Buffer.concat([new Answer().record(77, 0, "").bytes, goodAnswer(id).bytes]),
  ),
  sending("ends without an answer", { status: 502 }, (id) => new Answer().stdoutEnd(id).end(id)),
  sending(
    "ends within the CGI header block",
    { status: 502 },
    (id) => new Answer().stdout(id, "Content-Type: text/plain\r\n").stdoutEnd(id).end(id),
  ),
  sending(
    "sends a CGI header without a colon",
    { status: 502 },
    (id) => new Answer().stdout(id, "no header\r\n\r\nbody").stdoutEnd(id).end(id),
  ),
  sending(
    "sends a status that is no number",
    { status: 502 },
    (id) => new Answer().stdout(id, `Status: fine\r\n${GOOD_HEAD}`).stdoutEnd(id).end(id),
  ),
  sending(
    "sends a CGI header block over 64 KiB",
    { status: 502 },
    (id) =>
      new Answer().stdout(id, `X-Long: ${"x".repeat(70_000)}\r\n${GOOD_HEAD}`).stdoutEnd(id)
        .end(id),
  ),
  sending(
    "is overloaded",
    { status: 503 },
    (id) => new Answer().stdoutEnd(id).end(id, ProtocolStatus.OVERLOADED),
  ),
  sending(
    "does not know the role",
    { status: 502 },
    (id) => new Answer().stdoutEnd(id).end(id, ProtocolStatus.UNKNOWN_ROLE),
  ),
  answering("never answers", { status: 504 }, () => {}),
  closingAfter(
    "closes in the middle of a body without a length",
    "cut",
    (id) => new Answer().stdout(id, `${GOOD_HEAD}half`),
  ),
  closingAfter(
    "closes in the middle of a body with a length",
    "cut",
    (id) => new Answer().stdout(id, `Content-Length: 100\r\n${GOOD_HEAD}half`),
  ),
  sending(
    "stops in the middle of a body",
    "cut",
    (id) => new Answer().stdout(id, `${GOOD_HEAD}half`),
  ),
  sending(
    "ends before its Content-Length",
    "cut",
    (id) =>
      new Answer().stdout(id, `Content-Length: 100\r\n${GOOD_HEAD}half`).stdoutEnd(id).end(id),
  ),
  sending(
    "ends a request that it then calls overloaded",
    "cut",
    (id) =>
      new Answer().stdout(id, `${GOOD_HEAD}half`).stdoutEnd(id).end(id, ProtocolStatus.OVERLOADED),
  ),
  // What follows is odd, and allowed.
  sending(
    "sends no end of STDOUT before END_REQUEST",
    GOOD,
    (id) => new Answer().stdout(id, GOOD_HEAD + GOOD_BODY).end(id),
  ),
  closingAfter(
    "ends STDOUT and closes without END_REQUEST",
    GOOD,
    (id) => new Answer().stdout(id, GOOD_HEAD + GOOD_BODY).stdoutEnd(id),
  ),
  closingAfter("closes although the connection was to be kept", GOOD, goodAnswer),
  sending(
    "ends with an application status that is not 0",
    GOOD,
    (id) =>
      new Answer().stdout(id, GOOD_HEAD + GOOD_BODY).stdoutEnd(id).end(
        id,
        ProtocolStatus.REQUEST_COMPLETE,
        7,
      ),
  ),
  sending("pads every record with 255 bytes", GOOD, (id) => paddedAnswer(id)),
  sending("sends one byte in each record", GOOD, (id) => {
    const answer = new Answer();
    for (const byte of GOOD_HEAD + GOOD_BODY) answer.stdout(id, byte);
    return answer.stdoutEnd(id).end(id);
  }),
  sending("floods STDERR", GOOD, (id) => {
    const flood = new Answer().stderr(id, `${"e".repeat(20_000)}\n`.repeat(100));
    return Buffer.concat([flood.bytes, goodAnswer(id).bytes]);
  }),
];

/** Every record by hand, with the most padding that a header can say. */
function paddedAnswer(id: number): Uint8Array {
  const record = (type: number, content: string) =>
    Buffer.concat([
      Buffer.from([1, type, id >> 8, id & 0xff, 0, content.length, 255, 0]),
      Buffer.from(content),
      Buffer.alloc(255, 0xee),
    ]);
  return Buffer.concat([
    record(RecordType.STDOUT, GOOD_HEAD),
    record(RecordType.STDOUT, GOOD_BODY),
    record(RecordType.STDOUT, ""),
    record(RecordType.END_REQUEST, "\0".repeat(8)),
  ]);
}

const running = new Map<Mode | "auto", { peer: FaultPeer; afcgi: Afcgi }>();

async function startPair(multiplex: Mode | "auto"): Promise<{ peer: FaultPeer; afcgi: Afcgi }> {
  const peer = await FaultPeer.start(await freePlace("unix", temporaryFolder()));
  const afcgi = await Afcgi.start({
    config: {
      upstreams: {
        app: {
          servers: [placeUrl(peer.place)],
          multiplex,
          timeouts: { first_byte: "500ms", idle: "500ms", abort: "200ms" },
        },
      },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
  return { peer, afcgi };
}

before(async () => {
  for (const mode of [...MODES, "auto"] as const) running.set(mode, await startPair(mode));
});

after(async () => {
  for (const { peer, afcgi } of running.values()) {
    await afcgi.stop();
    await peer.stop();
  }
});

function pair(mode: Mode | "auto"): { peer: FaultPeer; afcgi: Afcgi } {
  const started = running.get(mode);
  assert.ok(started, "afcgi did not start");
  return started;
}

function check(answer: HttpAnswer, expected: Expected): void {
  const seen = `${answer.status} ${answer.complete ? "whole" : "cut"}: ${answer.body}`;
  if (expected === "cut") {
    const isCut = answer.status === 200 && !answer.complete;
    assert.ok(isCut || answer.status === 502 || answer.status === 503, seen);
    return;
  }
  assert.equal(answer.status, expected.status, seen);
  assert.equal(answer.complete, true, seen);
  if (expected.body !== undefined) assert.equal(answer.body.toString(), expected.body);
}

async function answersWell({ peer, afcgi }: { peer: FaultPeer; afcgi: Afcgi }): Promise<void> {
  peer.behaviour = {};
  check(await httpRequest(afcgi.port, POST), GOOD);
}

for (const mode of MODES) {
  for (const { says, expected, behaviour } of FAULTS) {
    test(`An application that ${says} gives ${outcome(expected)}, multiplex ${mode}`, async () => {
      const { peer, afcgi } = pair(mode);
      peer.behaviour = behaviour;
      check(await httpRequest(afcgi.port, POST), expected);
      await answersWell({ peer, afcgi });
    });
  }

  test(`An answer cut after any number of bytes is never taken for whole, multiplex ${mode}`, async () => {
    const { peer, afcgi } = pair(mode);
    const whole = goodAnswer(1).bytes.length;
    const upToStdoutEnd = new Answer().stdout(1, GOOD_HEAD + GOOD_BODY).stdoutEnd(1).bytes.length;
    for (let length = 0; length < whole; length++) {
      peer.behaviour = {
        onRequest({ id, connection }) {
          connection.write(goodAnswer(id).bytes.subarray(0, length));
          connection.close();
        },
      };
      const answer = await httpRequest(afcgi.port, POST);
      const seen = `${length} bytes: ${answer.status} ${answer.complete} ${answer.body}`;
      const isWhole = answer.status === 200 && answer.complete;
      if (isWhole) {
        assert.ok(length >= upToStdoutEnd, seen);
        assert.equal(answer.body.toString(), GOOD_BODY, seen);
      } else {
        assert.ok(answer.status === 502 || answer.status === 200, seen);
      }
    }
    await answersWell({ peer, afcgi });
  });

  test(`An application that says CANT_MPX_CONN gets the request again, alone, multiplex ${mode}`, async () => {
    // On an afcgi of its own: the answer is remembered.
    const { peer, afcgi } = await startPair(mode);
    try {
      let refusals = 0;
      peer.behaviour = {
        onRequest({ id, connection }) {
          if (refusals++ > 0) return connection.send(goodAnswer(id));
          connection.send(new Answer().end(id, ProtocolStatus.CANT_MPX_CONN));
        },
      };
      // A body that was streamed cannot be sent again; one without can.
      check(await httpRequest(afcgi.port, { target: "/" }), GOOD);
      const openCounts: number[] = [];
      peer.behaviour = {
        onRequest({ id, connection, openCount }) {
          openCounts.push(openCount);
          connection.send(goodAnswer(id));
        },
      };
      const requests = Array.from({ length: 20 }, () => httpRequest(afcgi.port, POST));
      for (const answer of await Promise.all(requests)) check(answer, GOOD);
      assert.deepEqual(openCounts, Array(20).fill(1));
    } finally {
      await afcgi.stop();
      await peer.stop();
    }
  });
}

for (const head of [GOOD_HEAD, `Content-Length: 100\r\n${GOOD_HEAD}`]) {
  const framing = head === GOOD_HEAD ? "without a length" : "with a length";
  test(`A body ${framing} that breaks off when the client has its head is cut`, async () => {
    for (const mode of MODES) {
      const { peer, afcgi } = pair(mode);
      let request: PeerRequest | undefined;
      peer.behaviour = {
        onRequest(arrived) {
          request = arrived;
          arrived.connection.send(new Answer().stdout(arrived.id, `${head}half`));
        },
      };
      const client = await HttpConnection.open(afcgi.port);
      await client.send(POST);
      const answer = await client.readHead();
      assert.equal(answer.status, 200);
      const body = client.readBody(answer);
      const first = await body.pieces.next();
      assert.equal(Buffer.from(first.value ?? "").toString(), "half");
      request?.connection.close();
      assert.ok((await body.pieces.next()).done);
      assert.equal(body.complete, false);
      client.destroy();
      await answersWell({ peer, afcgi });
    }
  });
}

test("An application that closes on connecting gives 502", async () => {
  for (const mode of MODES) {
    const { peer, afcgi } = pair(mode);
    // Only new connections meet it: the kept ones are used up first.
    peer.behaviour = { onRequest: ({ connection }) => connection.close() };
    check(await httpRequest(afcgi.port, POST), { status: 502 });
    peer.behaviour = { onConnect: (connection) => connection.close() };
    check(await httpRequest(afcgi.port, POST), { status: 502 });
    await answersWell({ peer, afcgi });
  }
});

test("An application that never answers FCGI_GET_VALUES is taken for one that cannot multiplex", async () => {
  const { peer, afcgi } = pair("auto");
  peer.behaviour = { multiplexes: "silent" };
  check(await httpRequest(afcgi.port, POST), GOOD);
});

test("What an application floods into STDERR becomes log lines of at most 8 KiB", async () => {
  const { peer, afcgi } = pair("on");
  peer.behaviour = {
    onRequest({ id, connection }) {
      connection.send(new Answer().stderr(id, `${"f".repeat(20_000)}\nthe last line\n`));
      connection.send(goodAnswer(id));
    },
  };
  check(await httpRequest(afcgi.port, POST), GOOD);
  await afcgi.waitForLog((line) => JSON.stringify(line).includes("the last line"));
  const flood = afcgi.log.filter((line) => JSON.stringify(line).includes("ffff"));
  assert.ok(flood.length >= 1);
  for (const line of flood) {
    const longest = Math.max(...Object.values(line).map((value) => String(value).length));
    assert.ok(longest <= 8 * 1024 + 100, `a field of ${longest} characters`);
    assert.equal(typeof line.request_id, "string");
  }
});

function outcome(expected: Expected): string {
  return expected === "cut" ? "a cut or 5xx" : String(expected.status);
}
