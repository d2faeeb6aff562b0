/**
 * The local authority (`tls: internal`): a root that people trust once, and an authority below it
 * that signs, both in the store; what it signs for a site lives for days, in memory alone, and is
 * replaced while it is used. Nothing of the system is changed: to trust the root is people's affair.
 *
 * All three are replaced in the last third of their lives. The root keeps its name and key, so who
 * trusts the old one has until its end to trust the new one.
 */
import type { Logger } from "../observe/logger.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import { PrivateDirectoryError } from "../runtime/private_directory.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type CertificateFacts, TlsError } from "../runtime/tls.ts";
import { issueCertificate, type IssuedPair, reissueRoot } from "./issue.ts";
import { joinPem, splitPem } from "./pem.ts";
import type { CertificateSite, CertificateSource, HeldCertificate } from "./source.ts";
import type { CertificateStore } from "./store.ts";

const DAY_MS = 86_400_000;
export const ROOT_LIFETIME_MS = 3650 * DAY_MS;
export const INTERMEDIATE_LIFETIME_MS = 1825 * DAY_MS;
export const SITE_LIFETIME_MS = 7 * DAY_MS;
/** Share of a lifetime behind which a certificate is replaced. */
const RENEWAL_SHARE = 2 / 3;

const ROOT = "root.pem";
const INTERMEDIATE = "intermediate.pem";

/** Of a site for every host. */
const OWN_HOSTS: readonly string[] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/** The root's certificate, PEM; undefined where the store has none yet. */
export function readRoot(store: CertificateStore): string | undefined {
  return splitPem(store.read("internal", ROOT) ?? "")?.cert;
}

type AuthorityRuntime = Pick<Runtime, "clock" | "tls">;

interface Held extends IssuedPair {
  readonly facts: CertificateFacts;
}

export class LocalAuthority {
  readonly #store: CertificateStore;
  readonly #runtime: AuthorityRuntime;
  readonly #log: Logger;
  #root: Held;
  #intermediate: Held;
  #renewing: Promise<void> | undefined;

  /**
   * Makes what the store lacks, and renews what is old.
   *
   * @throws {PrivateDirectoryError}
   * @throws {TlsError} when what the store has is of no use
   */
  static async open(
    store: CertificateStore,
    runtime: AuthorityRuntime,
    log: Logger,
  ): Promise<LocalAuthority> {
    const root = await kept(store, ROOT, runtime, () => newRoot(runtime));
    const intermediate = await kept(
      store,
      INTERMEDIATE,
      runtime,
      () => newIntermediate(root, runtime),
    );
    const authority = new LocalAuthority({ store, runtime, log, root, intermediate });
    await authority.#renewOld();
    return authority;
  }

  private constructor(
    { store, runtime, log, root, intermediate }: {
      readonly store: CertificateStore;
      readonly runtime: AuthorityRuntime;
      readonly log: Logger;
      readonly root: Held;
      readonly intermediate: Held;
    },
  ) {
    this.#store = store;
    this.#runtime = runtime;
    this.#log = log;
    this.#root = root;
    this.#intermediate = intermediate;
  }

  sourceFor({ hosts }: Pick<CertificateSite, "hosts">): CertificateSource {
    return new LocalSource(hosts.length === 0 ? OWN_HOSTS : hosts, this);
  }

  nowMs(): number {
    return this.#runtime.clock.wallMs();
  }

  async issue(hosts: readonly string[]): Promise<TlsIdentity> {
    await this.#renewOld();
    const issuer = this.#intermediate;
    const { cert, key } = await issueCertificate({
      commonName: hosts[0] ?? "localhost",
      nowMs: this.nowMs(),
      lifetimeMs: SITE_LIFETIME_MS,
      hosts,
      issuer,
    });
    return { cert: cert + issuer.cert, key };
  }

