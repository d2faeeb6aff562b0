/**
 * A whole world in one seed: an {@link Upstream} between clients and applications that do what the
 * seed says, one step after the other. After each step the invariants are checked:
 *
 * - no id is in two places, no byte of one request reaches another, none is lost or out of order;
 * - every request ends exactly once, and a request that may not be repeated begins once;
 * - what is held for a slow client stays below its limit, and so do connections and the queue;
 * - at the end nothing is left: no connection, timer, id, listener, temporary file.
 *
 * Each seed has its own taste: which steps are frequent, how small the limits are, who is slow. One
 * in four is a calm world in which nobody does wrong: there every request must succeed.
 */
import { parseAddress } from "../../src/runtime/address.ts";
import { SILENT_OBSERVER, type UpstreamObserver } from "../../src/upstream/observer.ts";
import {
  UPSTREAM_DEFAULTS,
  type UpstreamOptions,
  type UpstreamProtocol,
} from "../../src/upstream/options.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { leftOnIdleConnections } from "../support/idle_connections.ts";
import { Random } from "./random.ts";
import { SimulatedApplication, STDOUT_LENGTH_MAX } from "./simulated_application.ts";
import { SimulatedClient } from "./simulated_client.ts";
import { HEALTH_TARGET, SimulatedHttpServer } from "./simulated_http_server.ts";
import { SimulatedRuntime } from "./simulated_runtime.ts";
import type { SimulatedSocket } from "./simulated_socket.ts";

/** Most bytes that one read of ours gives. */
const PIECE_LENGTH_MAX = 3_000;

const LIMITS = { responseHeaderMax: 4_000, responseBufferMax: 2_000, spillMax: 6_000 } as const;

/**
 * What may be held for one response beyond its limits: the read and the record that went over, and
 * what was handed to the client's stream.
 */
const HELD_SLACK = PIECE_LENGTH_MAX + 2 * STDOUT_LENGTH_MAX;

/** Whose addresses are those of all applications, or in wilder worlds of some. */
const NAME = "app.test";

/** How many steps of one second an ended world may take until the last request has ended. */
const LAST_STEPS_MAX = 400;

export interface SimulationResult {
  readonly requests: number;
  readonly complete: number;
  /** Requests that ended otherwise, by the code of their error. */
  readonly others: ReadonlyMap<string, number>;
  readonly retries: number;
  readonly pauses: number;
}

/**
 * Runs one seed.
 *
 * @throws {Error} that names the seed, the step and what does not hold
 */
export async function simulate(seed: number, steps: number): Promise<SimulationResult> {
  return await new Simulation(seed, "fastcgi").run(steps);
}

/** The same with HTTP servers, each of which takes a request at a time on a connection. */
export async function simulateHttpUpstream(seed: number, steps: number): Promise<SimulationResult> {
  return await new Simulation(seed, "http").run(steps);
}

/** One end of a connection, as steps move it. */
interface PeerConnection {
  readonly socket: SimulatedSocket;
  frozen: boolean;
  readonly requestCount: number;
  receive(bytes: Uint8Array): void;
  act(): void;
}

/** What requests are sent to. */
interface SimulatedPeer {
  readonly address: string;
  readonly connections: Set<PeerConnection>;
  state: "up" | "refusing" | "full" | "silent";
  accept(socket: SimulatedSocket): void;
  restart(): void;
}

type Step =
  | "request"
  | "deliver"
  | "take"
  | "act"
  | "connect"
  | "file"
  | "feed"
  | "read"
  | "leave"
  | "break_body"
  | "time"
  | "reset"
  | "close"
  | "freeze"
  | "change_state"
  | "move";

const WEIGHTS: Readonly<Record<Step, number>> = {
  request: 10,
  deliver: 20,
  take: 18,
  act: 25,
  connect: 8,
  file: 5,
  feed: 12,
  read: 12,
  leave: 2,
  break_body: 0.3,
  time: 3,
  reset: 0.4,
  close: 0.6,
  freeze: 0.4,
  change_state: 0.6,
  move: 0.5,
};

