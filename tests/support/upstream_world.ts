/**
 * An upstream between a test and scripted applications, all in memory and with a clock that the test
 * moves. {@link UpstreamWorld.close} ends each test: it drains and counts what is left.
 */
import assert from "node:assert/strict";
import { Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import type { Address } from "../../src/runtime/address.ts";
import { type MemoryNetwork, MemoryRuntime } from "./memory/memory.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { UpstreamObserver } from "../../src/upstream/observer.ts";
import {
  UPSTREAM_DEFAULTS,
  type UpstreamOptions,
  type UpstreamSettings,
} from "../../src/upstream/options.ts";
import type { RequestBody } from "../../src/upstream/request_body.ts";
import type { UpstreamRequest, UpstreamResponse } from "../../src/upstream/request.ts";
import { BufferMemory } from "../../src/upstream/buffer_memory.ts";
import { SpillSpace } from "../../src/upstream/spill_space.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { turn, untilIdle } from "./idle.ts";
import { leftOnIdleConnections } from "./idle_connections.ts";
import "./unexpected.ts";
import { ADDRESS, type ApplicationOptions, ScriptedApplication } from "./scripted_application.ts";

/** Longest step of the clock: deadlines are looked at again after each. */
const STEP_MS = 50;

/** No connection, and nothing else of a request, is kept for longer by any test. */
const IDLE_MAX_MS = 3 * 60 * 60_000;

/** Any part of the options, the nested ones too. */
export type WorldSettings =
  & Omit<Partial<UpstreamSettings>, keyof Nested>
  & { [Key in keyof Nested]?: Partial<UpstreamOptions[Key]> };
type Nested = Pick<
  UpstreamOptions,
  "connections" | "queue" | "timeouts" | "retry" | "health" | "resolve" | "limits"
>;

export interface WorldDeps {
  readonly network?: MemoryNetwork;
  /** Always 0.5 when left out. */
  readonly random?: () => number;
  /** Most bytes of all temporary files; the default when left out. */
  readonly spillTotalMax?: number;
  /** Most bytes of all buffers; the default when left out. */
  readonly memoryMax?: number;
}

export interface RequestParts extends Partial<Omit<UpstreamRequest, "params">> {
  readonly params?: readonly (readonly [string, string])[];
}

export class UpstreamWorld {
  readonly runtime: MemoryRuntime;
  readonly upstream: Upstream;
  readonly space: SpillSpace;
  readonly memory: BufferMemory;
  /** What the observer was told, in order. */
  readonly seen: string[] = [];
  /** What applications have shown of themselves, in order. */
  readonly traits: string[] = [];
  /** What a table of states lacks can happen in no test, and nothing else may go wrong. */
  onFailure = (error: unknown): void => {
    throw error;
  };
  /** Bytes in temporary files, as the observer counts them. */
  spilled = 0;

  constructor(settings: WorldSettings = {}, deps: WorldDeps = {}) {
    const { network, random = () => 0.5 } = deps;
    this.runtime = new MemoryRuntime(network === undefined ? {} : { network });
    this.space = new SpillSpace(this.runtime.clock, deps.spillTotalMax);
    this.memory = new BufferMemory(deps.memoryMax, () => void this.seen.push("memory full"));
    const { connections, queue, timeouts, retry, health, resolve, limits } = UPSTREAM_DEFAULTS;
    this.upstream = new Upstream({
      name: "app",
      servers: [ADDRESS],
      ...settings,
      connections: { ...connections, ...settings.connections },
      queue: { ...queue, ...settings.queue },
      timeouts: { ...timeouts, ...settings.timeouts },
      retry: { ...retry, ...settings.retry },
      health: { ...health, ...settings.health },
      resolve: { ...resolve, ...settings.resolve },
      limits: { ...limits, ...settings.limits },
    }, {
      runtime: this.runtime,
      observer: this.#observer(),
      random,
      space: this.space,
      memory: this.memory,
    });
  }

  async application(options: ApplicationOptions = {}): Promise<ScriptedApplication> {
    const application = new ScriptedApplication(options);
    await application.listen(this.runtime);
    return application;
  }

  /** Sends a request; its failure is for whoever awaits it. */
  send(parts: RequestParts = {}): Promise<UpstreamResponse> {
    const { params = [], ...rest } = parts;
    const answered = this.upstream.send({
      id: "r1",
      role: Role.RESPONDER,
      method: "GET",
      body: undefined,
      params: (length) =>
        encodeNameValues([...params, ["CONTENT_LENGTH", length === undefined ? "" : `${length}`]]),
      ...rest,
    });
    answered.catch(() => {});
    return answered;
  }

  /** Lets everything happen that waits for nothing but a turn of the event loop. */
  async settle(): Promise<void> {
    await untilIdle();
    assert.deepEqual(leftOnIdleConnections(this.upstream), []);
  }

  /** Moves the clock in steps, so that what one deadline sets off can meet the next. */
  async advance(durationMs: number): Promise<void> {
    await this.settle();
    for (let rest = durationMs; rest > 0; rest -= STEP_MS) {
      this.runtime.clock.advance(Math.min(rest, STEP_MS));
      await turn();
    }
    await this.settle();
  }

  /** Connections to all servers. */
  get connectionCount(): number {
    return this.upstream.servers.reduce((sum, { connections }) => sum + connections.size, 0);
  }

  /**
   * What nobody uses any more goes by itself, without a drain that would wipe it away: the
   * connections when they were idle for long enough, then every timer, file and listener. Only where
   * a test leaves requests open, or a server that is asked repeatedly, is there nothing to see.
   */
  async #leavesNothing(): Promise<void> {
    const { upstream, runtime: { clock, files } } = this;
    const { health, servers, timeouts } = upstream.options;
    await this.settle();
    const isAsked = health.intervalMs > 0 || servers.length !== 1 ||
      isNamed(servers[0]!.address);
    // Without a limit an aborted request has its connection for ever.
    if (
      isAsked || timeouts.abortMs === 0 || upstream.requestsOpen > 0 || upstream.queueLength > 0
    ) return;
    for (let round = 0; round < 2; round++) {
      clock.advance(IDLE_MAX_MS);
      await this.settle();
    }
    assert.deepEqual(
      {
        connections: this.connectionCount,
        timers: clock.timerCount,
        files: files.temporaryCount,
        spilled: this.spilled,
        memory: this.memory.used,
        space: this.space.used,
      },
      { connections: 0, timers: 0, files: 0, spilled: 0, memory: 0, space: 0 },
      "something is left that nobody uses",
    );
  }

  /** Finds nothing left, drains, and finds nothing left again. */
  async close(): Promise<void> {
    await this.#leavesNothing();
    await this.upstream.drain(0);
    assert.deepEqual(
      {
        requests: this.upstream.requestsOpen,
        queue: this.upstream.queueLength,
        connections: this.connectionCount,
        timers: this.runtime.clock.timerCount,
        files: this.runtime.files.temporaryCount,
        spilled: this.spilled,
        memory: this.memory.used,
        space: this.space.used,
      },
      {
        requests: 0,
        queue: 0,
        connections: 0,
        timers: 0,
        files: 0,
        spilled: 0,
        memory: 0,
        space: 0,
      },
    );
  }

  #observer(): UpstreamObserver {
    const { seen } = this;
    return {
      onFlaw: ({ code }) => void seen.push(`flaw ${code}`),
      onRetry: (_, reason) => void seen.push(`retry ${reason}`),
      onError: (_, code) => void seen.push(`error ${code}`),
      onAborted: () => void seen.push("aborted"),
      onPaused: () => void seen.push("paused"),
      onSlowClient: () => void seen.push("slow client"),
      onQueueRejected: () => void seen.push("queue rejected"),
      onQueueLeft: () => {},
      onSpill: (bytes) => void (this.spilled += bytes),
      onHealthCheck: (_, server, result, changed) => {
        if (changed) seen.push(`${server} is ${result.kind === "passed" ? "up" : "down"}`);
      },
      onLookup: (_, name, { failure, isNews }) => {
        if (isNews) seen.push(`lookup ${name}: ${failure ?? "passed"}`);
      },
      onServersChanged: (_, name, joined, left) => {
        seen.push(`${name}: +${joined.join("+")} -${left.join("-")}`);
      },
      onConnected: () => {},
      onFailure: (_, error) => this.onFailure(error),
      onTrait: (_, _server, trait, count) => {
        this.traits.push(`${trait}${count === undefined ? "" : ` ${count}`}`);
      },
      onStderrLine: (line, { requestId, stream }) => {
        seen.push(`stderr ${requestId} ${stream}: ${line}`);
      },
    };
  }
}

