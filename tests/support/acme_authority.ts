/**
 * An authority for certificates in memory (RFC 8555, RFC 9773): it checks signatures, nonces and
 * challenges as a real one does, issues certificates that its own key signs, and does each wrong thing
 * that a test asks for.
 */
import { calculateJwkThumbprint, flattenedVerify, importJWK, type JWK } from "jose";
import { base64Url } from "../../src/acme/order.ts";
import {
  concat,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from "../../src/certificates/der.ts";
import { type DerValue, derValues } from "../../src/certificates/der_reader.ts";
import { signatureAlgorithm, signed } from "../../src/certificates/ecdsa.ts";
import { pem } from "../../src/certificates/pem.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { OutgoingRequest, OutgoingResponse } from "../../src/runtime/https_client.ts";

export const DIRECTORY = "https://authority.test/directory";
const DAY_MS = 24 * 3_600_000;

export interface ChallengeCheck {
  readonly kind: string;
  readonly name: string;
  readonly token: string;
  readonly keyAuthorization: string;
}

export interface AcmeAuthorityOptions {
  readonly clock: Clock;
  /** Whether the name's server shows what it should; left out: it does. */
  readonly check?: (challenge: ChallengeCheck) => boolean | Promise<boolean>;
  readonly lifetimeMs?: number;
  /** Accounts by key id, with their keys; left out: anybody may have an account. */
  readonly external?: Readonly<Record<string, Uint8Array>>;
  readonly profiles?: readonly string[];
  readonly kinds?: readonly string[];
  readonly directory?: string;
}

interface Order {
  readonly id: number;
  readonly account: string;
  readonly names: readonly string[];
  readonly profile: string | undefined;
  readonly replaces: string | undefined;
  status: string;
  /** How often it is looked at before it is done. */
  looks: number;
  certificate: string | undefined;
}

interface Authorization {
  readonly name: string;
  readonly token: string;
  readonly order: Order;
  status: string;
  error: object | undefined;
  failedKind: string | undefined;
}

/** What a test says instead of the authority; undefined: the authority itself. */
export type Interference = (
  request: OutgoingRequest,
  path: string,
) => Partial<AuthorityResponse> | Promise<Partial<AuthorityResponse>> | undefined;

interface AuthorityResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

export class AcmeAuthority {
  readonly orders: Order[] = [];
  readonly accounts = new Map<string, JWK & { contact?: unknown }>();
  /** Paths that were asked for, in their order. */
  readonly requests: string[] = [];
  /** Nonces that are refused though they are good. */
  badNonces = 0;
  interfere: Interference = () => undefined;
  /** What it says of renewal; undefined: it has no such thing. */
  renewalInfo: { start: number; end: number; retryAfterS?: number } | undefined;
  /** Most orders that were open at the same time. */
  mostOpen = 0;
  readonly #options: AcmeAuthorityOptions;
  readonly #origin: string;
  readonly #nonces = new Set<string>();
  readonly #authorizations: Authorization[] = [];
  #keys: Promise<CryptoKeyPair> | undefined;
  #count = 0;

  constructor(options: AcmeAuthorityOptions) {
    this.#options = options;
    this.#origin = new URL(options.directory ?? DIRECTORY).origin;
  }

  readonly send = async (request: OutgoingRequest): Promise<OutgoingResponse> => {
    request.signal?.throwIfAborted();
    const { origin, pathname } = new URL(request.url);
    if (origin !== this.#origin) throw new Error(`The authority is not at ${origin}`);
    this.requests.push(`${request.method} ${pathname}`);
    const said = await this.interfere(request, pathname);
    const response: Partial<AuthorityResponse> = said ?? await this.#answer(request, pathname);
    const { status = 200, headers = {}, body = {} } = response;
    const nonce = `nonce-${++this.#count}`;
    this.#nonces.add(nonce);
    return {
      status,
      headers: new Headers({ "replay-nonce": nonce, ...headers }),
      body: typeof body === "string" ? body : JSON.stringify(body),
    };
  };

  get isOpen(): number {
    return this.orders.filter(({ status }) => status !== "valid" && status !== "invalid").length;
  }

  /** How many orders have come to a certificate. */
  get issued(): number {
    return this.orders.filter(({ status }) => status === "valid").length;
  }

  async #answer(request: OutgoingRequest, path: string): Promise<Partial<AuthorityResponse>> {
    const { external, profiles, directory = DIRECTORY } = this.#options;
    if (request.url === directory) {
      return {
        body: {
          newNonce: `${this.#origin}/nonce`,
          newAccount: `${this.#origin}/account`,
          newOrder: `${this.#origin}/order`,
          ...(this.renewalInfo && { renewalInfo: `${this.#origin}/renewal` }),
          meta: {
            ...(external && { externalAccountRequired: true }),
            ...(profiles && { profiles: Object.fromEntries(profiles.map((one) => [one, one])) }),
          },
        },
      };
    }
    if (path === "/nonce") return {};
    if (path.startsWith("/renewal/")) return this.#renewal();
    const signed = await this.#verify(request);
    if ("status" in signed) return signed;
    const { account, payload, jwk } = signed;
    if (path === "/account") return await this.#newAccount(jwk!, payload);
    if (path.startsWith("/account/")) {
      this.accounts.get(path)!["contact"] = payload?.["contact"];
      return { body: { status: "valid" } };
    }
    if (path === "/order") return this.#newOrder(account!, payload!);
    const [, kind = "", id = "", type = ""] = path.split("/");
    const order = this.orders[Number(id) - 1];
    if (kind === "orders" && order) return { body: this.#look(order) };
    if (kind === "finalize" && order) return { body: await this.#finalize(order, payload!) };
    if (kind === "certificate" && order) return { body: order.certificate };
    const authorization = this.#authorizations[Number(id)];
    if (kind === "authorization" && authorization) return { body: this.#show(authorization, id) };
    if (kind === "challenge" && authorization) return await this.#begin(authorization, type);
    return problem(404, "malformed", `No such thing: ${path}`);
  }

  #renewal(): Partial<AuthorityResponse> {
    const info = this.renewalInfo;
    if (info === undefined) return problem(404, "malformed", "No such certificate");
    const iso = (timeMs: number) => new Date(timeMs).toISOString();
    return {
      headers: { "retry-after": `${info.retryAfterS ?? 21_600}` },
      body: { suggestedWindow: { start: iso(info.start), end: iso(info.end) } },
    };
  }

  async #verify(request: OutgoingRequest) {
    const jws = JSON.parse(request.body!);
    const header = JSON.parse(atob(jws.protected.replaceAll("-", "+").replaceAll("_", "/")));
    const jwk: JWK | undefined = header.jwk ?? this.accounts.get(pathOf(header.kid));
    if (jwk === undefined) return problem(400, "accountDoesNotExist", "No such account");
    await flattenedVerify(jws, await importJWK(jwk, "ES256"));
    if (header.url !== request.url) return problem(401, "unauthorized", "Signed for another URL");
    if (this.badNonces > 0 || !this.#nonces.delete(header.nonce)) {
      this.badNonces = Math.max(0, this.badNonces - 1);
      return problem(400, "badNonce", "The nonce is not good");
    }
    const text = new TextDecoder().decode(
      Uint8Array.from(
        atob(jws.payload.replaceAll("-", "+").replaceAll("_", "/")),
        (one) => one.charCodeAt(0),
      ),
    );
    const payload: Record<string, unknown> | undefined = text === "" ? undefined : JSON.parse(text);
    return { account: header.kid as string | undefined, jwk: header.jwk as JWK, payload };
  }

  async #newAccount(jwk: JWK, payload: Record<string, unknown> | undefined) {
    const { external } = this.#options;
    if (external !== undefined) {
      // deno-lint-ignore no-explicit-any
      const binding = payload?.["externalAccountBinding"] as any;
      if (binding === undefined) {
        return problem(403, "externalAccountRequired", "No binding");
      }
      const { kid } = JSON.parse(atob(binding.protected));
      try {
        const { payload: bound } = await flattenedVerify(binding, external[kid]!);
        if (new TextDecoder().decode(bound) !== JSON.stringify(jwk)) throw new Error("Other key");
      } catch {
        return problem(403, "unauthorized", "The external account's key is another one");
      }
    }
    const path = `/account/${await calculateJwkThumbprint(jwk)}`;
    const isKnown = this.accounts.has(path);
    this.accounts.set(path, { ...jwk, contact: payload?.["contact"] });
    return {
      status: isKnown ? 200 : 201,
      headers: { location: this.#origin + path },
      body: { status: "valid" },
    };
  }

  #newOrder(account: string, payload: Record<string, unknown>): Partial<AuthorityResponse> {
    const identifiers = payload["identifiers"] as { value: string }[];
    const order: Order = {
      id: this.orders.length + 1,
      account,
      names: identifiers.map(({ value }) => value),
      profile: payload["profile"] as string | undefined,
      replaces: payload["replaces"] as string | undefined,
      status: "pending",
      looks: 0,
      certificate: undefined,
    };
    this.orders.push(order);
    this.mostOpen = Math.max(this.mostOpen, this.isOpen);
    for (const name of order.names) {
      const token = `token-${this.#authorizations.length}-`.padEnd(43, "x");
      this.#authorizations.push({
        name,
        token,
        order,
        status: "pending",
        error: undefined,
        failedKind: undefined,
      });
    }
    return {
      status: 201,
      headers: { location: `${this.#origin}/orders/${order.id}` },
      body: this.#look(order),
    };
  }

  #look(order: Order) {
    const own = this.#authorizations.map((one, index) => ({ one, index }))
      .filter(({ one }) => one.order === order);
    if (order.status === "pending" && own.every(({ one }) => one.status === "valid")) {
      order.status = "ready";
    }
    if (order.status === "processing" && order.looks-- <= 0) order.status = "valid";
    return {
      status: order.status,
      authorizations: own.map(({ index }) => `${this.#origin}/authorization/${index}`),
      finalize: `${this.#origin}/finalize/${order.id}`,
      ...(order.status === "valid" && { certificate: `${this.#origin}/certificate/${order.id}` }),
    };
  }

  #show({ name, token, status, error, failedKind }: Authorization, id: string) {
    const { kinds = ["dns-01", "http-01", "tls-alpn-01"] } = this.#options;
    return {
      status,
      identifier: { type: "dns", value: name },
      challenges: kinds.map((type) => ({
        type,
        token,
        status: type === failedKind ? "invalid" : "pending",
        url: `${this.#origin}/challenge/${id}/${type}`,
        ...(type === failedKind && { error }),
      })),
    };
  }

  async #begin(authorization: Authorization, kind: string): Promise<Partial<AuthorityResponse>> {
    const { name, token, order } = authorization;
    const jwk = this.accounts.get(pathOf(order.account))!;
    const { kty, crv, x, y } = jwk;
    const thumbprint = await calculateJwkThumbprint({ kty: kty!, crv: crv!, x: x!, y: y! });
    const keyAuthorization = `${token}.${thumbprint}`;
    const { check = () => true } = this.#options;
    if (await check({ kind, name, token, keyAuthorization })) authorization.status = "valid";
    else {
      authorization.status = order.status = "invalid";
      authorization.failedKind = kind;
      authorization.error = {
        type: "urn:ietf:params:acme:error:connection",
        detail: `Nobody at ${name} shows the challenge`,
      };
    }
    return { body: { status: "processing" } };
  }

  async #finalize(order: Order, payload: Record<string, unknown>) {
    const csr = Uint8Array.from(
      atob((payload["csr"] as string).replaceAll("-", "+").replaceAll("_", "/")),
      (one) => one.charCodeAt(0),
    );
    const [request] = derValues(csr);
    const [info] = derValues(request!.content);
    const [, , publicKey] = derValues(info!.content);
    order.certificate = await this.#issue(encoded(publicKey!), order.names);
    order.status = "processing";
    order.looks = 1;
    return this.#look(order);
  }

  /** The names' certificate and the authority's own. */
  async #issue(publicKey: Uint8Array<ArrayBuffer>, names: readonly string[]): Promise<string> {
    const { clock, lifetimeMs = 90 * DAY_MS } = this.#options;
    const keys = await (this.#keys ??= crypto.subtle.generateKey(
      { name: "ECDSA", namedCurve: "P-256" },
      true,
      ["sign", "verify"],
    ));
    const own = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
    const nowMs = clock.wallMs();
    const encoder = new TextEncoder();
    const general = names.map((name) => implicit(2, encoder.encode(name)));
    const leaf = [
      extension("2.5.29.17", sequence(...general)),
      extension("2.5.29.35", sequence(implicit(0, encoder.encode("the key of authority")))),
    ];
    const root = [
      extension("2.5.29.19", sequence(Uint8Array.of(1, 1, 0xff))),
    ];
    const first = await certificate(keys.privateKey, {
      subject: names[0]!,
      publicKey,
      extensions: leaf,
      nowMs,
      lifetimeMs,
    });
    const second = await certificate(keys.privateKey, {
      subject: "Authority",
      publicKey: own,
      extensions: root,
      nowMs,
      lifetimeMs: 3650 * DAY_MS,
    });
    return first + second;
  }
}

