/**
 * What an authority sends (RFC 8555 section 7.1), checked before anything is done with it: types,
 * lengths, and that each address it sends us to is its own, because we sign what we send there.
 */
import { isRecord, type JsonRecord } from "./json.ts";
import { AcmeError } from "./problem.ts";

/** Most entries of a list that is looked at: names of an order, challenges of a name. */
const LIST_LENGTH_MAX = 100;
const URL_LENGTH_MAX = 2048;
/** Tokens are base64url, with 128 bits at least (RFC 8555 section 8.1). */
export const TOKEN = /^[A-Za-z0-9_-]{22,128}$/;

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** Where renewal times are asked for (RFC 9773); undefined: nowhere. */
  readonly renewalInfo: string | undefined;
  readonly needsExternalAccount: boolean;
  /** Names of profiles; undefined where the authority has none. */
  readonly profiles: readonly string[] | undefined;
}

export interface Order {
  readonly status: "pending" | "ready" | "processing" | "valid" | "invalid";
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate: string | undefined;
  readonly error: unknown;
}

export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token: string;
  readonly status: string;
  readonly error: unknown;
}

export interface Authorization {
  readonly status: string;
  readonly name: string;
  readonly challenges: readonly Challenge[];
}

/** A time span in which the authority would like a certificate to be renewed. */
export interface RenewalWindow {
  readonly startMs: number;
  readonly endMs: number;
}

/** Reads what one authority sends. */
export class MessageReader {
  readonly #origin: string;

  /** `directory` is its directory's URL. */
  constructor(directory: string) {
    this.#origin = new URL(directory).origin;
  }

  directory(value: unknown): Directory {
    const fields = record("directory", value);
    const meta = isRecord(fields["meta"]) ? fields["meta"] : {};
    const { renewalInfo } = fields;
    const { profiles } = meta;
    return {
      newNonce: this.url("directory", fields["newNonce"]),
      newAccount: this.url("directory", fields["newAccount"]),
      newOrder: this.url("directory", fields["newOrder"]),
      renewalInfo: renewalInfo === undefined ? undefined : this.url("directory", renewalInfo),
      needsExternalAccount: meta["externalAccountRequired"] === true,
      profiles: isRecord(profiles) ? Object.keys(profiles).slice(0, LIST_LENGTH_MAX) : undefined,
    };
  }

  order(value: unknown): Order {
    const fields = record("order", value);
    const { status, certificate, error } = fields;
    if (!isOrderStatus(status)) throw unreadable("order");
    return {
      status,
      authorizations: list("order", fields["authorizations"]).map((url) => this.url("order", url)),
      finalize: this.url("order", fields["finalize"]),
      certificate: certificate === undefined ? undefined : this.url("order", certificate),
      error,
    };
  }

  authorization(value: unknown): Authorization {
    const fields = record("authorization", value);
    const identifier = record("authorization", fields["identifier"]);
    if (identifier["type"] !== "dns") throw unreadable("authorization");
    return {
      status: text("authorization", fields["status"]),
      name: text("authorization", identifier["value"]).toLowerCase(),
      challenges: list("authorization", fields["challenges"]).flatMap((one) =>
        this.#challenge(one)
      ),
    };
  }

  /** One of its own addresses. @throws {AcmeError} */
  url(what: string, value: unknown): string {
    if (typeof value !== "string" || value.length > URL_LENGTH_MAX || !URL.canParse(value)) {
      throw unreadable(what);
    }
    if (new URL(value).origin === this.#origin) return value;
    throw new AcmeError(
      `Cannot trust the authority's ${what}: it names an address outside of ${this.#origin}`,
    );
  }

  /** None where it is of a kind that we do not know: those may look otherwise. */
  #challenge(value: unknown): Challenge[] {
    if (!isRecord(value) || typeof value["type"] !== "string") throw unreadable("challenge");
    const { type, token, status = "pending", error } = value;
    if (type !== "http-01" && type !== "tls-alpn-01") return [];
    if (typeof token !== "string" || !TOKEN.test(token)) throw unreadable("challenge");
    const url = this.url("challenge", value["url"]);
    return [{ type, url, token, status: text("challenge", status), error }];
  }
}

/** Undefined where it says nothing that we can use. */
export function readRenewalWindow(value: unknown): RenewalWindow | undefined {
  const window = isRecord(value) ? value["suggestedWindow"] : undefined;
  if (!isRecord(window)) return undefined;
  const { start, end } = window;
  const startMs = typeof start === "string" ? Date.parse(start) : NaN;
  const endMs = typeof end === "string" ? Date.parse(end) : NaN;
  return startMs <= endMs ? { startMs, endMs } : undefined;
}

function isOrderStatus(value: unknown): value is Order["status"] {
  return value === "pending" || value === "ready" || value === "processing" ||
    value === "valid" || value === "invalid";
}

function record(what: string, value: unknown): JsonRecord {
  if (isRecord(value)) return value;
  throw unreadable(what);
}

function text(what: string, value: unknown): string {
  if (typeof value === "string" && value.length <= URL_LENGTH_MAX) return value;
  throw unreadable(what);
}

function list(what: string, value: unknown): unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= LIST_LENGTH_MAX) return value;
  throw unreadable(what);
}

function unreadable(what: string): AcmeError {
  return new AcmeError(`Cannot read the authority's ${what}: it is not as RFC 8555 has it`);
}
