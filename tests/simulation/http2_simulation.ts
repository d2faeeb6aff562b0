/**
 * The HTTP/2 server in one seed: clients that open many streams, cut their bytes anywhere, open their
 * windows by little, reset, read slowly or leave, and in three worlds of four one that does every wrong
 * thing, before handlers that respond at once, later, as a stream, or read a body first. At each look
 * must hold:
 *
 * - each response has its own bytes, and no DATA goes beyond the windows that its client has opened;
 * - a handler reads the bytes that were sent;
 * - who does nothing wrong is told of no error, and has all of its responses in the end;
 * - when all connections are closed nothing is left: no stream, no connection;
 * - nothing unexpected was thrown.
 */
import { FrameType, Setting, WINDOW_DEFAULT } from "../../src/http2/constants.ts";
import {
  BytesResponse,
  type HttpResponse,
  StreamResponse,
} from "../../src/runtime/http_response.ts";
import { type Fields, requestFields, setting, uint32 } from "../support/http2_client.ts";
import { untilIdle } from "../support/idle.ts";
import { http2World, type MemoryHttp2Client } from "../support/http2_world.ts";
import { pattern, patternFault, Random } from "./random.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";

export interface Http2Result {
  readonly requests: number;
  /** Responses that their clients have whole. */
  readonly complete: number;
}

const PIECE_LENGTH = 3000;
const BODY_LENGTH_MAX = 40_000;
const LAST_ROUNDS_MAX = 500;

type Step =
  | "request"
  | "body"
  | "deliver"
  | "window"
  | "take"
  | "reset"
  | "time"
  | "wrong"
  | "leave";

const WEIGHTS: Readonly<Record<Step, number>> = {
  request: 8,
  body: 10,
  deliver: 20,
  window: 12,
  take: 8,
  reset: 1,
  time: 1,
  wrong: 4,
  leave: 0.3,
};

interface Asked {
  readonly id: number;
  readonly key: number;
  readonly length: number;
  /** Bytes of its body that are still to be sent. */
  bodyLeft: number;
  readonly bodyLength: number;
  window: number;
  isReset: boolean;
}

/** A client whose bytes arrive when a step says so. */
class SimulatedClient {
  readonly client: MemoryHttp2Client;
  readonly isWrong: boolean;
  readonly asked: Asked[] = [];
  readonly #waiting: number[] = [];
  /** Of the connection, and of each stream at its beginning. */
  window = WINDOW_DEFAULT;
  initialWindow = WINDOW_DEFAULT;
  isGone = false;

  constructor(open: () => MemoryHttp2Client, isWrong: boolean) {
    const inner = open();
    this.client = inner;
    this.isWrong = isWrong;
  }

  /** What `act` says waits for its delivery. */
  say(act: (client: MemoryHttp2Client) => void): void {
    const { socket } = this.client;
    const send = socket.send.bind(socket);
    socket.send = (bytes) => void this.#waiting.push(...bytes as Uint8Array);
    act(this.client);
    socket.send = send;
  }

  get waitingLength(): number {
    return this.#waiting.length;
  }

  deliver(length: number): void {
    const bytes = Uint8Array.from(this.#waiting.splice(0, length));
    const { socket } = this.client;
    if (bytes.length > 0 && !this.isGone && socket.ended !== "reset") socket.send(bytes);
  }
}

export async function simulateHttp2(seed: number, steps: number): Promise<Http2Result> {
  const world = new World(seed);
  try {
    await world.run(steps);
  } catch (error) {
    throw new Error(`Seed ${seed}, step ${world.step}: ${String(error)}`, { cause: error });
  }
  return world.result;
}

class World {
  step = 0;
  readonly #random: Random;
  readonly #hasWrong: boolean;
  readonly #clients: SimulatedClient[] = [];
  readonly #late: (() => void)[] = [];
  #lastKey = 0;
  #server!: Awaited<ReturnType<typeof http2World>>;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#hasWrong = seed % 4 !== 0;
  }

