/**
 * `serveFastCgi` in one seed: web servers that mix requests on a connection, cut records anywhere,
 * give requests up in the middle, use their ids again at once, read slowly or go, before handlers
 * that respond at once, late or not well. After each step and at the end must hold:
 *
 * - nothing of one request reaches another: parameters, body, response;
 * - every request that was begun ends exactly once, or its connection is over;
 * - a response that END_REQUEST calls complete has every byte that was planned;
 * - places are given back: when all is over no request is active and nothing waits;
 * - when the server has shut down no timer is left, and no handler hangs.
 *
 * One world in four is calm: there every request has its complete response.
 */
import type { RequestInfo } from "../../src/responder/options.ts";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { ManualClock, MemoryRuntime } from "../support/memory/memory.ts";
import { untilIdle } from "../support/idle.ts";
import { pattern, patternFault, Random } from "./random.ts";
import {
  type RespondedPlan,
  responseFault,
  SimulatedWebServer,
  type WebServerExchange,
} from "./simulated_web_server.ts";

export interface ResponderResult {
  readonly requests: number;
  /** Requests whose response came whole. */
  readonly complete: number;
}

type Step = "connect" | "begin" | "write" | "deliver" | "take" | "act" | "abort" | "time" | "go";

const CALM_WEIGHTS: Readonly<Record<Step, number>> = {
  connect: 1,
  begin: 8,
  write: 30,
  deliver: 25,
  take: 25,
  act: 15,
  abort: 0,
  time: 0,
  go: 0,
};

const WEIGHTS: Readonly<Record<Step, number>> = { ...CALM_WEIGHTS, abort: 4, time: 1, go: 0.3 };

/** Ids of a connection: few, so that they are used again. */
const ID_MAX = 4;

const LENGTHS = [0, 0, 1, 100, 2_000, 30_000];

const COMPLETE = 0;
const OVERLOADED = 2;

const LAST_ROUNDS_MAX = 3_000;
const IDLE_ROUNDS = 4;

/**
 * Runs one seed.
 *
 * @throws {Error} that names the seed, the step and what does not hold
 */
export async function simulateResponder(seed: number, steps: number): Promise<ResponderResult> {
  return await new ResponderSimulation(seed).run(steps);
}

/** The server's end of a connection whose system is the simulation. */
class Wire {
  readonly webServer: SimulatedWebServer;
  readonly connection: ByteConnection;
  isOver = false;
  /** The server sends nothing more. */
  isFinished = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** What the server has written and the web server has not taken. */
  #written: Uint8Array[] = [];
  #taken: (() => void) | undefined;

