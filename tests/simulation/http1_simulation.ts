/**
 * The HTTP/1 server in one seed: clients that pipeline requests, cut them anywhere, read slowly, end
 * their side or leave, before handlers that read bodies or not and respond at once, later, in pieces
 * or not at all. After each step and at the end must hold:
 *
 * - responses come in the order of their requests, each with its own bytes, and nothing comes behind
 *   the one that ends the connection; one that is cut shows it;
 * - a handler reads the bytes that were sent, and a read of a body whose client has gone ends;
 * - a client that is not read from is one for which something waits;
 * - when all connections are closed nothing is left: no timer, no connection, no waiting handler;
 * - nothing unexpected was thrown.
 *
 * One world in four is calm: there each client gets all its responses.
 */
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { http1World, settle } from "../support/http1_world.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { concat, isWholeReply, randomPlan, replyBytes, requestBytes } from "./http1_plan.ts";
import type { RequestPlan } from "./http1_plan.ts";
import { readResponses } from "./http1_responses.ts";
import { patternFault, Random } from "./random.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";

export interface Http1Result {
  readonly requests: number;
  /** Responses that their clients have whole. */
  readonly complete: number;
}

type Step = "send" | "act" | "take" | "time" | "end" | "leave" | "break" | "open";

const CALM_WEIGHTS: Readonly<Record<Step, number>> = {
  open: 1,
  send: 20,
  act: 20,
  take: 10,
  time: 1,
  end: 0,
  leave: 0,
  break: 0,
};

const WEIGHTS: Readonly<Record<Step, number>> = {
  ...CALM_WEIGHTS,
  end: 0.5,
  leave: 0.7,
  break: 0.7,
  time: 2,
};

/** Longer than every time limit of the server. */
const LONG_MS = 400_000;

/** Rounds after which a world that has nothing more to do must have come to its end. */
const LAST_ROUNDS_MAX = 2_000;

/** Steps between two looks at all that was sent. */
const READ_STEPS = 10;

/** A stream's end may take some turns after the last act. */
const IDLE_ROUNDS = 3;

/**
 * Runs one seed.
 *
 * @throws {Error} that names the seed, the step and what does not hold
 */
export async function simulateHttp1(seed: number, steps: number): Promise<Http1Result> {
  return await new Http1Simulation(seed).run(steps);
}

/** One client: what it wants to send, and what it has sent of that. */
class Client {
  readonly plans: readonly RequestPlan[];
  readonly socket: MemoryCallbackSocket;
  readonly bytes: Uint8Array;
  sentLength = 0;
  /** It has said that it sends nothing more, or is gone. */
  hasEnded = false;
  isGone = false;

  constructor(plans: readonly RequestPlan[], bytes: Uint8Array, socket: MemoryCallbackSocket) {
    this.plans = plans;
    this.bytes = bytes;
    this.socket = socket;
  }

  get hasSentAll(): boolean {
    return this.sentLength === this.bytes.length;
  }
}

