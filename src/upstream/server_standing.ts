/**
 * How a server stands among those of its upstream: whether active checks have found it down, whether
 * it is ejected because it failed a moment ago, and the share that it is given, which grows slowly
 * where that is configured. What one thread finds out the others are told (`upstream_share.ts`), and
 * only one of them asks the server how it is.
 *
 * After a failed connect it is ejected while there are others; then one new connection is the
 * trial, and the others stay away until it stands.
 */
import type { HealthResult } from "./health_check.ts";
import { HealthWatch } from "./health_watch.ts";
import type { ServerDeps } from "./server_deps.ts";
import { OwnTurns, type ServerTurns } from "./server_turns.ts";
import { ServerWeight } from "./server_weight.ts";
import type { ServerNews } from "./upstream_share.ts";

/** How long a server that failed is passed over while there are others, in milliseconds. */
export const FAILED_SERVER_REST_MS = 10_000;

export interface StandingDeps<Server>
  extends Pick<ServerDeps<Server>, "runtime" | "deadlines" | "server" | "options" | "random"> {
  /** As {@link ServerDeps.share} knows the server. */
  readonly address: string;
  readonly share: ServerDeps<Server>["share"];
  /** Those of all threads; left out: there are no others. */
  readonly turns?: ServerTurns | undefined;
  /** Its weight grows from now on. */
  readonly onWarming: () => void;
  /** An active check is over; `changed` when the server went down or came back with it. */
  readonly onHealth: (result: HealthResult, changed: boolean) => void;
}

export class ServerStanding<Server> {
  readonly #deps: StandingDeps<Server>;
  /** What it is owed beside other servers. */
  readonly turns: ServerTurns;
  readonly #weight: ServerWeight;
  readonly #health: HealthWatch | undefined;
  /** What the thread that asks has found. */
  #isDownElsewhere = false;
  #failedUntilMs = 0;

  constructor(deps: StandingDeps<Server>) {
    this.#deps = deps;
    const { runtime, server: { address, weight }, options, random, share } = deps;
    this.turns = deps.turns ?? new OwnTurns();
    this.#weight = new ServerWeight(weight, options.slowStartMs);
    if (options.health.intervalMs === 0 || share?.leads === false) return;
    const onResult = (result: HealthResult, changed: boolean) => this.#onHealth(result, changed);
    this.#health = new HealthWatch({ runtime, address, options, random, onResult });
    this.start();
  }

  get weight(): number {
    return this.#weight.value;
  }

  get isUp(): boolean {
    return this.#health?.isUp ?? !this.#isDownElsewhere;
  }

  get isEjected(): boolean {
    return this.#deps.deadlines.nowMs() < this.#failedUntilMs;
  }

  configure(weight: number): void {
    this.#weight.configure(weight);
  }

  startSlowly(): void {
    this.#shrink();
    this.#weight.startGrowing(this.#deps.deadlines.nowMs());
  }

  /** Sets the weight of this moment; false when it is the full one. */
  grow(): boolean {
    return this.#weight.grow(this.#deps.deadlines.nowMs());
  }

  /** Nobody took a connection. */
  fail(): void {
    this.#eject();
    this.#tell("failed");
  }

  /** After a failure one connect shows whether the server is back; others need not wait for it. */
  beginTrial(): void {
    if (this.#failedUntilMs === 0) return;
    const { deadlines, options } = this.#deps;
    this.#failedUntilMs = deadlines.after(options.timeouts.connectMs);
  }

  /** It takes connections. */
  recover(): void {
    if (this.#failedUntilMs === 0) return;
    this.#readmit();
    this.#tell("recovered");
  }

  /** What another thread has found out; whether it is up now and was not, or the other way round. */
  hear(news: ServerNews): boolean {
    if (news === "failed") this.#eject();
    else if (news === "recovered") this.#readmit();
    else {
      const isDown = news === "down";
      if (isDown === this.#isDownElsewhere) return false;
      this.#isDownElsewhere = isDown;
      this.#changed(isDown);
      return true;
    }
    return false;
  }

  /** Asks (again), with the server taken for up: also by threads that knew it to be down. */
  start(): void {
    this.#health?.start();
    if (this.#health !== undefined) this.#tell("up");
  }

  async stop(): Promise<void> {
    await this.#health?.stop();
  }

  #onHealth(result: HealthResult, changed: boolean): void {
    if (changed) {
      this.#changed(!this.isUp);
      this.#tell(this.isUp ? "up" : "down");
    }
    // It takes connections: no need to wait until the ejection is over.
    if (result.kind === "passed") this.recover();
    this.#deps.onHealth(result, changed);
  }

  #changed(isDown: boolean): void {
    if (isDown) this.#shrink();
    else this.#weight.startGrowing(this.#deps.deadlines.nowMs());
  }

  #eject(): void {
    this.#failedUntilMs = this.#deps.deadlines.after(FAILED_SERVER_REST_MS);
    this.#shrink();
  }

  #readmit(): void {
    this.#failedUntilMs = 0;
    this.#weight.startGrowing(this.#deps.deadlines.nowMs());
  }

  #shrink(): void {
    if (this.#weight.slowStartMs === 0) return;
    this.#weight.shrink();
    this.#deps.onWarming();
  }

  #tell(news: ServerNews): void {
    this.#deps.share?.tell(this.#deps.address, news);
  }
}
