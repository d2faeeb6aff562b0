/**
 * Whether requests would find an application: each upstream must have a server that takes
 * connections. An open connection shows it; without one a connection is made and closed again. The
 * response is kept for a moment, so that who asks often costs an application nothing.
 */
import { parseAddress } from "../runtime/address.ts";
import { ConnectError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AppOptions } from "./options.ts";
import type { Followers } from "./process_share.ts";
import { errorText } from "../upstream/errors.ts";
import type { Server } from "../upstream/server.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** How long a response holds, and how long a connection may take, in milliseconds. */
export const READINESS_KEPT_MS = 1_000;
export const READINESS_CONNECT_MS = 1_000;

export class Readiness {
  readonly #runtime: Runtime;
  readonly #upstreams: readonly Upstream[];
  #verdict: Promise<readonly string[]> | undefined;
  #verdictMs = -Infinity;

  constructor(runtime: Runtime, upstreams: readonly Upstream[]) {
    this.#runtime = runtime;
    this.#upstreams = upstreams;
  }

  /** With `listening` applications are nothing that is waited for; threads are. */
  async whatFor(
    readyWhen: AppOptions["readyWhen"],
    followers: Pick<Followers, "isServing"> | undefined,
  ): Promise<readonly string[]> {
    const applications = readyWhen === "listening" ? [] : await this.waitingFor();
    return followers?.isServing === false
      ? ["threads: none serves", ...applications]
      : applications;
  }

  /** For each upstream that cannot be reached a line; none: ready. */
  waitingFor(): Promise<readonly string[]> {
    const nowMs = this.#runtime.clock.nowMs();
    if (this.#verdict === undefined || nowMs - this.#verdictMs >= READINESS_KEPT_MS) {
      this.#verdict = this.#ask();
      this.#verdictMs = nowMs;
    }
    return this.#verdict;
  }

  async #ask(): Promise<readonly string[]> {
    const reasons = await Promise.all(this.#upstreams.map((upstream) => this.#whyNot(upstream)));
    return reasons.filter((reason) => reason !== undefined);
  }

  async #whyNot({ options, servers }: Upstream): Promise<string | undefined> {
    const usable = servers.filter(({ isUp }) => isUp);
    if (usable.some(hasOpenConnection)) return undefined;
    const why = usable.length === 0 ? "no server is up" : await this.#firstOf(usable);
    return why === undefined ? undefined : `${options.name}: ${why}`;
  }

  /** Undefined when one takes a connection, else why the last one does not. */
  async #firstOf(servers: readonly Server[]): Promise<string | undefined> {
    const attempts = await Promise.all(servers.map((server) => this.#connect(server)));
    return attempts.includes(undefined) ? undefined : attempts.at(-1);
  }

  async #connect({ address }: Server): Promise<string | undefined> {
    const { clock } = this.#runtime;
    const connecting = new AbortController();
    const timer = clock.setTimer(() => connecting.abort(), READINESS_CONNECT_MS);
    try {
      const { signal } = connecting;
      (await this.#runtime.connect(parseAddress(address), { signal })).destroy();
      return undefined;
    } catch (error) {
      // A full backlog is that of an application that lives.
      if (error instanceof ConnectError && error.failure === "full") return undefined;
      return errorText(error);
    } finally {
      clock.clearTimer(timer);
    }
  }
}

function hasOpenConnection({ connections }: Server): boolean {
  for (const { state } of connections) if (state === "open") return true;
  return false;
}
