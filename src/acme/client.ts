/**
 * Requests to one authority, signed (RFC 8555 section 6): with a nonce that is good once, again where
 * the authority does not like the nonce, and never to anybody else. It knows no order; what a
 * response means is said by who asked.
 */
import { FlattenedSign, type JWK } from "jose";
import type { Clock } from "../runtime/clock.ts";
import {
  OutgoingError,
  type OutgoingRequest,
  type OutgoingResponse,
  type SendRequest,
} from "../runtime/https_client.ts";
import { isRecord, parseJson } from "./json.ts";
import { type Directory, MessageReader } from "./messages.ts";
import { AcmeError, problemError } from "./problem.ts";

/** How long a response may take, to its last byte. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Most bytes of a response; a chain of certificates has 4 to 10 KiB. */
export const RESPONSE_LENGTH_MAX = 256 * 1024;
/** How often a request is sent whose nonce the authority does not like. */
export const NONCE_TRIES_MAX = 20;
/** Nonces that are kept for requests to come. */
const NONCES_MAX = 16;
/** How long a directory is good. */
const DIRECTORY_AGE_MAX_MS = 3_600_000;
/** Longest time for which an authority may ask us to stay away. */
export const RETRY_AFTER_MAX_MS = 7 * 24 * 3_600_000;

const NONCE = /^[A-Za-z0-9_-]{1,256}$/;
const encoder = new TextEncoder();

/** Who signs: an account by its URL, or a key that has none yet. */
export interface Signer {
  readonly key: CryptoKey;
  readonly account: string | undefined;
  readonly publicJwk: JWK;
}

export interface AcmeResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where it is no JSON. */
  readonly json: unknown;
  readonly retryAfterMs: number | undefined;
}

export interface AcmeClientDeps {
  readonly sendRequest: SendRequest;
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly userAgent: string;
  /** PEM; undefined: the authorities that everybody trusts. */
  readonly authorities: string | undefined;
  readonly signal: AbortSignal;
}

export class AcmeClient {
  readonly directoryUrl: string;
  readonly messages: MessageReader;
  readonly #deps: AcmeClientDeps;
  readonly #nonces: string[] = [];
  #directory: { readonly value: Directory; readonly readMs: number } | undefined;

  constructor(directoryUrl: string, deps: AcmeClientDeps) {
    this.directoryUrl = directoryUrl;
    this.messages = new MessageReader(directoryUrl);
    this.#deps = deps;
  }

  /** @throws {AcmeError} */
  async directory(): Promise<Directory> {
    const nowMs = this.#deps.clock.nowMs();
    const known = this.#directory;
    if (known !== undefined && nowMs - known.readMs < DIRECTORY_AGE_MAX_MS) return known.value;
    const { status, json, retryAfterMs } = await this.get(this.directoryUrl, "read the directory");
    if (status !== 200) throw problemError("read the directory", json, { status, retryAfterMs });
    const value = this.messages.directory(json);
    this.#directory = { value, readMs: nowMs };
    return value;
  }

  /** Without a signature, as the directory and renewal times are asked for. @throws {AcmeError} */
  async get(url: string, doing: string): Promise<AcmeResponse> {
    return this.#read(await this.#send(doing, { method: "GET", url }));
  }

  /**
   * Signed; without a payload it only asks (POST-as-GET). `doing` is for the error's text.
   *
   * @throws {AcmeError} also when the authority says no
   */
  async post(
    url: string,
    payload: object | undefined,
    signer: Signer,
    doing: string,
    accept = "application/json",
  ): Promise<AcmeResponse> {
    for (let tries = 1;; tries++) {
      const nonce = this.#nonces.pop() ?? await this.#newNonce(doing);
      const body = await signed(url, payload, signer, nonce);
      const response = this.#read(
        await this.#send(doing, {
          method: "POST",
          url,
          body: JSON.stringify(body),
          headers: { "content-type": "application/jose+json", accept },
        }),
      );
      const { status, json, retryAfterMs } = response;
      if (status >= 200 && status < 300) return response;
      const error = problemError(doing, json, { status, retryAfterMs });
      if (error.type !== "badNonce" || tries >= NONCE_TRIES_MAX) throw error;
    }
  }

  async #newNonce(doing: string): Promise<string> {
    const { newNonce } = await this.directory();
    const response = this.#read(await this.#send(doing, { method: "HEAD", url: newNonce }));
    const nonce = this.#nonces.pop();
    if (nonce !== undefined) return nonce;
    const { status, retryAfterMs } = response;
    throw new AcmeError(`Cannot ${doing}: the authority gives no nonce (HTTP status ${status})`, {
      status,
      retryAfterMs,
    });
  }

  async #send(
    doing: string,
    request: Pick<OutgoingRequest, "method" | "url" | "body"> & Partial<OutgoingRequest>,
  ): Promise<OutgoingResponse> {
    const { sendRequest, userAgent, authorities, signal } = this.#deps;
    try {
      return await sendRequest({
        ...request,
        headers: { accept: "application/json", ...request.headers, "user-agent": userAgent },
        authorities,
        timeoutMs: REQUEST_TIMEOUT_MS,
        bodyLengthMax: RESPONSE_LENGTH_MAX,
        signal,
      });
    } catch (cause) {
      if (!(cause instanceof OutgoingError)) throw cause;
      throw new AcmeError(`Cannot ${doing}: ${cause.message}`, { cause });
    }
  }

  #read({ status, headers, body }: OutgoingResponse): AcmeResponse {
    const nonce = headers.get("replay-nonce");
    if (nonce !== null && NONCE.test(nonce) && this.#nonces.length < NONCES_MAX) {
      this.#nonces.push(nonce);
    }
    const retryAfterMs = readRetryAfter(headers.get("retry-after"), this.#deps.clock.wallMs());
    return { status, headers, text: body, json: parseJson(body), retryAfterMs };
  }
}

/** Seconds or a date (RFC 9110 section 10.2.3), in milliseconds from now. */
export function readRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS);
}

async function signed(
  url: string,
  payload: object | undefined,
  { key, account, publicJwk }: Signer,
  nonce: string,
) {
  const text = payload === undefined ? "" : JSON.stringify(payload);
  const who = account === undefined ? { jwk: publicJwk } : { kid: account };
  return await new FlattenedSign(encoder.encode(text))
    .setProtectedHeader({ alg: "ES256", nonce, url, ...who })
    .sign(key);
}

/** The resource's own error, where its status says that it failed. */
export function resourceError(doing: string, error: unknown): AcmeError {
  return problemError(doing, isRecord(error) ? error : { detail: "the authority says no more" });
}