  constructor(webServer: SimulatedWebServer, name: string) {
    this.webServer = webServer;
    this.connection = {
      remote: name,
      readable: new ReadableStream<Uint8Array>({
        start: (given) => void (this.#controller = given),
      }),
      writable: new WritableStream<Uint8Array>({
        write: (bytes) => {
          if (this.isOver) throw new Error("The connection is over");
          this.#written.push(bytes.slice());
          return new Promise<void>((resolve) => this.#taken = resolve);
        },
        close: () => void (this.isFinished = true),
      }),
      destroy: () => this.end(),
    };
  }

  /** Whether the server reads what comes. */
  get isRead(): boolean {
    return !this.isOver && (this.#controller.desiredSize ?? 0) > 0;
  }

  get hasWritten(): boolean {
    return this.#written.length > 0;
  }

  deliver(length: number): void {
    if (!this.isRead) return;
    const bytes = this.webServer.takeOutput(length);
    if (bytes.length > 0) this.#controller.enqueue(bytes);
  }

  take(length: number): void {
    const [first] = this.#written;
    if (first === undefined) {
      // As web servers do when they see the end.
      if (this.isFinished) this.end();
      return;
    }
    this.webServer.receive(first.subarray(0, length));
    if (first.length > length) {
      this.#written[0] = first.subarray(length);
      return;
    }
    this.#written.shift();
    if (this.#written.length > 0) return;
    this.#taken?.();
    this.#taken = undefined;
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#controller.close();
    this.#taken?.();
  }
}

class ResponderSimulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #isCalm: boolean;
  readonly #clock = new ManualClock();
  readonly #wires: Wire[] = [];
  readonly #plans = new Map<number, RespondedPlan>();
  readonly #acts: (() => void)[] = [];
  readonly #faults: string[] = [];
  /** Exchanges that have ended and were looked at. */
  readonly #ended: WebServerExchange[] = [];
  /** Requests at once; few in some worlds, and beyond them OVERLOADED is right. */
  readonly #requestsMax: number;
  #accept!: (connection: ByteConnection) => void;
  #server!: FastCgiServer;
  #info: RequestInfo | undefined;
  #handlers = 0;
  #lastKey = 0;
  #step = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#isCalm = seed % 4 === 0;
    this.#requestsMax = !this.#isCalm && this.#random.chance(0.3) ? 2 : 1_000;
  }

  async run(steps: number): Promise<ResponderResult> {
    const runtime = Object.assign(new MemoryRuntime(), {
      clock: this.#clock,
      listen: (address: unknown, accept: (connection: ByteConnection) => void) => {
        this.#accept = accept;
        return Promise.resolve({ address, close: () => {} });
      },
    }) as unknown as MemoryRuntime;
    this.#server = await serveFastCgi((request, info) => this.#handle(request, info), {
      listen: "127.0.0.1:9000",
      runtime,
      maxRequests: this.#requestsMax,
      bodyBufferMax: this.#random.pick([1, 1_000, 100_000]),
      // Handlers throw here by plan.
      onError: () => {},
    });
    for (this.#step = 1; this.#step <= steps; this.#step++) {
      this.#do(this.#random.weighted(this.#isCalm ? CALM_WEIGHTS : WEIGHTS));
      if (this.#random.chance(0.4)) await untilIdle();
      this.#check();
    }
    await this.#end();
    return { requests: this.#lastKey, complete: this.#complete() };
  }

  #do(step: Step): void {
    if (step === "connect" || this.#wires.length === 0) return this.#connect();
    if (step === "act") return this.#act();
    if (step === "time") return this.#clock.advance(this.#random.pick([10, 1_000, 5_000]));
    const wire = this.#random.pick(this.#wires);
    if (wire.isOver) return;
    const length = this.#random.pick([1, 8, 30, 500, 100_000]);
    if (step === "begin") wire.webServer.begin(this.#plan(), ID_MAX);
    else if (step === "write") wire.webServer.write();
    else if (step === "abort") wire.webServer.abort();
    else if (step === "deliver") wire.deliver(length);
    else if (step === "take") this.#take(wire, length);
    else wire.end();
  }

  #connect(): void {
    if (this.#wires.length >= 3) return;
    const wire = new Wire(new SimulatedWebServer(this.#random), `web server ${this.#wires.length}`);
    this.#wires.push(wire);
    this.#accept(wire.connection);
  }

  #plan(): RespondedPlan {
    const random = this.#random;
    const key = ++this.#lastKey;
    const plan: RespondedPlan = {
      key,
      bodyLength: random.pick(LENGTHS),
      user: random.chance(0.3) ? `admin-${key}` : undefined,
      reads: random.pick(["whole", "whole", "ignore", "cancel"]),
      reply: this.#isCalm
        ? random.pick(["whole", "stream"])
        : random.pick(["whole", "whole", "stream", "stream", "throws", "breaks"]),
      replyLength: random.pick(LENGTHS),
      isLate: random.chance(0.5),
    };
    this.#plans.set(key, plan);
    return plan;
  }

  #take(wire: Wire, length: number): void {
    try {
      wire.take(length);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #act(): void {
    if (this.#acts.length === 0) return;
    this.#acts.splice(this.#random.between(0, this.#acts.length - 1), 1)[0]!();
  }

  #later(): Promise<void> {
    return new Promise((resolve) => this.#acts.push(resolve));
  }

  async #handle(request: Request, info: RequestInfo): Promise<Response> {
    this.#info = info;
    const plan = this.#plans.get(Number(new URL(request.url).pathname.slice(1)))!;
    const user = info.params.get("REMOTE_USER");
    if (user !== plan.user) this.#faults.push(`/${plan.key} is of ${plan.user}, not of ${user}`);
    this.#handlers++;
    try {
      if (plan.isLate) await this.#later();
      if (plan.reads === "cancel") await request.body?.cancel();
      if (plan.reads === "whole" && request.body !== null) {
        await this.#readBody(request.body, plan, request.signal);
      }
      return this.#reply(plan);
    } finally {
      this.#handlers--;
    }
  }

  async #readBody(
    body: ReadableStream<Uint8Array>,
    plan: RespondedPlan,
    signal: AbortSignal,
  ): Promise<void> {
    let length = 0;
    try {
      for await (const piece of body) {
        const fault = patternFault(plan.key, length, piece);
        if (fault !== undefined) this.#faults.push(`/${plan.key} was given a wrong byte ${fault}`);
        length += piece.length;
        if (this.#random.chance(0.3)) await this.#later();
      }
    } catch {
      if (!signal.aborted) this.#faults.push(`/${plan.key} could not read, and nobody has left`);
      return;
    }
    if (length !== plan.bodyLength) {
      this.#faults.push(`/${plan.key} was given ${length} of ${plan.bodyLength} bytes`);
    }
  }

  #reply(plan: RespondedPlan): Response {
    if (plan.reply === "throws") throw new Error("The handler throws");
    const bytes = pattern(plan.key + 1_000, 0, plan.replyLength);
    const headers = { "x-key": String(plan.key) };
    if (plan.reply === "whole") return new Response(bytes, { headers });
    const end = plan.reply === "breaks" ? bytes.length >> 1 : bytes.length;
    let offset = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (plan.isLate) await this.#later();
        const next = Math.min(end, offset + this.#random.pick([1, 700, 20_000]));
        if (next > offset) controller.enqueue(bytes.slice(offset, next));
        offset = next;
        if (offset < end) return;
        if (plan.reply === "breaks") controller.error(new Error("The response breaks"));
        else controller.close();
      },
    });
    return new Response(stream, { headers });
  }

  #complete(): number {
    return this.#ended.filter(({ ended }) => ended === COMPLETE).length;
  }

