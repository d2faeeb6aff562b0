/**
 * Invariant of both state machines, whatever the other side sends and however it is cut: they give
 * events or a `broken` with a ProtocolError, never an exception, and never hold more than their
 * bound in memory.
 *
 * - Events of a request come only while it is in use, and its end (or its loss) comes once; at the
 *   end of the connection nothing is in use any more, and every place of the quota is back.
 * - What is given out does not depend on how the bytes were cut, and is no more than came in.
 * - What they answer by themselves is bounded by what they were sent; parameters by their limit.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromLatin1 } from "../../src/protocol/byte_buffer.ts";
import { ClientConnection, type ClientEvent } from "../../src/protocol/client_connection.ts";
import { HEADER_LENGTH, ProtocolStatus, Role } from "../../src/protocol/constants.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection, type ServerEvent } from "../../src/protocol/server_connection.ts";
import { cut, offsetsIn, poison } from "../support/fragments.ts";
import { runCount } from "../support/long_runs.ts";
import { type Capture, capturesOf, mutated } from "./mutations.ts";

const RUNS = { numRuns: runCount(1_000, 200_000) };

/** So many requests are in flight when an application's bytes come: as many as in the captures. */
const REQUESTS = 4;

const PARAMS_LENGTH_MAX = 1_000;
const QUOTA = 3;

/**
 * A record that asks for a response has a header at least; the longest one is GET_VALUES_RESULT.
 */
const REPLY_LENGTH_MAX = HEADER_LENGTH + 64;

interface Input {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly offsets: number[];
  /** Before these pieces the oldest request in flight is given up: aborted, or ended by us. */
  readonly givingUp: readonly number[];
}

function input(captures: readonly Capture[]): fc.Arbitrary<Input> {
  return mutated(captures).chain((bytes) =>
    fc.record({
      bytes: fc.constant(bytes),
      offsets: offsetsIn(bytes),
      givingUp: fc.array(fc.nat(12), { maxLength: 3 }),
    })
  );
}

/** What a run of events came to: text for each stream, the rest in order. */
type Summary = Map<number | "connection", string>;

function add(summary: Summary, key: number | "connection", text: string): void {
  summary.set(key, (summary.get(key) ?? "") + text);
}

/** Takes one event down, its bytes as text; neighbouring pieces of a stream become one. */
function note(summary: Summary, last: Map<number, string>, event: ClientEvent | ServerEvent): void {
  if (event.kind === "broken") {
    assert.ok(event.error instanceof ProtocolError);
    return add(summary, "connection", `broken ${event.error.code}`);
  }
  if (!("requestId" in event)) return add(summary, "connection", `${event.kind} `);
  const { kind, requestId } = event;
  if (kind === "fault") assert.ok(event.error instanceof ProtocolError);
  if (last.get(requestId) !== kind) add(summary, requestId, ` | ${kind} `);
  last.set(requestId, kind);
  if ("bytes" in event) add(summary, requestId, fromLatin1(event.bytes));
  if (kind === "begin") {
    add(summary, requestId, JSON.stringify(Object.fromEntries(event.parameters.toMap())));
  }
}

/** Checks the life of each request as the client side tells it. */
class ClientRun {
  readonly client = new ClientConnection(REQUESTS);
  readonly summary: Summary = new Map();
  readonly #last = new Map<number, string>();
  readonly #open = new Set<number>();
  readonly #aborted = new Set<number>();
  #given = 0;

  constructor() {
    for (let count = 0; count < REQUESTS; count++) {
      const params = encodeNameValues([["A", "1"]]);
      this.#open.add(this.client.begin({ role: Role.RESPONDER, keepConnection: true, params }));
    }
    this.client.takeOutput();
  }