class Http1Simulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #isCalm: boolean;
  readonly #clients: Client[] = [];
  readonly #plans = new Map<number, RequestPlan>();
  readonly #faults: string[] = [];
  /** What handlers wait for, in no order. */
  readonly #acts: (() => void)[] = [];
  #world!: Awaited<ReturnType<typeof http1World>>;
  #step = 0;
  #lastKey = 0;
  #thrown = 0;
  #handlers = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#isCalm = seed % 4 === 0;
  }

  async run(steps: number): Promise<Http1Result> {
    this.#world = await http1World(
      (request) => this.#handle(request),
      { expectsFailures: true },
      new ManualClock(),
    );
    this.#open();
    for (this.#step = 1; this.#step <= steps; this.#step++) {
      this.#do(this.#random.weighted(this.#isCalm ? CALM_WEIGHTS : WEIGHTS));
      if (this.#random.chance(0.5)) await settle();
      this.#check();
    }
    await this.#end();
    const complete = this.#clients.reduce((sum, client) => sum + this.#read(client).whole, 0);
    return { requests: this.#lastKey, complete };
  }

  #do(step: Step): void {
    if (step === "open") return this.#open();
    if (step === "act") return this.#act();
    if (step === "time") return this.#advance();
    const open = this.#clients.filter(({ isGone }) => !isGone);
    if (open.length === 0) return;
    const client = this.#random.pick(open);
    if (step === "send") this.#send(client);
    else if (step === "take") client.socket.take(this.#random.pick([1, 50, 1_000, 100_000]));
    else if (step === "end") this.#endSide(client);
    else if (step === "break") this.#break(client);
    else this.#leave(client);
  }

  #open(): void {
    if (this.#clients.length >= 4) return;
    const plans = Array.from({ length: this.#random.between(1, 6) }, () => {
      const plan = randomPlan(this.#random, ++this.#lastKey, this.#isCalm);
      this.#plans.set(plan.key, plan);
      return plan;
    });
    const bytes = concat(plans.map((plan) => requestBytes(plan, this.#random)));
    const socket = this.#world.open();
    if (this.#random.chance(0.5)) socket.room = 0;
    this.#clients.push(new Client(plans, bytes, socket));
  }

  /** In a calm world no limit passes. */
  #advance(): void {
    this.#world.clock.advance(this.#isCalm ? 10 : this.#random.pick([10, 1_000, 3_000]));
  }

  #send(client: Client): void {
    if (client.hasEnded || client.hasSentAll || client.socket.ended !== "no") return;
    // What the runtime had read before it was told to stop may still come, but seldom.
    if (client.socket.isPaused && !this.#random.chance(0.05)) return;
    const length = this.#random.pick([1, 3, 40, 400, 20_000, 200_000]);
    const end = Math.min(client.bytes.length, client.sentLength + length);
    const piece = client.bytes.slice(client.sentLength, end);
    client.sentLength = end;
    client.socket.send(piece);
  }

  #endSide(client: Client): void {
    if (client.hasEnded) return;
    client.hasEnded = true;
    client.socket.events.peerEnded();
  }

  #leave(client: Client): void {
    client.hasEnded = true;
    client.isGone = true;
    client.socket.close();
  }

  /** It resets the connection, which a server sees only while it reads, or when it writes. */
  #break(client: Client): void {
    client.hasEnded = true;
    client.socket.break();
    client.isGone = !client.socket.isBroken;
  }

  #act(): void {
    if (this.#acts.length === 0) return;
    this.#acts.splice(this.#random.between(0, this.#acts.length - 1), 1)[0]!();
  }

  /** Resolves when a step lets it. */
  #later(): Promise<void> {
    return new Promise((resolve) => this.#acts.push(resolve));
  }

  #handle(request: HttpRequest): BytesResponse | Response | Promise<BytesResponse | Response> {
    const plan = this.#plans.get(Number(new URL(request.url).pathname.slice(1)))!;
    const isReading = plan.reads === "whole" || plan.reads === "begin";
    if (!plan.isLate && !isReading) return this.#reply(plan);
    return this.#handleLater(request, plan);
  }

  async #handleLater(request: HttpRequest, plan: RequestPlan): Promise<BytesResponse | Response> {
    this.#handlers++;
    try {
      if (plan.isLate) await this.#later();
      if (plan.reads === "cancel") await request.body?.cancel();
      if (plan.reads === "begin") await this.#beginBody(request.body);
      if (plan.reads === "whole" && request.body !== null) await this.#readBody(request.body, plan);
      return this.#reply(plan);
    } finally {
      this.#handlers--;
    }
  }

  async #beginBody(body: ReadableStream<Uint8Array> | null): Promise<void> {
    const reader = body?.getReader();
    await reader?.read().catch(() => {});
    reader?.releaseLock();
  }

  async #readBody(body: ReadableStream<Uint8Array>, plan: RequestPlan): Promise<void> {
    let length = 0;
    try {
      for await (const piece of body) {
        const fault = patternFault(plan.key, length, piece);
        if (fault !== undefined) this.#faults.push(`/${plan.key} was given a wrong byte ${fault}`);
        length += piece.length;
        if (this.#random.chance(0.3)) await this.#later();
      }
    } catch {
      if (this.#isCalm) this.#faults.push(`/${plan.key} could not read its body`);
      return;
    }
    if (length !== plan.bodyLength) {
      this.#faults.push(`/${plan.key} was given ${length} of ${plan.bodyLength} bytes`);
    }
  }

  #reply(plan: RequestPlan): BytesResponse | Response {
    if (plan.reply === "throws") {
      this.#thrown++;
      throw new Error("The handler throws");
    }
    const bytes = replyBytes(plan);
    const key = String(plan.key);
    if (plan.reply === "whole") return new BytesResponse(200, [["x-key", key]], bytes);
    const headers = new Headers({ "x-key": key });
    if (plan.isDeclared) headers.set("content-length", String(bytes.length));
    return new Response(this.#stream(plan, bytes), { headers });
  }

  #stream(plan: RequestPlan, bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
    const end = plan.reply === "stream" ? bytes.length : Math.floor(bytes.length / 2);
    let offset = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (plan.isLate) await this.#later();
        const next = Math.min(end, offset + this.#random.pick([1, 300, 10_000]));
        if (next > offset) controller.enqueue(bytes.slice(offset, next));
        offset = next;
        if (offset < end) return;
        if (plan.reply === "breaks") controller.error(new Error("The response breaks"));
        else controller.close();
      },
    });
  }

  /** Whatever is sent, taken and waited for comes to an end, and nothing is left. */
  async #end(): Promise<void> {
    let idleRounds = 0;
    for (let round = 0; round < LAST_ROUNDS_MAX && idleRounds < IDLE_ROUNDS; round++) {
      idleRounds = this.#isBusy() ? 0 : idleRounds + 1;
      for (const client of this.#clients) {
        if (client.isGone) continue;
        client.socket.take(Infinity);
        if (!client.socket.isPaused) this.#send(client);
      }
      while (this.#acts.length > 0) this.#act();
      await settle();
      this.#check();
    }
    if (this.#isCalm) this.#checkCalm();
    for (const client of this.#clients) {
      if (client.isGone || client.socket.ended !== "no") continue;
      this.#world.clock.advance(LONG_MS);
      if (client.socket.ended === "no") this.#fail("an idle connection has no end");
    }
    for (const client of this.#clients) {
      // What had broken must have been let go of.
      if (client.socket.isBroken && client.socket.ended === "no") {
        this.#fail("a client that is gone is kept");
      }
      if (!client.isGone) this.#leave(client);
    }
    while (this.#acts.length > 0) {
      this.#act();
      await settle();
    }
    await settle();
    this.#check();
    for (const client of this.#clients) this.#read(client);
    if (this.#handlers > 0) this.#fail(`${this.#handlers} handlers wait for ever`);
    const { timerCount } = this.#world.clock;
    if (timerCount > 0) this.#fail(`${timerCount} timers are left`);
  }

  /** Whether a client has something to send that the server would take, or somebody can act. */
  #isBusy(): boolean {
    return this.#acts.length > 0 ||
      this.#clients.some((client) =>
        !client.hasEnded && !client.hasSentAll && client.socket.ended === "no"
      );
  }

  #check(): void {
    const [fault] = this.#faults;
    if (fault !== undefined) this.#fail(fault);
    const { failures, errors } = this.#world;
    const [unexpected] = failures.filter((error) => !isHandlers(error));
    if (unexpected !== undefined) this.#fail(`thrown: ${String(unexpected)}`);
    if (errors.length > 0) this.#fail(`refused: ${errors[0]!.message}`);
    // What was sent stays, so a look now and then sees all of it.
    if (this.#step % READ_STEPS === 0) { for (const client of this.#clients) this.#read(client); }
  }

  #read(client: Client) {
    const { text, ended } = client.socket;
    try {
      const read = readResponses(text, client.plans, ended === "end");
      if (read.isCut && ended === "end" && client.socket.unsentLength === 0) {
        this.#requireVisibleCut(client, read.whole);
      }
      return read;
    } catch (error) {
      return this.#fail((error as Error).message);
    }
  }

  /** A response that ends too early was meant to, or its client had ended. */
  #requireVisibleCut(client: Client, whole: number): void {
    const plan = client.plans[whole]!;
    if (isWholeReply(plan) && !client.hasEnded) this.#fail(`the response to /${plan.key} is cut`);
  }

  #checkCalm(): void {
    for (const client of this.#clients) {
      const { whole, isLast } = this.#read(client);
      if (!isLast && whole < client.plans.length) {
        this.#fail(`${whole} of ${client.plans.length} responses came, the last one let more come`);
      }
      const plan = client.plans[whole - 1];
      const mayEnd = plan !== undefined && (plan.closes || plan.protocol === "HTTP/1.0");
      if (isLast && !mayEnd) this.#fail(`the response to /${plan?.key} ended the connection`);
      const ended = isLast ? "end" : "no";
      if (client.socket.ended !== ended) this.#fail(`a connection is "${client.socket.ended}"`);
    }
  }

  #fail(what: string): never {
    throw new Error(`Seed ${this.#seed}, step ${this.#step}: ${what}`);
  }
}

/** What the handlers throw is told, too. */
function isHandlers(error: unknown): boolean {
  return error instanceof Error && error.message === "The handler throws";
}
