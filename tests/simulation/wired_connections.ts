/**
 * Both state machines, wired to each other in memory: what the client side encodes is what the
 * server side decodes, and the other way round, in pieces that the seed picks. On one side requests
 * begin, send their streams and give up; on the other an application answers, early or late, or goes
 * on writing after an abort. The checks:
 *
 * - every request ends exactly once, on both sides; what the application never saw was refused;
 * - the bytes of each stream arrive in order, only at their own request, and all of them where the
 *   request was completed;
 * - no id is in two places, and at the end nothing is in use, and every place of the quota is back.
 */
import { ClientConnection, type ClientEvent } from "../../src/protocol/client_connection.ts";
import { ProtocolStatus, Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { ServerConnection, type ServerEvent } from "../../src/protocol/server_connection.ts";
import { pattern, patternFault, type Random } from "./random.ts";

const REQUESTS = 12;
const STREAM_LENGTH_MAX = 3_000;
const LONG_PARAMETER = "x".repeat(70_000);

/** Streams of a request, so that each has bytes of its own. */
const STREAMS = ["stdin", "data", "stdout", "stderr"] as const;
type StreamName = (typeof STREAMS)[number];

/** One request as its client knows it. */
interface Asked {
  readonly key: number;
  readonly role: Role;
  /** Bytes still to send, by stream; undefined once it has been ended. */
  stdin: number | undefined;
  data: number | undefined;
  readonly lengths: Record<StreamName, number>;
  readonly sent: Record<StreamName, number>;
  aborted: boolean;
  stdoutEnded: boolean;
  ending: string | undefined;
}

/** The same request as the application knows it. */
interface Served {
  readonly key: number;
  readonly responseLength: number;
  readonly got: Record<"stdin" | "data", number>;
  sent: number;
  stderrSent: number;
  aborted: boolean;
  ended: boolean;
}

export interface WiredResult {
  readonly requests: number;
  /** How requests ended, by name. */
  readonly endings: ReadonlyMap<string, number>;
}

export class WiredConnections {
  readonly #random: Random;
  readonly #client: ClientConnection;
  readonly #server: ServerConnection;
  readonly #quota: RequestQuota;
  readonly #multiplex: boolean;
  /** Most requests on the connection; sometimes less than the quota, sometimes more. */
  readonly #requestsMax: number;
  /** Bytes on their way. */
  #toServer: Uint8Array = new Uint8Array(0);
  #toClient: Uint8Array = new Uint8Array(0);
  readonly #asked = new Map<number, Asked>();
  readonly #all: Asked[] = [];
  readonly #served = new Map<number, Served>();
  readonly #byKey = new Map<number, Served>();
  #cut = false;

  constructor(random: Random) {
    this.#random = random;
    this.#multiplex = random.chance(0.7);
    this.#quota = new RequestQuota(random.between(1, 6));
    this.#requestsMax = random.between(1, 6);
    this.#client = new ClientConnection(random.between(1, 8));
    this.#server = new ServerConnection({
      multiplex: this.#multiplex,
      quota: this.#quota,
      requestsMax: this.#requestsMax,
      connectionsMax: 1,
      paramsLengthMax: 2 * LONG_PARAMETER.length,
      paramsMax: 10,
    });
  }

  /** @throws {Error} that says what does not hold */
  run(steps: number): WiredResult {
    for (let step = 0; step < steps && !this.#cut; step++) this.#step();
    this.#finish();
    const endings = new Map<string, number>();
    for (const { key, ending } of this.#all) {
      if (ending === undefined) throw new Error(`Request ${key} never ended`);
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
    }
    return { requests: this.#all.length, endings };
  }

  #step(): void {
    switch (
      this.#random.weighted({ begin: 4, send: 12, abort: 1, act: 12, out: 10, in: 10, cut: 0.02 })
    ) {
      case "begin":
        return this.#begin();
      case "send":
        return this.#send();
      case "abort":
        return this.#abort();
      case "act":
        return this.#act();
      case "out":
        return this.#deliverToServer(this.#pieceLength());
      case "in":
        return this.#deliverToClient(this.#pieceLength());
      case "cut":
        this.#cut = true;
    }
  }

  /** Either the connection is cut, or all that has begun goes to its end. */
  #finish(): void {
    for (let round = 0; !this.#cut && (this.#asked.size > 0 || this.#served.size > 0); round++) {
      if (round > 10_000) throw new Error("Requests are left that do not end");
      this.#send();
      this.#act();
      this.#deliverToServer(Infinity);
      this.#deliverToClient(Infinity);
    }
    this.#takeServer(this.#server.receiveEnd());
    this.#takeClient(this.#client.receiveEnd());
    const left = [this.#client.inUse, this.#server.inUse, this.#quota.taken, this.#asked.size];
    if (left.some((count) => count !== 0)) throw new Error(`Left at the end: ${left}`);
  }

  #begin(): void {
    if (!this.#client.hasFreeId || this.#all.length === REQUESTS) return;
    const random = this.#random;
    const key = this.#all.length;
    const role = random.pick([Role.RESPONDER, Role.RESPONDER, Role.AUTHORIZER, Role.FILTER]);
    const params = encodeNameValues([
      ["KEY", String(key)],
      ["FILL", random.chance(0.1) ? LONG_PARAMETER : ""],
    ]);
    const id = this.#client.begin({ role, keepConnection: true, params });
    if (this.#asked.has(id)) throw new Error(`Id ${id} is in use already`);
    const asked: Asked = {
      key,
      role,
      stdin: role === Role.AUTHORIZER ? undefined : random.between(0, STREAM_LENGTH_MAX),
      data: role === Role.FILTER ? random.between(0, STREAM_LENGTH_MAX) : undefined,
      lengths: { stdin: 0, data: 0, stdout: 0, stderr: 0 },
      sent: { stdin: 0, data: 0, stdout: 0, stderr: 0 },
      aborted: false,
      stdoutEnded: false,
      ending: undefined,
    };
    asked.lengths.stdin = asked.stdin ?? 0;
    asked.lengths.data = asked.data ?? 0;
    this.#asked.set(id, asked);
    this.#all.push(asked);
  }

  /** The next piece of one request's STDIN or DATA, or its end. */
  #send(): void {
    const [id, asked] = this.#pick(
      this.#asked,
      (one) => !one.aborted && (one.stdin !== undefined || one.data !== undefined),
    ) ?? [];
    if (id === undefined || asked === undefined) return;
    const stream = asked.stdin !== undefined ? "stdin" : "data";
    const left = asked[stream]!;
    if (left === 0) {
      asked[stream] = undefined;
      if (stream === "stdin") this.#client.endStdin(id);
      else this.#client.endData(id);
      return;
    }
    const length = this.#random.between(1, left);
    const bytes = pattern(keyOf(asked.key, stream), asked.sent[stream], length);
    if (stream === "stdin") this.#client.sendStdin(id, bytes);
    else this.#client.sendData(id, bytes);
    asked.sent[stream] += length;
    asked[stream] = left - length;
  }

  #abort(): void {
    const [id, asked] = this.#pick(this.#asked, (one) => !one.aborted) ?? [];
    if (id === undefined || asked === undefined) return;
    asked.aborted = true;
    this.#client.abort(id);
  }

  /** The application does the next thing for one of its requests; it may answer early. */
  #act(): void {
    const [id, served] = this.#pick(this.#served, () => true) ?? [];
    if (id === undefined || served === undefined) return;
    const random = this.#random;
    if (served.aborted && random.chance(0.5)) return this.#end(id, served);
    if (random.chance(0.1)) {
      const length = random.between(1, 50);
      this.#server.sendStderr(id, pattern(keyOf(served.key, "stderr"), served.stderrSent, length));
      served.stderrSent += length;
    }
    const left = served.responseLength - served.sent;
    if (left === 0) return this.#end(id, served);
    const length = random.between(1, left);
    this.#server.sendStdout(id, pattern(keyOf(served.key, "stdout"), served.sent, length));
    served.sent += length;
  }

  #end(id: number, served: Served): void {
    if (!served.aborted) this.#server.endStdout(id);
    this.#server.endRequest(id, 0, ProtocolStatus.REQUEST_COMPLETE);
    served.ended = true;
    this.#served.delete(id);
  }

  #deliverToServer(lengthMax: number): void {
    this.#toServer = joined(this.#toServer, this.#client);
    const piece = this.#toServer.slice(0, lengthMax);
    this.#toServer = this.#toServer.subarray(piece.length);
    this.#takeServer(this.#server.receive(piece));
  }

  #deliverToClient(lengthMax: number): void {
    this.#toClient = joined(this.#toClient, this.#server);
    const piece = this.#toClient.slice(0, lengthMax);
    this.#toClient = this.#toClient.subarray(piece.length);
    this.#takeClient(this.#client.receive(piece));
  }

  #takeServer(events: readonly ServerEvent[]): void {
    for (const event of events) {
      if (event.kind === "broken" || event.kind === "fault") throw event.error;
      const { kind, requestId: id } = event;
      if (kind === "begin") {
        this.#serve(id, Number(event.parameters.toMap().get("KEY")));
        continue;
      }
      const served = this.#served.get(id);
      if (served === undefined) throw new Error(`${kind} of request ${id}, which is over`);
      if (kind === "stdin" || kind === "data") {
        check(served.key, kind, served.got[kind], event.bytes);
        served.got[kind] += event.bytes.length;
      } else if (kind === "abort") {
        served.aborted = true;
      } else if (kind === "lost") {
        this.#served.delete(id);
      } else {
        const stream = kind === "stdin_end" ? "stdin" : "data";
        const { lengths } = this.#all[served.key]!;
        if (served.got[stream] !== lengths[stream]) {
          throw new Error(`${served.got[stream]} of ${lengths[stream]} bytes of ${stream}`);
        }
      }
    }
  }

  #serve(id: number, key: number): void {
    if (this.#served.has(id)) throw new Error(`Id ${id} began twice`);
    if (this.#byKey.has(key)) throw new Error(`Request ${key} began twice`);
    const served: Served = {
      key,
      responseLength: this.#random.between(0, STREAM_LENGTH_MAX),
      got: { stdin: 0, data: 0 },
      sent: 0,
      stderrSent: 0,
      aborted: false,
      ended: false,
    };
    this.#served.set(id, served);
    this.#byKey.set(key, served);
    if (!this.#multiplex && this.#served.size > 1) throw new Error("Two requests at once");
    if (this.#served.size > this.#quota.max) throw new Error("More requests than places");
    if (this.#served.size > this.#requestsMax) throw new Error("More requests than allowed");
  }

  #takeClient(events: readonly ClientEvent[]): void {
    for (const event of events) {
      if (event.kind === "broken" || event.kind === "fault") throw event.error;
      if (
        event.kind === "values" || event.kind === "unknown_type" || event.kind === "unknown_record"
      ) {
        throw new Error(`${event.kind}, which nobody asked for`);
      }
      const asked = this.#asked.get(event.requestId);
      if (asked === undefined) {
        throw new Error(`${event.kind} of request ${event.requestId}, which is over`);
      }
      this.#takeOfRequest(asked, event);
    }
  }

  #takeOfRequest(
    asked: Asked,
    event: Exclude<
      ClientEvent,
      { kind: "broken" | "fault" | "values" | "unknown_type" | "unknown_record" }
    >,
  ): void {
    const isEnd = event.kind === "end" || event.kind === "lost";
    if (asked.aborted && !isEnd) throw new Error(`${event.kind} of an aborted request`);
    switch (event.kind) {
      case "stdout":
      case "stderr":
        check(asked.key, event.kind, asked.sent[event.kind], event.bytes);
        asked.sent[event.kind] += event.bytes.length;
        return;
      case "stdout_end":
        asked.stdoutEnded = true;
        return;
      case "lost":
        asked.ending = "lost";
        break;
      case "end":
        asked.ending = this.#ending(asked, event.protocolStatus);
    }
    this.#asked.delete(event.requestId);
  }

  /** The name of an end, once it was found to be right. */
  #ending(asked: Asked, status: number): string {
    const served = this.#byKey.get(asked.key);
    if (status !== ProtocolStatus.REQUEST_COMPLETE) {
      if (served !== undefined) throw new Error(`Request ${asked.key} was refused and served`);
      if (status === ProtocolStatus.CANT_MPX_CONN && !this.#multiplex) return "cannot multiplex";
      if (status === ProtocolStatus.OVERLOADED) {
        // Only this connection takes places, so the lower limit was the one that was reached.
        return this.#requestsMax < this.#quota.max ? "over its connection's limit" : "overloaded";
      }
      throw new Error(`Request ${asked.key} ended with status ${status}`);
    }
    if (asked.aborted) return "aborted";
    const isWhole = served?.ended && asked.stdoutEnded &&
      asked.sent.stdout === served.responseLength && asked.sent.stderr === served.stderrSent;
    if (!isWhole) throw new Error(`Request ${asked.key} is complete, but not all came`);
    return "complete";
  }

  #pieceLength(): number {
    return this.#random.pick([1, 7, 8, 60, 1_000, 100_000]);
  }

  #pick<Item>(
    items: ReadonlyMap<number, Item>,
    suits: (item: Item) => boolean,
  ): [number, Item] | undefined {
    const suitable = [...items].filter(([, item]) => suits(item));
    return suitable.length > 0 ? this.#random.pick(suitable) : undefined;
  }
}

function keyOf(key: number, stream: StreamName): number {
  return key * STREAMS.length + STREAMS.indexOf(stream);
}

function check(key: number, stream: StreamName, start: number, bytes: Uint8Array): void {
  const fault = patternFault(keyOf(key, stream), start, bytes);
  if (fault !== undefined) throw new Error(`Byte ${fault} of ${stream} of ${key} is foreign`);
}

/** What is on its way, with what a side has to send. */
function joined(
  before: Uint8Array,
  side: Pick<ClientConnection, "outputLength" | "takeOutput" | "recycleOutput">,
): Uint8Array {
  if (side.outputLength === 0) return before;
  const output = side.takeOutput();
  const all = new Uint8Array(before.length + output.length);
  all.set(before);
  all.set(output, before.length);
  side.recycleOutput(output);
  return all;
}
