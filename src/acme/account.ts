/**
 * Our account at an authority: a key, kept in the store for each directory, and the address that the
 * authority has given it. Several processes share it; the first one makes it, under a lock.
 */
import {
  calculateJwkThumbprint,
  exportJWK,
  FlattenedSign,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";
import { type CertificateStore, storeName } from "../certificates/store.ts";
import type { AcmeClient, Signer } from "./client.ts";
import { isRecord, parseJson } from "./json.ts";
import type { AcmeOptions } from "./options.ts";
import { AcmeError } from "./problem.ts";

const ALGORITHM = "ES256";

/** Problems that say that the account is gone for good (RFC 8555 section 6.7). */
const ACCOUNT_GONE: ReadonlySet<string> = new Set(["accountDoesNotExist", "unauthorized"]);

export interface Account extends Signer {
  readonly account: string;
  /** Of its key (RFC 7638), for responses to challenges. */
  readonly thumbprint: string;
}

type AccountOptions = Pick<AcmeOptions, "email" | "eab">;

/** What is kept of it. */
interface StoredAccount {
  readonly directory: string;
  readonly key: JWK;
  readonly url?: string | undefined;
  readonly email?: string | undefined;
}

export class Accounts {
  readonly #store: CertificateStore;
  readonly #client: AcmeClient;
  readonly #options: AccountOptions;
  #account: Promise<Account> | undefined;

  constructor(store: CertificateStore, client: AcmeClient, options: AccountOptions) {
    this.#store = store;
    this.#client = client;
    this.#options = options;
  }

  /** @throws {AcmeError} when the authority does not want us */
  async get(signal: AbortSignal): Promise<Account> {
    const account = this.#account ??= this.#open(signal);
    try {
      return await account;
    } catch (error) {
      if (this.#account === account) this.#account = undefined;
      throw error;
    }
  }

  /** Makes another account next time, where the authority says that it knows this one no more. */
  async forgetIfGone(account: Account, error: unknown, signal: AbortSignal): Promise<boolean> {
    if (!(error instanceof AcmeError) || !ACCOUNT_GONE.has(error.type)) return false;
    if (error.type === "unauthorized" && await this.#isKnown(account)) return false;
    const file = await this.#file();
    await this.#store.withLock(`account-${file}`, async () => {
      if (readStored(this.#store.read("accounts", file))?.url !== account.account) return;
      this.#store.remove("accounts", file);
    }, signal);
    this.#account = undefined;
    return true;
  }

  async #file(): Promise<string> {
    const { eab } = this.#options;
    const { directoryUrl } = this.#client;
    const { host } = new URL(directoryUrl);
    return `${await storeName(`${host} ${directoryUrl} ${eab?.keyId ?? ""}`)}.json`;
  }

  async #open(signal: AbortSignal): Promise<Account> {
    const file = await this.#file();
    const known = await this.#usable(file);
    if (known !== undefined) return known;
    return await this.#store.withLock(`account-${file}`, async () => {
      return await this.#usable(file) ?? await this.#register(file);
    }, signal);
  }

  async #usable(file: string): Promise<Account | undefined> {
    const stored = readStored(this.#store.read("accounts", file));
    if (stored?.url === undefined || stored.email !== this.#options.email) return undefined;
    // An authority that has moved would not know it.
    this.#client.messages.url("account", stored.url);
    return await accountOf(stored.key, stored.url);
  }

  async #register(file: string): Promise<Account> {
    const stored = readStored(this.#store.read("accounts", file));
    const { email } = this.#options;
    const directory = this.#client.directoryUrl;
    const key = stored?.key ?? await newKey();
    // Kept before it is known to the authority: an account without its key is nobody's.
    if (stored === undefined) await this.#keep(file, { directory, key });
    const contact = email === undefined ? [] : [`mailto:${email}`];
    if (stored?.url !== undefined) {
      const account = await accountOf(key, stored.url);
      await this.#client.post(account.account, { contact }, account, "change the account's email");
    }
    const url = stored?.url ?? await this.#create(key, contact);
    await this.#keep(file, { directory, key, url, ...(email !== undefined && { email }) });
    return await accountOf(key, url);
  }

  async #create(key: JWK, contact: readonly string[]): Promise<string> {
    const { newAccount, needsExternalAccount } = await this.#client.directory();
    const { eab } = this.#options;
    if (needsExternalAccount && eab === undefined) {
      throw new AcmeError(
        "Cannot open an account: the authority wants one that you have there (set acme.eab)",
      );
    }
    const signer = await signerOf(key);
    const response = await this.#client.post(
      newAccount,
      {
        termsOfServiceAgreed: true,
        ...(contact.length > 0 && { contact }),
        ...(eab && {
          externalAccountBinding: await binding(signer.publicJwk, eab, newAccount),
        }),
      },
      signer,
      "open an account",
    );
    return this.#client.messages.url("account", response.headers.get("location"));
  }

  async #isKnown(account: Account): Promise<boolean> {
    try {
      const { json } = await this.#client.post(
        account.account,
        undefined,
        account,
        "look at the account",
      );
      return !isRecord(json) || json["status"] === undefined || json["status"] === "valid";
    } catch (error) {
      return !(error instanceof AcmeError && ACCOUNT_GONE.has(error.type));
    }
  }

  async #keep(file: string, stored: StoredAccount): Promise<void> {
    await this.#store.write("accounts", file, `${JSON.stringify(stored, undefined, 2)}\n`);
  }
}

/** Undefined where there is none, or none that can be read. */
function readStored(text: string | undefined): StoredAccount | undefined {
  const value = text === undefined ? undefined : parseJson(text);
  if (!isRecord(value)) return undefined;
  const { directory, key, url, email } = value;
  if (typeof directory !== "string" || !isRecord(key) || typeof key["d"] !== "string") {
    return undefined;
  }
  return {
    directory,
    key,
    url: typeof url === "string" ? url : undefined,
    email: typeof email === "string" ? email : undefined,
  };
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return await exportJWK(privateKey);
}

async function signerOf(jwk: JWK): Promise<Signer> {
  const { crv = "", x = "", y = "" } = jwk;
  const key = await importJWK(jwk, ALGORITHM);
  if (key instanceof Uint8Array) throw new AcmeError("Cannot use the account's key");
  return { key, account: undefined, publicJwk: { kty: "EC", crv, x, y } };
}

async function accountOf(jwk: JWK, url: string): Promise<Account> {
  const signer = await signerOf(jwk);
  return { ...signer, account: url, thumbprint: await calculateJwkThumbprint(signer.publicJwk) };
}

/** The key in the other account's name (RFC 8555 section 7.3.4). */
async function binding(
  publicJwk: JWK,
  { keyId, hmacKey }: NonNullable<AcmeOptions["eab"]>,
  url: string,
) {
  return await new FlattenedSign(new TextEncoder().encode(JSON.stringify(publicJwk)))
    .setProtectedHeader({ alg: "HS256", kid: keyId, url })
    .sign(fromBase64Url(hmacKey));
}

/** Authorities give it with or without padding, in either alphabet. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
}
