/**
 * Handlers that read their bodies late or never, in seeded worlds: requests with and without bodies
 * come, handlers begin to read, answer, or leave their connection unread, as in Go, where one that
 * does not read stops the whole connection. After each step:
 *
 * - a request that finds a connection that is read, or that `connections.max` allows one more for,
 *   is at the application at once: it waits on nobody's body;
 * - no connection has more than one body that is not read while another could have been made;
 * - at the end, when all have read, every request has been answered with its own, exactly once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScriptedConnection, ScriptedRequest } from "../support/scripted_application.ts";
import { bodyOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";
import { Random } from "./random.ts";

const SEEDS = 24;
const STEPS = 30;

interface Late {
  readonly request: ScriptedRequest;
  readonly key: string;
}

class LateWorld {
  readonly #random: Random;
  readonly #max: number;
  readonly #world: UpstreamWorld;
  readonly #responses = new Map<string, Promise<string>>();
  readonly #open: Late[] = [];
  readonly #seen = new Map<string, number>();
  /** Whose bodies are not read; their connections are not either. */
  readonly #unread = new Set<ScriptedConnection>();
  #application!: Awaited<ReturnType<UpstreamWorld["application"]>>;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#max = this.#random.between(1, 4);
    this.#world = new UpstreamWorld({
      // Not asked: what is answered in between would have to be simulated as well.
      multiplex: "on",
      connections: { max: this.#max },
      queue: { timeoutMs: 600_000 },
      timeouts: { firstByteMs: 600_000, idleMs: 600_000 },
    });
  }

  async run(): Promise<void> {
    this.#application = await this.#world.application();
    // So that it is known whether it multiplexes.
    this.#send(false);
    await this.#take();
    await this.#answer();
    for (let step = 0; step < STEPS; step++) {
      const what = this.#random.weighted({ get: 4, post: 3, read: 2, answer: 3, time: 1 });
      if (what === "get" || what === "post") await this.#request(what === "post");
      else if (what === "read") await this.#readOn();
      else if (what === "answer") await this.#answer();
      else await this.#world.advance(this.#random.pick([50, 200, 500]));
      await this.#take();
    }
    await this.#end();
  }

  async #request(hasBody: boolean): Promise<void> {
    const hasRoom = this.#world.connectionCount < this.#max;
    const isWaiting = this.#world.upstream.queueLength > 0;
    const key = this.#send(hasBody);
    await this.#take();
    const placed = this.#open.find((late) => late.key === key);
    if (hasRoom && !isWaiting) {
      assert.ok(placed !== undefined, `${key} waits although a connection could be made`);
    }
    if (!hasBody || placed === undefined) return;
    if (this.#random.chance(0.5)) return;
    // Its handler does not read, and the connection stands still.
    placed.request.connection.stopReading();
    this.#unread.add(placed.request.connection);
  }

  #send(hasBody: boolean): string {
    const key = `${this.#responses.size}`;
    const length = this.#random.pick([1, 100, 100_000, 1_000_000]);
    const answered = this.#world.send({
      method: hasBody ? "POST" : "GET",
      params: [["KEY", key]],
      ...(hasBody && { body: bodyOf("x".repeat(length)) }),
    });
    const text = answered.then(textOf);
    text.catch(() => {});
    this.#responses.set(key, text);
    return key;
  }

  /** What has come to the application. */
  async #take(): Promise<void> {
    await this.#world.settle();
    while (this.#application.begun > 0) {
      const request = await this.#application.next();
      const key = request.params.get("KEY")!;
      this.#seen.set(key, (this.#seen.get(key) ?? 0) + 1);
      this.#open.push({ request, key });
    }
  }

  async #readOn(): Promise<void> {
    const [connection] = this.#unread;
    if (connection === undefined) return;
    this.#unread.delete(connection);
    connection.readOn();
    await this.#world.settle();
  }

  async #answer(): Promise<void> {
    const suits = this.#open.filter(({ request }) => !this.#unread.has(request.connection));
    if (suits.length === 0) return;
    const one = this.#random.pick(suits);
    this.#open.splice(this.#open.indexOf(one), 1);
    one.request.answer(one.key);
    await this.#world.settle();
  }

  async #end(): Promise<void> {
    while (this.#unread.size > 0) await this.#readOn();
    while (this.#open.length > 0 || this.#world.upstream.queueLength > 0) {
      await this.#answer();
      await this.#take();
    }
    for (const [key, text] of this.#responses) assert.equal(await text, key);
    for (const [key, count] of this.#seen) assert.equal(count, 1, `${key} began ${count} times`);
    await this.#world.close();
  }
}

for (let part = 0; part < 3; part++) {
  test(`Nobody waits on another's body while a connection may be made, part ${part + 1}`, async () => {
    for (let seed = part; seed < SEEDS; seed += 3) {
      try {
        await new LateWorld(seed).run();
      } catch (error) {
        throw new Error(`Seed ${seed}: ${error}`, { cause: error });
      }
    }
  });
}