  giveUp(): void {
    const id = [...this.#open].find((id) => !this.#aborted.has(id));
    if (id === undefined) return;
    this.client.abort(id);
    this.#aborted.add(id);
    this.client.takeOutput();
  }

  receive(piece: Uint8Array): void {
    const length = piece.length;
    this.#take(this.client.receive(piece));
    // It never answers by itself.
    assert.equal(this.client.outputLength, 0);
    this.#given -= length;
    assert.ok(this.#given <= 0, "more was given out than came in");
    poison(piece);
  }

  end(): void {
    this.#take(this.client.receiveEnd());
    assert.equal(this.#open.size, 0);
    assert.equal(this.client.inUse, 0);
  }

  #take(events: readonly ClientEvent[]): void {
    for (const event of events) {
      note(this.summary, this.#last, event);
      if (!("requestId" in event)) continue;
      const { kind, requestId } = event;
      assert.ok(this.#open.has(requestId), `${kind} of request ${requestId}, which is over`);
      if (kind === "end" || kind === "lost") this.#open.delete(requestId);
      else assert.ok(!this.#aborted.has(requestId), `${kind} of an aborted request`);
      if ("bytes" in event) this.#given += event.bytes.length;
    }
  }
}

/** The same for the application side. Requests are ended by us, or lost. */
class ServerRun {
  readonly quota = new RequestQuota(QUOTA);
  readonly server: ServerConnection;
  readonly summary: Summary = new Map();
  readonly #last = new Map<number, string>();
  readonly #open = new Set<number>();
  readonly #deaf = new Set<number>();
  #received = 0;

  constructor(multiplex: boolean) {
    this.server = new ServerConnection({
      multiplex,
      quota: this.quota,
      requestsMax: 1000,
      connectionsMax: 10,
      paramsLengthMax: PARAMS_LENGTH_MAX,
      paramsMax: 50,
    });
  }

  giveUp(): void {
    const [id] = this.#open;
    if (id === undefined) return;
    this.server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
    this.#forget(id);
    this.server.takeOutput();
  }

  receive(piece: Uint8Array): void {
    this.#received += piece.length;
    this.#take(this.server.receive(piece));
    const repliesMax = (this.#received / HEADER_LENGTH + 1) * REPLY_LENGTH_MAX;
    assert.ok(
      this.server.outputLength <= repliesMax,
      `${this.server.outputLength} bytes of replies`,
    );
    assert.equal(this.quota.taken, this.server.inUse);
    assert.ok(this.server.inUse <= QUOTA);
    poison(piece);
  }

  end(): void {
    this.#take(this.server.receiveEnd());
    assert.equal(this.#open.size, 0);
    assert.equal(this.server.inUse, 0);
    assert.equal(this.quota.taken, 0);
  }

  #take(events: readonly ServerEvent[]): void {
    for (const event of events) {
      note(this.summary, this.#last, event);
      if (event.kind === "broken") continue;
      const { kind, requestId } = event;
      const isFirst = !this.#open.has(requestId);
      assert.equal(isFirst, kind === "begin" || kind === "fault", `${kind} ${requestId}`);
      this.#open.add(requestId);
      if (kind === "begin") {
        const length = [...event.parameters.toMap()].flat().join("").length;
        assert.ok(length <= PARAMS_LENGTH_MAX, `${length} bytes of parameters`);
      }
      if (kind === "lost") this.#forget(requestId);
      else assert.ok(!this.#deaf.has(requestId), `${kind} after the abort of ${requestId}`);
      if (kind === "abort" || kind === "fault") this.#deaf.add(requestId);
    }
  }

  #forget(id: number): void {
    this.#open.delete(id);
    this.#deaf.delete(id);
  }
}

/** Feeds all pieces and the end; what came of it is the result. */
function feed(run: ClientRun | ServerRun, pieces: Uint8Array[], givingUp: readonly number[] = []) {
  pieces.forEach((piece, index) => {
    if (givingUp.includes(index)) run.giveUp();
    run.receive(piece);
  });
  run.end();
  return run.summary;
}

test("ClientConnection: mutated responses give events or a protocol error, however they are cut", () => {
  fc.assert(
    fc.property(input(capturesOf("application")), ({ bytes, offsets }) => {
      const whole = feed(new ClientRun(), [bytes.slice()]);
      assert.deepEqual(feed(new ClientRun(), cut(bytes, offsets)), whole);
    }),
    RUNS,
  );
});

test("ClientConnection: mutated responses for requests that are aborted meanwhile do no harm", () => {
  fc.assert(
    fc.property(input(capturesOf("application")), ({ bytes, offsets, givingUp }) => {
      feed(new ClientRun(), cut(bytes, offsets), givingUp);
    }),
    RUNS,
  );
});

for (const multiplex of [true, false]) {
  const side = multiplex ? "that multiplexes" : "that does not multiplex";

  test(`ServerConnection ${side}: mutated requests give events or a protocol error, however they are cut`, () => {
    fc.assert(
      fc.property(input(capturesOf("web_server")), ({ bytes, offsets }) => {
        const whole = new ServerRun(multiplex);
        const fragmented = new ServerRun(multiplex);
        assert.deepEqual(
          feed(fragmented, cut(bytes, offsets)),
          feed(whole, [bytes.slice()]),
        );
        assert.deepEqual(fragmented.server.takeOutput(), whole.server.takeOutput());
      }),
      RUNS,
    );
  });

  test(`ServerConnection ${side}: mutated requests that are ended meanwhile do no harm`, () => {
    fc.assert(
      fc.property(input(capturesOf("web_server")), ({ bytes, offsets, givingUp }) => {
        feed(new ServerRun(multiplex), cut(bytes, offsets), givingUp);
      }),
      RUNS,
    );
  });
}
