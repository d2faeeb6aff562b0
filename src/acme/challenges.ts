/**
 * What an authority looks for when it wants to know whether a name is ours: a text over HTTP
 * (RFC 8555 section 8.3), a certificate over TLS (RFC 8737). Only what is pending is answered. It
 * lies in the store, because the authority may meet any of the processes that serve the name.
 */
import { boolean, objectIdentifier, octetString, sequence } from "../certificates/der.ts";
import { makeSelfSigned } from "../certificates/self_signed.ts";
import { type CertificateStore, PrivateDirectoryError, storeName } from "../certificates/store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import { isRecord, parseJson } from "./json.ts";
import { TOKEN } from "./messages.ts";
import type { ChallengeKind } from "./options.ts";

/** What an authority says over TLS that wants to see a challenge's certificate, and nothing else. */
export const ACME_TLS_PROTOCOL = "acme-tls/1";

/** One that is older was left behind by a process that was killed. */
export const CHALLENGE_AGE_MAX_MS = 3_600_000;

/** Identities that are kept between an authority's handshakes; it looks from several places. */
const IDENTITIES_MAX = 100;

const ACME_IDENTIFIER = "1.3.6.1.5.5.7.1.31";

export interface PresentedChallenge {
  /** Nobody is answered any more. */
  withdraw(): void;
}

interface Kept {
  readonly name: string;
  readonly untilMs: number;
  /** The text, or certificate and key. */
  readonly value: string;
  readonly key: string;
}

export class Challenges {
  readonly #store: CertificateStore;
  readonly #clock: Pick<Clock, "wallMs">;
  /** By what is kept of them, so that one challenge is one certificate. */
  readonly #identities = new Map<string, TlsIdentity>();

  constructor(store: CertificateStore, clock: Pick<Clock, "wallMs">) {
    this.#store = store;
    this.#clock = clock;
  }

  /** `keyAuthorization` is the token with the account's thumbprint. */
  async present(
    kind: ChallengeKind,
    name: string,
    token: string,
    keyAuthorization: string,
  ): Promise<PresentedChallenge> {
    const file = kind === "http-01" ? httpFile(token) : await tlsFile(name);
    const untilMs = this.#clock.wallMs() + CHALLENGE_AGE_MAX_MS;
    const made = kind === "http-01"
      ? { cert: keyAuthorization, key: "" }
      : await challengeCertificate(name, keyAuthorization, this.#clock.wallMs());
    const kept: Kept = { name, untilMs, value: made.cert, key: made.key };
    await this.#store.write("challenges", file, JSON.stringify(kept));
    return { withdraw: () => this.#withdraw(file) };
  }

  /** The body for `/.well-known/acme-challenge/TOKEN`; undefined: nothing of that is pending. */
  httpBody(host: string, token: string): string | undefined {
    if (!TOKEN.test(token)) return undefined;
    const kept = this.#read(httpFile(token));
    return kept?.name === host.toLowerCase() ? kept.value : undefined;
  }

  /** The certificate for a handshake that is a challenge; undefined: none is pending for the name. */
  async identity(serverName: string): Promise<TlsIdentity | undefined> {
    const kept = this.#read(await tlsFile(serverName));
    if (kept?.name !== serverName) return undefined;
    const known = this.#identities.get(kept.value);
    if (known !== undefined) return known;
    const made = { cert: kept.value, key: kept.key, protocols: [ACME_TLS_PROTOCOL] };
    if (this.#identities.size >= IDENTITIES_MAX) this.#identities.clear();
    this.#identities.set(kept.value, made);
    return made;
  }

  /** Removes what processes have left behind that were killed; what it cannot the next start does. */
  removeOld(): void {
    try {
      for (const file of this.#store.list("challenges")) {
        if (this.#read(file) === undefined) this.#store.remove("challenges", file);
      }
    } catch (error) {
      if (!(error instanceof PrivateDirectoryError)) throw error;
    }
  }

  /** What cannot be removed now gets old. */
  #withdraw(file: string): void {
    try {
      this.#store.remove("challenges", file);
    } catch (error) {
      if (!(error instanceof PrivateDirectoryError)) throw error;
    }
  }

  /** What cannot be read is not answered: an authority says so, and its words are logged. */
  #read(file: string): Kept | undefined {
    let stored: string | undefined;
    try {
      stored = this.#store.read("challenges", file);
    } catch (error) {
      if (!(error instanceof PrivateDirectoryError)) throw error;
    }
    const value = parseJson(stored ?? "");
    if (!isRecord(value)) return undefined;
    const { name, untilMs, value: text, key } = value;
    const isWhole = typeof name === "string" && typeof untilMs === "number" &&
      typeof text === "string" && typeof key === "string";
    if (!isWhole || untilMs < this.#clock.wallMs()) return undefined;
    return { name, untilMs, value: text, key };
  }
}

function httpFile(token: string): string {
  return `http.${token}`;
}

async function tlsFile(name: string): Promise<string> {
  return `tls.${await storeName(name)}`;
}

/** It vouches for nothing but that who answers knows the challenge (RFC 8737 section 3). */
async function challengeCertificate(name: string, keyAuthorization: string, nowMs: number) {
  const bytes = new TextEncoder().encode(keyAuthorization);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const extension = sequence(
    objectIdentifier(ACME_IDENTIFIER),
    boolean(true),
    octetString(octetString(digest)),
  );
  return await makeSelfSigned(name, nowMs, [extension]);
}
