/**
 * The certificates of all sites with `tls: auto`: one for each site, with all of its names, from one
 * authority; and those for names that come up by themselves, where that is asked for.
 */
import type { AutomaticSource, CertificateSite, HeldCertificate } from "../certificates/source.ts";
import { type CertificateStore, storeName } from "../certificates/store.ts";
import { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsNetwork } from "../runtime/tls.ts";
import { Authority } from "./authority.ts";
import { ACME_TLS_PROTOCOL, Challenges } from "./challenges.ts";
import { ManagedCertificate, type ManagedDeps, type OrderResult } from "./managed_certificate.ts";
import { OnDemand } from "./on_demand.ts";
import { type AcmeOptions, CERTIFICATE_NAMES_MAX } from "./options.ts";
import { AcmeError } from "./problem.ts";
import { Turns } from "./turns.ts";

export interface AutomaticDeps {
  readonly runtime:
    & Pick<Runtime, "clock" | "sendRequest" | "files">
    & { readonly tls: Pick<TlsNetwork, "readCertificates" | "showsChallenges"> };
  readonly store: CertificateStore;
  readonly log: Logger;
  readonly userAgent: string;
  readonly onOrder: (result: OrderResult) => void;
  readonly onHeld?: (() => void) | undefined;
  /** From 0 to 1; left out: chance. */
  readonly random?: () => number;
  /** Names on demand that are held in memory; left out: as many as are good for a process. */
  readonly namesMax?: number | undefined;
}

/** Names that stand for others, and addresses, get no certificate of their own. */
const PLAIN_NAME = /^[a-z0-9_][a-z0-9._-]*[a-z0-9]$/;

export class AutomaticCertificates implements AutomaticSource {
  readonly #certificates: ManagedCertificate[] = [];
  readonly #byName = new Map<string, ManagedCertificate>();
  readonly #challenges: Challenges;
  readonly #onDemand: OnDemand | undefined;
  readonly #deps: ManagedDeps;
  readonly #stop: AbortController;

  /**
   * With what the store holds; nothing is ordered yet.
   *
   * @throws {PrivateDirectoryError} when the store cannot be used
   * @throws {AcmeError} when this runtime can show none of the challenges
   * @throws {FileError} when the file of the authority's own authority cannot be read
   */
  static async open(
    options: AcmeOptions,
    sites: readonly CertificateSite[],
    deps: AutomaticDeps,
  ): Promise<AutomaticCertificates> {
    const { ca } = options;
    const kinds = options.challenges.filter((kind) =>
      kind !== "tls-alpn-01" || deps.runtime.tls.showsChallenges
    );
    if (kinds.length === 0) {
      throw new AcmeError(
        "Cannot show the challenge tls-alpn-01 on this runtime (add http-01 to acme.challenges)",
      );
    }
    const authorities = ca === undefined ? undefined : await deps.runtime.files.readText(ca);
    const { email, eab, profile } = options;
    const told = JSON.stringify({ email, eab, profile, kinds, authorities });
    const settings = await storeName(told).then((name) => name.slice(-16));
    const automatic = new AutomaticCertificates(
      { ...options, challenges: kinds },
      deps,
      { authorities, settings },
    );
    for (const { hosts } of sites) await automatic.#add(hosts);
    return automatic;
  }

  private constructor(
    options: AcmeOptions,
    deps: AutomaticDeps,
    { authorities, settings }: { authorities: string | undefined; settings: string },
  ) {
    const { runtime, store, log, userAgent, onOrder, onHeld, namesMax } = deps;
    const { random = Math.random } = deps;
    const { clock, sendRequest, tls } = runtime;
    const stop = this.#stop = new AbortController();
    const challenges = this.#challenges = new Challenges(store, clock);
    const { signal } = stop;
    const { directory, stagingDirectory, email } = options;
    const shared = { store, challenges, clock, sendRequest, userAgent, signal };
    this.#deps = {
      store,
      clock,
      tls,
      log,
      authority: new Authority(directory, options, { ...shared, authorities }),
      staging: stagingDirectory === undefined
        ? undefined
        : new Authority(stagingDirectory, { email }, { ...shared, authorities }),
      options,
      settings,
      turns: new Turns(),
      onOrder,
      onHeld,
      random,
    };
    const limited = new LimitedLog(log, clock);
    this.#onDemand = options.onDemand &&
      new OnDemand(options.onDemand, { ...this.#deps, sendRequest, limited, signal, namesMax });
  }

  async #add(hosts: readonly string[]): Promise<void> {
    const names = hosts.filter((name) => PLAIN_NAME.test(name) && !this.#byName.has(name));
    for (let first = 0; first < names.length; first += CERTIFICATE_NAMES_MAX) {
      const together = names.slice(first, first + CERTIFICATE_NAMES_MAX);
      const certificate = await ManagedCertificate.open(together, this.#deps);
      this.#certificates.push(certificate);
      for (const name of together) this.#byName.set(name, certificate);
    }
  }

  /** From now on certificates are ordered and renewed, in the background. */
  start(): void {
    this.#inBackground(async () => this.#challenges.removeOld());
    for (const certificate of this.#certificates) {
      this.#inBackground(() => certificate.run(this.#stop.signal));
    }
  }

  find(
    serverName: string,
    hello: ClientHello,
  ): TlsIdentity | undefined | Promise<TlsIdentity | undefined> {
    const { protocols } = hello;
    if (protocols.includes(ACME_TLS_PROTOCOL)) {
      return protocols.length === 1 ? this.#challenges.identity(serverName) : undefined;
    }
    if (serverName === "") {
      return this.#certificates.find(({ identity }) => identity !== undefined)?.identity;
    }
    const certificate = this.#byName.get(serverName);
    return certificate === undefined ? this.#onDemand?.find(serverName) : certificate.identity;
  }

  answerChallenge(host: string, token: string): string | undefined {
    return this.#challenges.httpBody(host, token);
  }

  held(): readonly HeldCertificate[] {
    const all = [...this.#certificates, ...this.#onDemand?.held() ?? []];
    return all.flatMap(({ names, notAfterMs }) =>
      notAfterMs === undefined ? [] : [{ name: names[0]!, notAfterMs }]
    );
  }

  close(): void {
    this.#stop.abort(new Error("Stopped"));
  }

  #inBackground(action: () => Promise<void>): void {
    action().catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.#deps.log.error(message, { code: "internal_error" });
    });
  }
}