/** Whether it is looked up, repeatedly. */
function isNamed(address: Address): boolean {
  return address.transport === "tcp" && !/^[\d.]+$|:|^localhost$/.test(address.host);
}

/** The text of a response's body, however it comes. */
export async function textOf({ body }: UpstreamResponse): Promise<string> {
  if (body === null) return "";
  return await new Response(body as Uint8Array<ArrayBuffer> | ReadableStream).text();
}

/** A body of one text. */
export function bodyOf(text: string, length: number | undefined = text.length): RequestBody {
  return { stream: new Blob([text]).stream(), length, memoryMax: 64 * 1024 };
}

/** A body that the test feeds. */
export function fedBody(length?: number): {
  body: RequestBody;
  feed: ReadableStreamDefaultController<Uint8Array>;
  cancelled: Promise<unknown>;
} {
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  let cancel!: (reason: unknown) => void;
  const cancelled = new Promise<unknown>((resolve) => cancel = resolve);
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (feed = controller),
    cancel: (reason) => cancel(reason),
  });
  return { body: { stream, length, memoryMax: 64 * 1024 }, feed, cancelled };
}

/** Waits for the failure and gives its code. */
export async function codeOf(failing: Promise<unknown>): Promise<string> {
  return (await errorOf(failing)).code;
}

export async function errorOf(failing: Promise<unknown>): Promise<UpstreamError> {
  const error = await failing.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof UpstreamError, `expected an UpstreamError, got ${error}`);
  return error;
}