  get result(): Http2Result {
    const all = this.#clients.flatMap(({ client, asked }) =>
      asked.map(({ id }) => client.response(id).isWhole)
    );
    return { requests: all.length, complete: all.filter(Boolean).length };
  }

  async run(steps: number): Promise<void> {
    this.#server = await http2World((request) => this.#handle(request));
    for (const isWrong of [false, false, this.#hasWrong]) {
      const client = new SimulatedClient(() => this.#server.openSilent(), isWrong);
      const initial = this.#random.between(100, 20_000);
      client.initialWindow = initial;
      client.say((it) => it.greet(setting(Setting.INITIAL_WINDOW_SIZE, initial)));
      this.#clients.push(client);
    }
    for (; this.step < steps; this.step++) {
      this.#act(this.#random.pick(this.#clients), this.#random.weighted(WEIGHTS));
      if (this.#late.length > 0 && this.#random.chance(0.3)) this.#late.shift()!();
      if (this.step % 5 === 0) await this.#settle();
    }
    await this.#finish();
  }

  async #handle(request: HttpRequest): Promise<HttpResponse> {
    const query = new URL(request.url).searchParams;
    const [key, length] = [Number(query.get("key")), Number(query.get("length"))];
    if (query.get("reads") === "1" && request.body !== null) {
      let at = 0;
      try {
        for await (const piece of request.body as unknown as AsyncIterable<Uint8Array>) {
          // Who is not honest may have sent anything.
          const isOther = query.get("honest") === "1" && patternFault(key, at, piece) !== undefined;
          if (isOther) throw new Error("Another body was read");
          at += piece.length;
        }
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("Another")) throw error;
      }
    }
    if (query.get("late") === "1") {
      await new Promise<void>((resolve) => void this.#late.push(resolve));
    }
    const body = pattern(key, 0, length);
    if (query.get("stream") !== "1") return new BytesResponse(200, [], body);
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= length) return controller.close();
        controller.enqueue(body.slice(at, at + PIECE_LENGTH));
        at += PIECE_LENGTH;
      },
    }, { highWaterMark: 0 });
    const declared = query.get("declared") === "1" ? { length } : {};
    return new StreamResponse(200, [], stream, declared);
  }

  #act(client: SimulatedClient, step: Step): void {
    const random = this.#random;
    if (client.isGone) return;
    const asked = client.asked.length > 0 ? random.pick(client.asked) : undefined;
    switch (step) {
      case "request":
        return this.#request(client);
      case "body":
        return asked && this.#body(client, asked, random.between(1, 9000));
      case "deliver":
        return client.deliver(random.between(1, random.chance(0.3) ? 20 : 40_000));
      case "window":
        return asked && this.#open(client, asked, random.between(1, 20_000));
      case "take":
        if (random.chance(0.5)) client.client.socket.room = random.between(0, 500);
        else client.client.socket.take(random.between(1, 50_000));
        return;
      case "reset":
        if (asked === undefined) return;
        asked.isReset = true;
        return client.say((it) => it.reset(asked.id));
      case "time":
        return this.#server.clock.advance(random.between(1, 3000));
      case "wrong":
        if (client.isWrong) client.say((it) => this.#doWrong(it, asked));
        return;
      case "leave":
        if (!client.isWrong) return;
        client.isGone = true;
        client.client.socket.close();
    }
  }

  #request(client: SimulatedClient): void {
    const random = this.#random;
    const open = client.asked.filter(({ id, isReset }) =>
      !isReset && !client.client.response(id).isWhole
    );
    if (open.length >= 60) return;
    const key = ++this.#lastKey;
    const length = random.chance(0.3) ? 0 : random.between(1, BODY_LENGTH_MAX);
    const bodyLength = random.chance(0.5) ? 0 : random.between(1, BODY_LENGTH_MAX);
    const flag = () => Number(random.chance(0.4));
    const honest = Number(!client.isWrong);
    const path = `/?key=${key}&length=${length}&reads=1&late=${flag()}&stream=${flag()}` +
      `&declared=${flag()}&honest=${honest}`;
    const fields: Fields = bodyLength > 0 && random.chance(0.5)
      ? [["content-length", String(bodyLength)]]
      : [];
    client.say((it) => {
      const id = it.request(requestFields("POST", path, fields), bodyLength === 0);
      const asked = { id, key, length, bodyLength, bodyLeft: bodyLength, isReset: false };
      client.asked.push({ ...asked, window: client.initialWindow });
    });
  }

  #body(client: SimulatedClient, asked: Asked, length: number): void {
    if (asked.bodyLeft === 0 || asked.isReset) return;
    if (client.client.response(asked.id).reset !== undefined) return;
    const count = Math.min(asked.bodyLeft, length);
    const bytes = pattern(asked.key, asked.bodyLength - asked.bodyLeft, count);
    asked.bodyLeft -= count;
    client.say((it) => it.data(asked.id, bytes, asked.bodyLeft === 0));
  }

  #open(client: SimulatedClient, asked: Asked, increment: number): void {
    asked.window += increment;
    client.window += increment;
    client.say((it) => {
      it.windowUpdate(asked.id, increment);
      it.windowUpdate(0, increment);
    });
  }

  #doWrong(client: MemoryHttp2Client, asked: Asked | undefined): void {
    const random = this.#random;
    const types = [...Object.values(FrameType), 0x55];
    const id = random.pick([0, 1, 2, asked?.id ?? 3, random.between(0, 300)]);
    const payload = Uint8Array.from(
      { length: random.between(0, 40) },
      () => random.between(0, 255),
    );
    const act = random.pick<() => void>([
      () => client.frame(random.pick(types), random.between(0, 255), id, payload),
      () => client.raw(payload),
      () => client.windowUpdate(id, random.pick([0, 1, 0x7fff_ffff])),
      () => client.data(id, payload, random.chance(0.5)),
      () => client.headers(id, [["x", "y"]], random.chance(0.5)),
      () => client.frame("SETTINGS", 0, 0, Uint8Array.of(0, random.between(0, 9), ...uint32(id))),
      () => client.ping(random.between(0, 1)),
    ]);
    act();
  }

  async #settle(): Promise<void> {
    await untilIdle();
    for (const client of this.#clients) this.#look(client);
  }

  #look(client: SimulatedClient): void {
    const { client: inner, asked, isWrong } = client;
    inner.read();
    if (!isWrong && inner.goaway !== undefined) throw new Error(`An honest GOAWAY ${inner.goaway}`);
    let taken = 0;
    for (const { id, key, length, window, isReset } of asked) {
      const { body, isWhole, reset } = inner.response(id);
      taken += body.length;
      const fault = patternFault(key, 0, body);
      if (fault !== undefined) throw new Error(`Stream ${id} has another byte at ${fault}`);
      if (isWrong) continue;
      if (body.length > window) throw new Error(`Stream ${id} goes beyond its window`);
      if (isWhole && body.length !== length) throw new Error(`Stream ${id} ends too early`);
      if (!isReset && reset !== undefined && reset !== "NO_ERROR") {
        throw new Error(`Stream ${id} was reset with ${reset}`);
      }
    }
    if (!isWrong && taken > client.window) throw new Error("DATA goes beyond the window");
  }

  /** Everybody takes and sends all; who was honest has all in the end. */
  async #finish(): Promise<void> {
    for (let round = 0; round < LAST_ROUNDS_MAX; round++) {
      for (const client of this.#clients.filter(({ isGone }) => !isGone)) {
        for (const asked of client.asked) {
          this.#body(client, asked, BODY_LENGTH_MAX);
          if (round === 0) this.#open(client, asked, BODY_LENGTH_MAX);
        }
        client.deliver(client.waitingLength);
        client.client.socket.take(BODY_LENGTH_MAX);
      }
      for (const act of this.#late.splice(0)) act();
      await this.#settle();
      if (this.#clients.every((client) => this.#isDone(client))) break;
    }
    for (const client of this.#clients) {
      if (!this.#isDone(client)) throw new Error("An honest client lacks a response");
      if (!client.isGone) client.client.socket.close();
    }
    for (const act of this.#late.splice(0)) act();
    await this.#settle();
    const { counts, failures } = this.#server;
    if (failures.length > 0) throw failures[0];
    if (counts.streams !== 0 || counts.connections !== 0) {
      throw new Error(`There are left: ${JSON.stringify(counts)}`);
    }
  }

  #isDone({ client, asked, isWrong }: SimulatedClient): boolean {
    return isWrong || asked.every(({ id, isReset }) => isReset || client.response(id).isWhole);
  }
}