  #isBusy(): boolean {
    return this.#acts.length > 0 ||
      this.#wires.some((wire) =>
        wire.hasWritten || (!wire.isOver && wire.isFinished) ||
        (!wire.isOver && (wire.webServer.outputLength > 0 ||
          [...wire.webServer.open.values()].some((one) =>
            one.records.length > 0 && !one.isAborted
          )))
      );
  }

  async #end(): Promise<void> {
    let idleRounds = 0;
    for (let round = 0; round < LAST_ROUNDS_MAX && idleRounds < IDLE_ROUNDS; round++) {
      idleRounds = this.#isBusy() ? 0 : idleRounds + 1;
      for (const wire of this.#wires) {
        for (let count = 0; count < 20; count++) wire.webServer.write();
        wire.deliver(1_000_000);
        this.#take(wire, 1_000_000);
      }
      while (this.#acts.length > 0) this.#act();
      await untilIdle();
      this.#check();
    }
    this.#checkEnds();
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    void this.#server.shutdown().then(resolve);
    for (let round = 0; round < 20; round++) {
      for (const wire of this.#wires) this.#take(wire, 1_000_000);
      await untilIdle();
    }
    this.#clock.advance(40_000);
    await untilIdle();
    while (this.#acts.length > 0) {
      this.#act();
      await untilIdle();
    }
    await finished;
    this.#check();
    this.#checkLeftovers();
  }

  #checkEnds(): void {
    for (const wire of this.#wires) {
      if (wire.isOver && this.#isCalm) this.#fail("a connection has ended, and nothing was wrong");
      if (wire.isOver) continue;
      const [open] = wire.webServer.open.values();
      if (open !== undefined) {
        this.#fail(`/${open.plan.key} has no end${open.isAborted ? ", though given up" : ""}`);
      }
    }
    const active = this.#info?.server.requestsActive ?? 0;
    if (active > 0) this.#fail(`${active} requests are active, and all have ended`);
  }

  #checkLeftovers(): void {
    if (this.#handlers > 0) this.#fail(`${this.#handlers} handlers wait for ever`);
    const { timerCount } = this.#clock;
    if (timerCount > 1) this.#fail(`${timerCount} timers are left`);
  }

  #check(): void {
    const [fault] = this.#faults;
    if (fault !== undefined) this.#fail(fault);
    for (const { webServer } of this.#wires) {
      for (const exchange of webServer.done.splice(0)) this.#checkEnd(exchange);
    }
  }

  #checkEnd(exchange: WebServerExchange): void {
    this.#ended.push(exchange);
    const { plan, ended, isAborted } = exchange;
    if (ended === COMPLETE && !isAborted) {
      const what = responseFault(exchange);
      if (what !== undefined) this.#fail(what);
    } else if (ended === OVERLOADED) {
      const isRight = isAborted || plan.reply === "breaks" || this.#requestsMax < ID_MAX;
      if (!isRight) this.#fail(`/${plan.key} was refused`);
    } else if (ended !== COMPLETE) this.#fail(`/${plan.key} ended with ${ended}`);
  }

  #fail(what: string): never {
    throw new Error(`Seed ${this.#seed}, step ${this.#step}: ${what}`);
  }
}
