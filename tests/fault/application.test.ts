/**
 * An application that does each wrong thing, behind the executable: with one request on a connection
 * and with many. The client gets a clear status, or a visible cut once the header section is out;
 * never a hang; the next good request succeeds, and no more descriptors are held than before.
 * Requests are POSTs, because those are not sent twice.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { Afcgi } from "../support/afcgi.ts";
import { type Descriptors, descriptorsOf, waitForDescriptors } from "../support/descriptors.ts";
import {
  type Behaviour,
  FaultPeer,
  GOOD_BODY,
  GOOD_HEADERS,
  goodResponse,
  type PeerRequest,
  ResponseRecords,
} from "../support/fault_peer.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import {
  HttpConnection,
  type HttpRequest,
  httpRequest,
  type HttpResponse,
} from "../support/raw_http.ts";
import { type Expected, FAULTS, GOOD } from "./faults.ts";

const MODES = ["on", "off"] as const;
type Mode = (typeof MODES)[number];

/** Of an upstream by default. */
const CONNECTIONS_MAX = 8;

const POST = { method: "POST", target: "/", body: "a body" };

const BAD_GATEWAY: Expected = { status: 502 };

interface Pair {
  readonly peer: FaultPeer;
  readonly afcgi: Afcgi;
  readonly atStart: Descriptors;
  /** What it may hold at rest: what it has from the start, and one connection. */
  readonly descriptors: Descriptors;
}

const running = new Map<Mode, Pair>();

