/**
 * The local authority (`tls: internal`): a root that people trust once, and an authority below it
 * that signs, both in the store; what it signs for a site lives for days, in memory alone, and is
 * replaced while it is used. Nothing of the system is changed: to trust the root is people's affair.
 */
import type { Clock } from "../runtime/clock.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import { issueCertificate, type IssuedPair } from "./issue.ts";
import type { CertificateSite, CertificateSource, HeldCertificate } from "./source.ts";
import type { CertificateStore } from "./store.ts";

const DAY_MS = 86_400_000;
export const ROOT_LIFETIME_MS = 3650 * DAY_MS;
export const INTERMEDIATE_LIFETIME_MS = 1825 * DAY_MS;
export const SITE_LIFETIME_MS = 7 * DAY_MS;

const ROOT = "root.pem";
const INTERMEDIATE = "intermediate.pem";
const KEY_BEGIN = "-----BEGIN PRIVATE KEY-----";

/** Of a site for every host. */
const OWN_HOSTS: readonly string[] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/** The root's certificate, PEM; undefined where the store has none yet. */
export function readRoot(store: CertificateStore): string | undefined {
  const text = store.read("internal", ROOT);
  return text === undefined ? undefined : split(text).cert;
}

export class LocalAuthority {
  readonly #clock: Clock;
  readonly #intermediate: IssuedPair;

  /** Makes what the store lacks. @throws {PrivateDirectoryError} */
  static async open(store: CertificateStore, clock: Clock): Promise<LocalAuthority> {
    const nowMs = clock.wallMs();
    const id = crypto.randomUUID().slice(0, 8);
    const root = await kept(store, ROOT, () =>
      issueCertificate({
        commonName: `afcgi local root ${id}`,
        nowMs,
        lifetimeMs: ROOT_LIFETIME_MS,
        pathLength: 1,
      }));
    const intermediate = await kept(store, INTERMEDIATE, () =>
      issueCertificate({
        commonName: `afcgi local authority ${id}`,
        nowMs,
        lifetimeMs: INTERMEDIATE_LIFETIME_MS,
        issuer: root,
      }));
    return new LocalAuthority(intermediate, clock);
  }

  constructor(intermediate: IssuedPair, clock: Clock) {
    this.#intermediate = intermediate;
    this.#clock = clock;
  }

  /** A source for one site. */
  sourceFor({ hosts }: Pick<CertificateSite, "hosts">): CertificateSource {
    return new LocalSource(hosts.length === 0 ? OWN_HOSTS : hosts, this);
  }

  nowMs(): number {
    return this.#clock.wallMs();
  }

  async issue(hosts: readonly string[]): Promise<TlsIdentity> {
    const { cert, key } = await issueCertificate({
      commonName: (hosts[0] ?? "localhost").slice(0, 64),
      nowMs: this.nowMs(),
      lifetimeMs: SITE_LIFETIME_MS,
      hosts,
      issuer: this.#intermediate,
    });
    return { cert: cert + this.#intermediate.cert, key };
  }
}

/** Who is first makes it, and everybody has the same. */
async function kept(
  store: CertificateStore,
  name: string,
  make: () => Promise<IssuedPair>,
): Promise<IssuedPair> {
  const known = store.read("internal", name);
  if (known !== undefined) return split(known);
  const made = await make();
  store.create("internal", name, made.cert + made.key);
  return split(store.read("internal", name)!);
}

function split(text: string): IssuedPair {
  const offset = text.indexOf(KEY_BEGIN);
  return { cert: text.slice(0, offset), key: text.slice(offset) };
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
    const renewAtMs = nowMs + SITE_LIFETIME_MS * 2 / 3;
    this.#leaf = { identity, renewAtMs, notAfterMs: nowMs + SITE_LIFETIME_MS };
    return this.#leaf;
  }
}
