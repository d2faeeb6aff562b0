/**
 * Processes with sites that want certificates, an authority in memory, and a clock that a test moves:
 * days pass in milliseconds.
 */
import assert from "node:assert/strict";
import { AutomaticCertificates } from "../../src/acme/automatic.ts";
import { ACME_DEFAULTS, type AcmeOptions } from "../../src/acme/options.ts";
import { CertificateStore } from "../../src/certificates/store.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { OutgoingRequest, OutgoingResponse } from "../../src/runtime/https_client.ts";
import { MemoryRuntime, MemorySink } from "./memory/memory.ts";
import {
  AcmeAuthority,
  type AcmeAuthorityOptions,
  type ChallengeCheck,
  DIRECTORY,
} from "./acme_authority.ts";
import { digestsUnderWay, turn } from "./idle.ts";

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** Turns of the event loop without anything new after which nothing more is to come. */
const QUIET_TURNS = 5;

export interface AcmeProcess {
  readonly source: AutomaticCertificates;
  readonly results: string[];
  readonly lines: () => Record<string, unknown>[];
}

/** Without `check` the processes are asked for their challenges, as a real authority does. */
export type AcmeWorldOptions = Omit<AcmeAuthorityOptions, "clock">;

export class AcmeWorld {
  readonly runtime = new MemoryRuntime();
  readonly clock = this.runtime.clock;
  readonly authority: AcmeAuthority;
  readonly processes: AcmeProcess[] = [];
  /** Whether a listener can show the certificate of a challenge, as on Bun and not on Deno. */
  showsChallenges = true;
  /** Names on demand that a process holds; undefined: as many as the program does. */
  namesMax: number | undefined;
  #underWay = 0;
  #activity = 0;
  /** Requests to anybody but the authority. */
  elsewhere: MemoryRuntime["sendRequest"] = this.runtime.sendRequest;

  constructor(options: AcmeWorldOptions = {}) {
    this.authority = new AcmeAuthority({
      clock: this.clock,
      check: (challenge) => this.#isShown(challenge),
      ...options,
    });
  }

  /** A process with a site for each list of hosts; it shares the store with the others. */
  async start(
    sites: readonly (readonly string[])[],
    options: Partial<AcmeOptions> = {},
    isStarted = true,
  ): Promise<AcmeProcess> {
    const results: string[] = [];
    const sink = new MemorySink();
    const log = new Logger({ sink, clock: this.clock, level: "debug", format: "json" });
    const source = await AutomaticCertificates.open(
      { ...ACME_DEFAULTS, directory: DIRECTORY, stagingDirectory: undefined, ...options },
      sites.map((hosts) => ({ name: hosts[0] ?? "default", hosts })),
      {
        runtime: {
          clock: this.clock,
          tls: {
            readCertificates: currentRuntime().tls.readCertificates,
            showsChallenges: this.showsChallenges,
          },
          files: this.runtime.files,
          sendRequest: (request) => this.#send(request),
        },
        store: CertificateStore.open("/store", this.runtime),
        log,
        userAgent: "afcgi/test",
        onOrder: (result) => results.push(result),
        random: () => 0.5,
        namesMax: this.namesMax,
      },
    );
    if (isStarted) source.start();
    const lines = () => {
      this.clock.advance(0);
      return sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    };
    const process = { source, results, lines };
    this.processes.push(process);
    return process;
  }

  /** Lets time pass in steps, and everything happen that is due. */
  async pass(durationMs: number, stepMs = SECOND_MS): Promise<void> {
    await this.settled();
    for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
      this.clock.advance(Math.min(stepMs, durationMs - passedMs));
      await this.settled();
    }
  }

  /** Until something holds; the time that it took. */
  async until(holds: () => boolean, withinMs = HOUR_MS, stepMs = SECOND_MS): Promise<number> {
    const startMs = this.clock.nowMs();
    await this.settled();
    while (!holds()) {
      if (this.clock.nowMs() - startMs > withinMs) throw new Error("It did not come to be in time");
      this.clock.advance(stepMs);
      await this.settled();
    }
    return this.clock.nowMs() - startMs;
  }

  /** Until nobody does anything any more: signatures and files take turns of the event loop. */
  async settled(): Promise<void> {
    for (let quiet = 0, seen = ""; quiet < QUIET_TURNS; quiet++) {
      await turn();
      const now = `${this.authority.requests.length} ${this.#activity} ${this.clock.timerCount}`;
      if (now !== seen || this.#underWay > 0 || digestsUnderWay() > 0) quiet = 0;
      seen = now;
    }
  }

  /**
   * Ends all processes; then nothing of them may be left: no timer, no challenge, no lock but those of
   * processes that were killed.
   */
  async stop({ locksMax = 0 } = {}): Promise<void> {
    for (const { source } of this.processes) source.close();
    await this.settled();
    // The last lines of the log.
    this.clock.advance(0);
    await this.settled();
    const files = [...this.runtime.privateTexts.get("/store") ?? []];
    const locks = files.filter(([name, text]) => name.startsWith("locks/") && text !== "free");
    assert.ok(locks.length <= locksMax, `locks are left: ${locks}`);
    assert.deepEqual(
      {
        timers: this.clock.timerCount,
        challenges: files.filter(([name]) => name.startsWith("challenges/")).map(([name]) => name),
      },
      { timers: 0, challenges: [] },
      "something is left of processes that have ended",
    );
  }

  async #send(request: OutgoingRequest): Promise<OutgoingResponse> {
    const isOurs = request.url.startsWith(new URL(DIRECTORY).origin);
    this.#underWay++;
    try {
      return await (isOurs ? this.authority.send(request) : this.elsewhere(request));
    } finally {
      this.#underWay--;
      this.#activity++;
    }
  }

  async #isShown({ kind, name, token, keyAuthorization }: ChallengeCheck): Promise<boolean> {
    for (const { source } of this.processes) {
      if (kind === "http-01") {
        if (source.answerChallenge(name, token) !== keyAuthorization) return false;
      } else if (!await hasChallenge(source, name, keyAuthorization)) return false;
    }
    return true;
  }
}

/** What a client says first; by itself a browser. */
export function hello(serverName: string, protocols = ["h2", "http/1.1"]): ClientHello {
  return {
    serverName,
    protocols,
    signatureSchemes: [0x0403, 0x0804],
    cipherSuites: [0x1301, 0xc02b],
    speaks13: true,
  };
}

/** Whether the certificate for acme-tls/1 carries the digest (RFC 8737 section 3). */
async function hasChallenge(
  source: AutomaticCertificates,
  name: string,
  keyAuthorization: string,
): Promise<boolean> {
  const found = await source.find(name, hello(name, ["acme-tls/1"]));
  if (found?.protocols?.join() !== "acme-tls/1") return false;
  const [facts] = currentRuntime().tls.readCertificates(found.cert);
  const der = Uint8Array.from(
    atob(/CERTIFICATE-----([^-]+)/.exec(found.cert)![1]!.replace(/\s/g, "")),
    (one) => one.charCodeAt(0),
  );
  const bytes = new TextEncoder().encode(keyAuthorization);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  // id-pe-acmeIdentifier, critical, an octet string in an octet string.
  const expected = [6, 8, 43, 6, 1, 5, 5, 7, 1, 31, 1, 1, 255, 4, 34, 4, 32, ...digest];
  return facts?.names.join() === name && der.join().includes(expected.join());
}