async function startPair(multiplex: Mode | "auto", behaviour: Behaviour = {}): Promise<Pair> {
  const peer = await FaultPeer.start(await freePlace("unix", temporaryDirectory()));
  // With "auto" it is asked at the start.
  peer.behaviour = behaviour;
  const afcgi = await Afcgi.start({
    config: {
      // What each connection has seen is another one's business here, and each thread has its own.
      workers: 1,
      upstreams: {
        app: {
          servers: [placeUrl(peer.place)],
          multiplex,
          timeouts: { first_byte: "500ms", idle: "500ms", abort: "200ms" },
          // Short: at their end the tests wait until no more connections are kept than may be.
          ...(multiplex === "auto" && { connections: { idle_timeout: "500ms" } }),
        },
      },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
  if (multiplex === "off") await letItAsk(peer, afcgi);
  const atStart = descriptorsOf(afcgi.child.pid);
  return { peer, afcgi, atStart, descriptors: { ...atStart, sockets: atStart.sockets + 1 } };
}

/**
 * Where requests do not share connections the kernel is asked whether a kept one is read again, by a
 * socket that stays.
 */
async function letItAsk(peer: FaultPeer, afcgi: Afcgi): Promise<void> {
  const { pid } = afcgi.child;
  const before = descriptorsOf(pid);
  check(await httpRequest(afcgi.port, POST), GOOD);
  peer.behaviour = { onRequest: ({ connection }) => connection.close() };
  check(await attempt(afcgi, POST), BAD_GATEWAY);
  peer.behaviour = {};
  await waitForDescriptors(pid, { ...before, sockets: before.sockets + 1 });
}

before(async () => {
  for (const mode of MODES) running.set(mode, await startPair(mode));
});

after(async () => {
  for (const { peer, afcgi } of running.values()) {
    await afcgi.stop();
    await peer.stop();
  }
});

function pair(mode: Mode): Pair {
  const started = running.get(mode);
  assert.ok(started, "afcgi did not start");
  return started;
}

/** Undefined: the connection ended before a header section, which is a cut too. */
async function attempt({ port }: Afcgi, request: HttpRequest): Promise<HttpResponse | undefined> {
  const client = await HttpConnection.open(port);
  try {
    await client.send(request);
    return await client.readResponse();
  } catch (error) {
    assert.match(String(error), /the connection has ended/);
    return undefined;
  } finally {
    client.destroy();
  }
}

function check(response: HttpResponse | undefined, expected: Expected): void {
  if (response === undefined) {
    return assert.equal(expected, "cut", "the response has no header section");
  }
  const seen = `${response.status} ${response.complete ? "whole" : "cut"}: ${response.body}`;
  if (expected === "cut") {
    const isCut = response.status === 200 && !response.complete;
    assert.ok(isCut || response.status === 502 || response.status === 503, seen);
    return;
  }
  assert.equal(response.status, expected.status, seen);
  assert.equal(response.complete, true, seen);
  if (expected.body !== undefined) assert.equal(response.body.toString(), expected.body);
}

async function answersWell({ peer, afcgi, descriptors }: Pair): Promise<void> {
  peer.behaviour = {};
  check(await httpRequest(afcgi.port, POST), GOOD);
  await waitForDescriptors(afcgi.child.pid, descriptors);
}

for (const mode of MODES) {
  for (const { says, expected, behaviour } of FAULTS) {
    test(`An application that ${says} gives ${outcome(expected)}, multiplex ${mode}`, async () => {
      const started = pair(mode);
      const { peer, afcgi } = started;
      peer.behaviour = behaviour;
      check(await attempt(afcgi, POST), expected);
      await answersWell(started);
    });
  }

  test(`A response cut after any number of bytes is never taken for whole, multiplex ${mode}`, async () => {
    const started = pair(mode);
    const { peer, afcgi } = started;
    const whole = goodResponse(1).bytes.length;
    const upToStdoutEnd =
      new ResponseRecords().stdout(1, GOOD_HEADERS + GOOD_BODY).stdoutEnd(1).bytes.length;
    for (let length = 0; length < whole; length++) {
      peer.behaviour = {
        onRequest({ id, connection }) {
          connection.write(goodResponse(id).bytes.subarray(0, length));
          connection.close();
        },
      };
      const response = await attempt(afcgi, POST);
      // Nothing at all is a cut too, once the header section was there to be sent.
      if (response === undefined) continue;
      const seen = `${length} bytes: ${response.status} ${response.complete} ${response.body}`;
      const isWhole = response.status === 200 && response.complete;
      if (isWhole) {
        assert.ok(length >= upToStdoutEnd, seen);
        assert.equal(response.body.toString(), GOOD_BODY, seen);
      } else {
        assert.ok(response.status === 502 || response.status === 200, seen);
      }
    }
    await answersWell(started);
  });

  test(`An application that says CANT_MPX_CONN gets the request again, alone, multiplex ${mode}`, async () => {
    // On an afcgi of its own: the response is remembered.
    const { peer, afcgi } = await startPair(mode);
    try {
      let refusals = 0;
      peer.behaviour = {
        onRequest({ id, connection }) {
          if (refusals++ > 0) return connection.send(goodResponse(id));
          connection.send(new ResponseRecords().end(id, ProtocolStatus.CANT_MPX_CONN));
        },
      };
      // A body that was streamed cannot be sent again; one without can.
      check(await httpRequest(afcgi.port, { target: "/" }), GOOD);
      const openCounts: number[] = [];
      peer.behaviour = {
        onRequest({ id, connection, openCount }) {
          openCounts.push(openCount);
          connection.send(goodResponse(id));
        },
      };
      const requests = Array.from({ length: 20 }, () => httpRequest(afcgi.port, POST));
      for (const response of await Promise.all(requests)) check(response, GOOD);
      assert.deepEqual(openCounts, Array(20).fill(1));
    } finally {
      await afcgi.stop();
      await peer.stop();
    }
  });
}

for (const headers of [GOOD_HEADERS, `Content-Length: 100\r\n${GOOD_HEADERS}`]) {
  const framing = headers === GOOD_HEADERS ? "without a length" : "with a length";
  test(`A body ${framing} that breaks off when the client has its header section is cut`, async () => {
    for (const mode of MODES) {
      const started = pair(mode);
      const { peer, afcgi } = started;
      let request: PeerRequest | undefined;
      peer.behaviour = {
        onRequest(arrived) {
          request = arrived;
          arrived.connection.send(new ResponseRecords().stdout(arrived.id, `${headers}half`));
        },
      };
      const client = await HttpConnection.open(afcgi.port);
      await client.send(POST);
      const response = await client.readHeaders();
      assert.equal(response.status, 200);
      const body = client.readBody(response);
      const first = await body.pieces.next();
      assert.equal(Buffer.from(first.value ?? "").toString(), "half");
      request?.connection.close();
      assert.ok((await body.pieces.next()).done);
      assert.equal(body.complete, false);
      client.destroy();
      await answersWell(started);
    }
  });
}

/** What only new connections meet. */
const ON_CONNECTING: readonly (readonly [says: string, expected: Expected, Behaviour])[] = [
  ["closes on connecting", BAD_GATEWAY, { onConnect: (connection) => connection.close() }],
  ["breaks the connection at once", BAD_GATEWAY, { onConnect: (connection) => connection.reset() }],
  ["closes one direction at once", BAD_GATEWAY, {
    onConnect: (connection) => connection.halfClose(),
  }],
  ["greets in SMTP", BAD_GATEWAY, { greeting: "220 ready\r\n" }],
  ["begins with a response for an id that is not in use", BAD_GATEWAY, {
    greeting: goodResponse(77).bytes,
  }],
  ["takes connections and never reads", { status: 504 }, { onConnect: () => {} }],
];

for (const [says, expected, behaviour] of ON_CONNECTING) {
  test(`An application that ${says} gives ${outcome(expected)}`, async () => {
    for (const mode of MODES) {
      const started = pair(mode);
      const { peer, afcgi } = started;
      await dropConnection(started);
      peer.behaviour = behaviour;
      check(await attempt(afcgi, POST), expected);
      // Where nothing was read an abort is not heard either: that connection has to go first.
      await waitForDescriptors(afcgi.child.pid, started.atStart);
      await answersWell(started);
    }
  });
}

/** The next request finds no kept connection. */
async function dropConnection({ peer, afcgi, atStart }: Pair): Promise<void> {
  peer.behaviour = { onRequest: ({ connection }) => connection.close() };
  check(await attempt(afcgi, POST), BAD_GATEWAY);
  await waitForDescriptors(afcgi.child.pid, atStart);
}

test("An application that closes after any number of bytes of the request gives 502", async () => {
  for (const mode of MODES) {
    const started = pair(mode);
    const { peer, afcgi } = started;
    await dropConnection(started);
    let requestLength = Infinity;
    for (let readMax = 1; readMax < requestLength; readMax += readMax < 64 ? 1 : 7) {
      let isWhole = false;
      peer.behaviour = {
        readMax,
        onRequest({ connection }) {
          isWhole = true;
          connection.close();
        },
      };
      check(await attempt(afcgi, POST), BAD_GATEWAY);
      if (isWhole) requestLength = readMax;
    }
    assert.ok(requestLength > 200, `all of a request in ${requestLength} bytes`);
    await answersWell(started);
  }
});

test("An application that answers while the body is still on its way is heard", async () => {
  for (const mode of MODES) {
    const started = pair(mode);
    const { peer, afcgi } = started;
    peer.behaviour = { onBegin: (id, connection) => connection.send(goodResponse(id)) };
    check(await httpRequest(afcgi.port, { ...POST, body: "b".repeat(5_000_000) }), GOOD);
    await answersWell(started);
  }
});

/** What may come back for FCGI_GET_VALUES; whoever says nothing clear cannot multiplex. */
const ON_GET_VALUES = ["silent", "close", "reset", "garbage", "unknown_type", "empty"] as const;

for (const multiplexes of ON_GET_VALUES) {
  test(`An application whose reply to FCGI_GET_VALUES is "${multiplexes}" is not multiplexed`, async () => {
    // On an afcgi of its own: it asks once.
    const started = await startPair("auto", { multiplexes });
    const { peer, afcgi } = started;
    try {
      const openCounts: number[] = [];
      const onRequest = ({ id, connection, openCount }: PeerRequest) => {
        openCounts.push(openCount);
        connection.send(goodResponse(id));
      };
      peer.behaviour = { multiplexes, onRequest };
      const requests = Array.from({ length: 20 }, () => httpRequest(afcgi.port, POST));
      for (const response of await Promise.all(requests)) check(response, GOOD);
      assert.deepEqual(openCounts, Array(20).fill(1));
      // As many connections as had requests at once may be kept, and a socket asks about them.
      const { descriptors } = started;
      await waitForDescriptors(afcgi.child.pid, {
        ...descriptors,
        sockets: descriptors.sockets + CONNECTIONS_MAX,
      });
    } finally {
      await afcgi.stop();
      await peer.stop();
    }
  });
}

test("What an application floods into STDERR becomes log lines of at most 8 KiB", async () => {
  const { peer, afcgi } = pair("on");
  peer.behaviour = {
    onRequest({ id, connection }) {
      connection.send(new ResponseRecords().stderr(id, `${"f".repeat(20_000)}\nthe last line\n`));
      connection.send(goodResponse(id));
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