/** In a calm world nobody leaves, breaks or waits too long. */
const CALM_WEIGHTS: Readonly<Record<Step, number>> = {
  ...WEIGHTS,
  leave: 0,
  break_body: 0,
  time: 0,
  reset: 0,
  close: 0,
  freeze: 0,
  change_state: 0,
  move: 0,
};

class Simulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #calm: boolean;
  readonly #runtime = new SimulatedRuntime();
  readonly #protocol: UpstreamProtocol;
  readonly #applications: readonly SimulatedPeer[];
  readonly #weights: Readonly<Record<Step, number>>;
  readonly #upstream: Upstream;
  readonly #clients: SimulatedClient[] = [];
  readonly #faults: string[] = [];
  /** By key: how often it began, the lengths that were complete, what has arrived of it. */
  readonly #begun = new Map<number, number>();
  readonly #complete = new Map<number, Set<number>>();
  readonly #arrived = new Map<number, number>();
  #step = 0;
  #ending = false;
  #slowMayRead = false;
  #retries = 0;
  #pauses = 0;
  #spilled = 0;
  #errors = 0;
  #aborts = 0;

  constructor(seed: number, protocol: UpstreamProtocol) {
    this.#seed = seed;
    this.#protocol = protocol;
    this.#random = new Random(seed);
    this.#calm = seed % 4 === 0;
    this.#weights = this.#taste(this.#calm ? CALM_WEIGHTS : WEIGHTS);
    const count = this.#random.pick([1, 1, 1, 2, 3]);
    this.#applications = Array.from({ length: count }, (_, index) => this.#application(index));
    this.#runtime.resolver.setHost(NAME, this.#applications.map(hostOf), 2_000);
    this.#upstream = new Upstream(this.#options(), {
      runtime: this.#runtime,
      observer: this.#observer(),
      random: () => this.#random.between(0, 999) / 1_000,
    });
  }

  async run(steps: number): Promise<SimulationResult> {
    for (this.#step = 1; this.#step <= steps; this.#step++) {
      this.#do(this.#random.weighted(this.#weights));
      // Else the next step happens in the same turn of the event loop.
      if (this.#random.chance(0.7)) await this.#settle();
    }
    await this.#settle();
    await this.#end();
    return this.#result();
  }

  #taste(weights: Readonly<Record<Step, number>>): Readonly<Record<Step, number>> {
    const entries = Object.entries(weights) as [Step, number][];
    return Object.fromEntries(
      entries.map(([step, weight]) => [step, weight * this.#random.pick([0.3, 1, 1, 3])]),
    ) as Record<Step, number>;
  }

  #options(): UpstreamOptions {
    const random = this.#random;
    const calm = this.#calm;
    // All on one connection, and hardly any memory: who is slow concerns everybody.
    const crowded = random.chance(0.3);
    return {
      ...UPSTREAM_DEFAULTS,
      name: "simulated",
      protocol: this.#protocol,
      servers: random.chance(0.3)
        ? [{ address: parseAddress(`${NAME}:9000`), weight: 1, backup: false }]
        : this.#applications.map(({ address }, index) => ({
          address: parseAddress(address),
          weight: random.between(1, 3),
          backup: index > 0 && random.chance(0.2),
        })),
      multiplex: calm ? "auto" : random.pick(["auto", "auto", "auto", "auto", "on", "off"]),
      balance: random.pick(["round_robin", "least_requests", "hash"]),
      hash: "KEY",
      connections: {
        max: crowded ? 1 : random.between(1, 3),
        streamsMax: crowded ? 8 : random.between(1, 6),
        idleTimeoutMs: random.pick([undefined, 2_000]),
        requestsMax: random.pick([0, 0, 3]),
        reuse: random.chance(0.9),
      },
      queue: { lengthMax: calm ? 10_000 : random.pick([0, 3, 10, 30]), timeoutMs: 20_000 },
      timeouts: {
        connectMs: 3_000,
        firstByteMs: 10_000,
        idleMs: 8_000,
        totalMs: random.pick([0, 0, 30_000]),
        abortMs: 4_000,
      },
      retry: { ...UPSTREAM_DEFAULTS.retry, attemptsMax: random.between(0, 2) },
      health: {
        intervalMs: calm ? 0 : random.pick([0, 0, 1_500]),
        timeoutMs: 1_000,
        rise: 1,
        fall: random.between(1, 2),
        script: this.#protocol === "http" ? HEALTH_TARGET : undefined,
      },
      slowStartMs: random.pick([0, 5_000]),
      limits: { ...LIMITS, spillMax: crowded ? 0 : random.pick([0, LIMITS.spillMax]) },
    };
  }

  #application(index: number): SimulatedPeer {
    const Peer = this.#protocol === "http" ? SimulatedHttpServer : SimulatedApplication;
    return new Peer(`tcp://10.0.0.${index}:9000`, this.#random, this.#calm, {
      onBegun: (key) => void this.#begun.set(key, (this.#begun.get(key) ?? 0) + 1),
      onRefused: (key) => void this.#begun.set(key, this.#begun.get(key)! - 1),
      onComplete: (key, length) => {
        const lengths = this.#complete.get(key) ?? new Set();
        this.#complete.set(key, lengths.add(length));
      },
      onArrived: (key, length) => {
        this.#arrived.set(key, (this.#arrived.get(key) ?? 0) + length);
      },
      onViolation: (text) => this.#faults.push(text),
    });
  }

  #observer(): UpstreamObserver {
    return {
      ...SILENT_OBSERVER,
      onRetry: () => void this.#retries++,
      onError: () => void this.#errors++,
      onAborted: () => void this.#aborts++,
      onPaused: () => void this.#pauses++,
      onSpill: (bytes) => void (this.#spilled += bytes),
      onFailure: (_, error) => void this.#faults.push(`went wrong: ${String(error)}`),
      onStderrLine: (line) => {
        if (line.includes("stray")) this.#faults.push("a stray record of STDERR came through");
      },
    };
  }

  #do(step: Step): void {
    const random = this.#random;
    switch (step) {
      case "request":
        return this.#request();
      case "deliver":
        return this.#pickConnection(({ socket }) => socket.canDeliver)?.socket.deliver(
          this.#ending ? PIECE_LENGTH_MAX : random.pick([1, 7, 8, 64, PIECE_LENGTH_MAX]),
        );
      case "take": {
        const connection = this.#pickConnection(({ socket }) => socket.canTake);
        connection?.receive(
          connection.socket.take(this.#ending ? 10_000 : random.pick([1, 9, 500, 10_000])),
        );
        return;
      }
      case "act":
        return this.#pickConnection(({ requestCount }) => requestCount > 0)?.act();
      case "connect":
        return this.#connect();
      case "file":
        return this.#runtime.files.pending.shift()?.(!this.#calm && random.chance(0.02));
      case "feed":
        return this.#pickClient(({ canFeed }) => canFeed)?.feed();
      case "read":
        return this.#pickClient(({ canRead, isSlow }) => canRead && (!isSlow || this.#slowMayRead))
          ?.read();
      case "leave":
        return this.#pickClient(random.chance(0.5) ? () => true : ({ canRead }) => canRead)?.leave(
          random.pick(["signal", "cancel"]),
        );
      case "break_body":
        return this.#pickClient(({ canFeed }) => canFeed)?.breakBody();
      case "time":
        return this.#runtime.clock.advance(random.pick([1, 60, 300, 1_000, 5_000]));
      case "reset":
        return this.#pickConnection(() => true)?.socket.reset();
      case "close":
        return this.#pickConnection(() => true)?.socket.end();
      case "freeze": {
        const connection = this.#pickConnection(() => true);
        if (connection !== undefined) connection.frozen = true;
        return;
      }
      case "change_state":
        return this.#changeState();
      case "move":
        return this.#move();
    }
  }

  #request(): void {
    const client = new SimulatedClient(this.#clients.length, this.#random, this.#calm, {
      onFault: (text) => this.#faults.push(text),
    });
    this.#clients.push(client);
    client.start(this.#upstream, this.#protocol);
  }

  #connect(): void {
    for (const pending of this.#runtime.connecting) {
      const application = this.#applications.find(({ address }) => address === pending.address)!;
      if (application.state === "silent") continue;
      if (application.state === "up") application.accept(pending.accept());
      else pending.fail(application.state === "full" ? "full" : "refused");
      return;
    }
  }

  /** A server goes down, is restarted, hangs, or comes back. */
  #changeState(): void {
    const application = this.#random.pick(this.#applications);
    application.state = this.#random.pick(["up", "up", "refusing", "full", "silent"]);
    this.#runtime.refusing.delete(application.address);
    if (application.state !== "refusing") return;
    this.#runtime.refusing.add(application.address);
    for (const { socket } of application.connections) socket.reset();
    application.restart();
  }

  /** The name has other addresses, or cannot be looked up for a while. */
  #move(): void {
    const { resolver } = this.#runtime;
    const suitable = this.#applications.filter(() => this.#random.chance(0.6));
    resolver.fail(NAME, this.#random.chance(0.2) ? "unavailable" : undefined);
    if (suitable.length > 0) {
      resolver.setHost(NAME, suitable.map(hostOf), this.#random.pick([1_000, 10_000]));
    }
  }

  #pickConnection(suits: (connection: PeerConnection) => boolean): PeerConnection | undefined {
    const suitable: PeerConnection[] = [];
    for (const { connections } of this.#applications) {
      for (const connection of connections) {
        if (connection.frozen) continue;
        const { destroyed, canTake } = connection.socket;
        if (destroyed && !canTake) connections.delete(connection);
        else if (suits(connection)) suitable.push(connection);
      }
    }
    return suitable.length > 0 ? this.#random.pick(suitable) : undefined;
  }

  #pickClient(suits: (client: SimulatedClient) => boolean): SimulatedClient | undefined {
    const suitable = this.#clients.filter((one) => one.outcome === undefined && suits(one));
    return suitable.length > 0 ? this.#random.pick(suitable) : undefined;
  }

  async #settle(): Promise<void> {
    try {
      await this.#runtime.settle();
    } catch (error) {
      this.#faults.push(String(error));
    }
    this.#checkLimits();
    this.#report();
  }

  #checkLimits(): void {
    const { connections, queue, limits } = this.#upstream.options;
    const check = (holds: boolean, text: string): void => {
      if (!holds) this.#faults.push(text);
    };
    check(this.#upstream.queueLength <= queue.lengthMax, "the queue is longer than its limit");
    check(this.#spilled >= 0, `${this.#spilled} bytes are in temporary files`);
    for (const server of this.#upstream.servers) {
      check(server.connections.size <= Number(connections.max), "too many connections to a server");
      for (const connection of server.connections) {
        const streamsMax = connection.multiplexed ? connections.streamsMax : 1;
        check(connection.streams <= streamsMax, "too many requests on a connection");
      }
    }
    this.#faults.push(...leftOnIdleConnections(this.#upstream));
    // What still arrives of an aborted request is dropped, which cannot be seen from here.
    if (this.#aborts > 0) return;
    for (const client of this.#clients) {
      // A second attempt makes the count of what arrived useless.
      if (client.outcome !== undefined || this.#begun.get(client.key) !== 1) continue;
      const held = (this.#arrived.get(client.key) ?? 0) - client.length;
      const heldMax = limits.responseBufferMax + limits.spillMax + HELD_SLACK;
      const isBounded = held <= heldMax || !client.expectsBody;
      check(isBounded, `${held} bytes are held for request ${client.key}`);
    }
  }

  /** Nothing new any more: all that has begun must come to an end, and leave nothing behind. */
  async #end(): Promise<void> {
    this.#ending = true;
    const drains = !this.#calm && this.#random.chance(0.5);
    const drained = drains
      ? this.#upstream.drain(this.#random.pick([1, 5_000, 60_000]))
      : undefined;
    for (let count = 0; count < LAST_STEPS_MAX && this.#hasOpen(); count++) {
      this.#step++;
      await this.#advanceAll();
    }
    for (const { key, outcome } of this.#clients) {
      if (outcome === undefined) this.#faults.push(`request ${key} never ended`);
    }
    this.#report();
    await this.#checkNothingLeft(drained);
    this.#checkOutcomes();
    this.#report();
  }

  #hasOpen(): boolean {
    return this.#clients.some(({ outcome }) => outcome === undefined) ||
      this.#upstream.requestsOpen > 0;
  }

  /** Everybody does what can be done; then some time passes. */
  async #advanceAll(): Promise<void> {
    for (let round = 0; round < 6; round++) {
      this.#slowMayRead = this.#random.chance(0.1);
      for (const step of ["connect", "file", "feed", "take", "act", "deliver", "read"] as const) {
        for (let count = 0; count < 10; count++) this.#do(step);
      }
      await this.#settle();
    }
    if (this.#calm) {
      // Enough for a connection to give way, too little for any time limit.
      this.#runtime.clock.advance(20);
      await this.#settle();
      return;
    }
    if (this.#random.chance(0.1)) this.#do("leave");
    this.#runtime.clock.advance(1_000);
    await this.#settle();
  }

  async #checkNothingLeft(drained: Promise<void> | undefined): Promise<void> {
    let isDrained = false;
    // A request that ended may have left its half-written temporary file for a step.
    const all = Promise.all([drained, this.#upstream.drain(0)]).then(() => void (isDrained = true));
    await this.#settle();
    while (this.#runtime.files.pending.length > 0) {
      this.#do("file");
      await this.#settle();
    }
    if (isDrained) await all;
    else this.#faults.push("drain() does not come to an end");
    const counts = {
      "open requests": this.#upstream.requestsOpen,
      "waiting requests": this.#upstream.queueLength,
      "connections": this.#upstream.servers.reduce((sum, one) => sum + one.connections.size, 0),
      "open sockets": this.#runtime.sockets.filter(({ destroyed }) => !destroyed).length,
      "connects under way": this.#runtime.connecting.size,
      "timers": this.#runtime.clock.timerCount,
      "temporary files": this.#runtime.files.temporaryCount,
      "bytes in temporary files": this.#spilled,
      "listeners": this.#clients.reduce((sum, { listeners }) => sum + listeners, 0),
    };
    for (const [what, count] of Object.entries(counts)) {
      if (count !== 0) this.#faults.push(`${count} ${what} are left`);
    }
  }

  #checkOutcomes(): void {
    const refused = this.#clients.filter(({ wasRefused }) => wasRefused).length;
    if (refused !== this.#errors) {
      this.#faults.push(`${refused} requests were refused, ${this.#errors} were counted`);
    }
    const { methods } = this.#upstream.options.retry;
    for (const client of this.#clients) {
      const { key, method, outcome, length } = client;
      const begun = this.#begun.get(key) ?? 0;
      if (begun > 1 && !methods.includes(method)) {
        this.#faults.push(`request ${key} (${method}) began ${begun} times`);
      }
      if (this.#calm && outcome !== "complete") {
        const why = client.error?.message ?? "nothing";
        this.#faults.push(`request ${key} is ${outcome} in a calm world: ${why}`);
      }
      if (outcome !== "complete" || !client.expectsBody) continue;
      if (!this.#complete.get(key)?.has(length)) {
        this.#faults.push(`request ${key} was given ${length} bytes as its whole response`);
      }
    }
  }

  #report(): void {
    if (this.#faults.length === 0) return;
    throw new Error(`Seed ${this.#seed}, step ${this.#step}: ${this.#faults.join("; ")}`);
  }

  #result(): SimulationResult {
    const others = new Map<string, number>();
    let complete = 0;
    for (const { outcome, error } of this.#clients) {
      if (outcome === "complete") complete++;
      else {
        const code = error?.code ?? outcome ?? "";
        others.set(code, (others.get(code) ?? 0) + 1);
      }
    }
    return {
      requests: this.#clients.length,
      complete,
      others,
      retries: this.#retries,
      pauses: this.#pauses,
    };
  }
}

function hostOf({ address }: SimulatedPeer): string {
  return address.replace(/^tcp:\/\/|:\d+$/g, "");
}