  /** The two authorities, as people look after them. */
  held(): readonly HeldCertificate[] {
    const [root, intermediate] = [this.#root, this.#intermediate];
    return [
      { name: "root", notAfterMs: root.facts.notAfterMs },
      { name: "intermediate", notAfterMs: intermediate.facts.notAfterMs },
    ];
  }

  /** Each certificate of a site comes this way, so it is looked at every few days. */
  #renewOld(): Promise<void> {
    return this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined);
  }

  async #renew(): Promise<void> {
    if (this.#isOld(this.#root)) {
      const before = new Date(this.#root.facts.notAfterMs).toISOString();
      this.#root = await this.#replaced(ROOT, (root) => this.#isOld(root), this.#reissuedRoot);
      const message =
        `The local root was renewed: trust the new one (afcgi trust) before ${before}`;
      this.#log.warn(message, { code: "certificate_renewed" });
    }
    const isStale = (one: Held): boolean =>
      this.#isOld(one) || !this.#root.facts.hasIssued(one.facts);
    if (!isStale(this.#intermediate)) return;
    this.#intermediate = await this.#replaced(
      INTERMEDIATE,
      isStale,
      () => newIntermediate(this.#root, this.#runtime),
    );
    const until = new Date(this.#intermediate.facts.notAfterMs).toISOString();
    this.#log.info("The local authority was renewed", { code: "certificate_renewed", until });
  }

  readonly #reissuedRoot = async (): Promise<Held> => {
    const options = { nowMs: this.nowMs(), lifetimeMs: ROOT_LIFETIME_MS, pathLength: 1 };
    return heldOf(await reissueRoot(this.#root, options), this.#runtime);
  };

  #isOld({ facts: { notBeforeMs, notAfterMs } }: Held): boolean {
    return this.nowMs() >= notBeforeMs + (notAfterMs - notBeforeMs) * RENEWAL_SHARE;
  }

  /** That of another process where it was faster. A store that fails costs nobody a certificate. */
  async #replaced(
    name: string,
    isStale: (one: Held) => boolean,
    make: () => Promise<Held>,
  ): Promise<Held> {
    const made = await make();
    try {
      const known = readHeld(this.#store, name, this.#runtime);
      if (known !== undefined && !isStale(known)) return known;
      await this.#store.write("internal", name, joinPem(made));
    } catch (error) {
      if (!(error instanceof PrivateDirectoryError)) throw error;
      const message = `The local authority serves from memory alone: ${error.message}`;
      this.#log.error(message, { code: "certificate_failed" });
    }
    return made;
  }
}

async function newRoot(runtime: AuthorityRuntime): Promise<Held> {
  const commonName = `afcgi local root ${crypto.randomUUID().slice(0, 8)}`;
  const nowMs = runtime.clock.wallMs();
  const options = { commonName, nowMs, lifetimeMs: ROOT_LIFETIME_MS, pathLength: 1 };
  return heldOf(await issueCertificate(options), runtime);
}

async function newIntermediate(issuer: IssuedPair, runtime: AuthorityRuntime): Promise<Held> {
  const commonName = `afcgi local authority ${crypto.randomUUID().slice(0, 8)}`;
  const nowMs = runtime.clock.wallMs();
  const options = { commonName, nowMs, lifetimeMs: INTERMEDIATE_LIFETIME_MS, issuer };
  return heldOf(await issueCertificate(options), runtime);
}

function heldOf({ cert, key }: IssuedPair, { tls }: Pick<AuthorityRuntime, "tls">): Held {
  const [facts] = tls.readCertificates(cert);
  if (!facts?.hasKey(key)) throw new TlsError("Its key is another one's");
  return { cert, key, facts };
}

/** Who is first makes it, and everybody has the same. */
async function kept(
  store: CertificateStore,
  name: string,
  runtime: AuthorityRuntime,
  make: () => Promise<Held>,
): Promise<Held> {
  const known = readHeld(store, name, runtime);
  if (known !== undefined) return known;
  store.create("internal", name, joinPem(await make()));
  return readHeld(store, name, runtime)!;
}

/** Undefined where there is none. @throws {TlsError} where it is of no use */
function readHeld(
  store: CertificateStore,
  name: string,
  runtime: AuthorityRuntime,
): Held | undefined {
  const text = store.read("internal", name);
  if (text === undefined) return undefined;
  const pair = splitPem(text);
  try {
    if (pair !== undefined) return heldOf(pair, runtime);
  } catch (cause) {
    throw unusable(name, cause);
  }
  throw unusable(name);
}

function unusable(name: string, cause?: unknown): TlsError {
  const remedy = "remove it; the root that is made then is to be trusted anew";
  return new TlsError(`"internal/${name}" is no certificate with its key (${remedy})`, { cause });
}

interface Leaf {
  readonly identity: TlsIdentity;
  readonly renewAtMs: number;
  readonly notAfterMs: number;
}

class LocalSource implements CertificateSource {
  readonly #hosts: readonly string[];
  readonly #authority: LocalAuthority;
  #leaf: Leaf | undefined;
  #issuing: Promise<Leaf> | undefined;

  constructor(hosts: readonly string[], authority: LocalAuthority) {
    this.#hosts = hosts;
    this.#authority = authority;
  }

  /** In the last third of its time it is replaced; it serves until the new one is there. */
  find(): TlsIdentity | Promise<TlsIdentity> {
    const nowMs = this.#authority.nowMs();
    const leaf = this.#leaf;
    if (leaf !== undefined && nowMs < leaf.renewAtMs) return leaf.identity;
    const issuing = this.#issue();
    if (leaf !== undefined && nowMs < leaf.notAfterMs) {
      issuing.catch(() => {});
      return leaf.identity;
    }
    return issuing.then(({ identity }) => identity);
  }

  held(): readonly HeldCertificate[] {
    const { notAfterMs } = this.#leaf ?? {};
    return notAfterMs === undefined ? [] : [{ name: this.#hosts[0] ?? "", notAfterMs }];
  }

  close(): void {}

  #issue(): Promise<Leaf> {
    this.#issuing ??= this.#make().finally(() => this.#issuing = undefined);
    return this.#issuing;
  }

  async #make(): Promise<Leaf> {
    const nowMs = this.#authority.nowMs();
    const identity = await this.#authority.issue(this.#hosts);
    const renewAtMs = nowMs + SITE_LIFETIME_MS * RENEWAL_SHARE;
    this.#leaf = { identity, renewAtMs, notAfterMs: nowMs + SITE_LIFETIME_MS };
    return this.#leaf;
  }
}