interface Body {
  readonly subject: string;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly extensions: readonly Uint8Array<ArrayBuffer>[];
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

async function certificate(key: CryptoKey, body: Body): Promise<string> {
  const { subject, publicKey, extensions, nowMs, lifetimeMs } = body;
  const der = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(crypto.getRandomValues(new Uint8Array(12))),
    signatureAlgorithm(),
    name("Authority"),
    sequence(time(nowMs), time(nowMs + lifetimeMs)),
    name(subject),
    publicKey,
    explicit(3, sequence(...extensions)),
  );
  return pem("CERTIFICATE", await signed(der, key));
}

function name(text: string) {
  return sequence(set(sequence(objectIdentifier("2.5.4.3"), utf8String(text))));
}

function extension(id: string, value: Uint8Array<ArrayBuffer>) {
  return sequence(objectIdentifier(id), octetString(value));
}

function encoded({ tag, content }: DerValue): Uint8Array<ArrayBuffer> {
  const { length } = content;
  const headers = length < 0x80 ? [length] : [0x81, length];
  return concat([Uint8Array.of(tag, ...headers), content]);
}

function pathOf(url: string): string {
  return new URL(url).pathname;
}

export function problem(
  status: number,
  type: string,
  detail: string,
  headers: Record<string, string> = {},
): AuthorityResponse {
  return {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
    body: { type: `urn:ietf:params:acme:error:${type}`, detail },
  };
}

export { base64Url };
