/**
 * One order, from the names to the chain (RFC 8555 section 7.4):
 *
 *     newOrder ─► authorizations, each by one challenge ─► ready ─► finalize ─► valid ─► download
 *
 * Every wait is bounded, and what was shown to the authority is taken back at the end, however that
 * comes.
 */
import { makeSigningRequest } from "../certificates/signing_request.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TlsFiles } from "../runtime/connection.ts";
import type { Account } from "./account.ts";
import type { Challenges, PresentedChallenge } from "./challenges.ts";
import { type AcmeClient, type AcmeResponse, resourceError } from "./client.ts";
import type { Authorization, Challenge, Order } from "./messages.ts";
import type { ChallengeKind } from "./options.ts";
import { AcmeError } from "./problem.ts";
import { sleep } from "./sleep.ts";

/** How long an authority may take to look at a challenge, and to issue. */
export const POLL_TIME_MAX_MS = 5 * 60_000;
/** Between two looks where the authority does not say. */
export const POLL_INTERVAL_MS = 2_000;
/** Longest time between two looks, whatever the authority says. */
const POLL_INTERVAL_MAX_MS = 60_000;

export interface OrderRequest {
  readonly names: readonly string[];
  /** What is tried first, and so on. */
  readonly challenges: readonly ChallengeKind[];
  readonly profile: string | undefined;
  /** The id of the certificate that is replaced (RFC 9773 section 4.1). */
  readonly replaces: string | undefined;
}

export interface OrderDeps {
  readonly client: AcmeClient;
  readonly account: Account;
  readonly challenges: Challenges;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** @throws {AcmeError} */
export async function placeOrder(request: OrderRequest, deps: OrderDeps): Promise<TlsFiles> {
  const { client, account } = deps;
  const { order, url } = await newOrder(request, deps);
  if (order.status === "pending") await authorize(order, request, deps);
  const ready = await pollOrder(url, ["ready", "valid"], deps);
  if (ready.status === "valid") throw new AcmeError("Cannot use an order that was issued before");
  const { request: csr, key } = await makeSigningRequest(request.names);
  const payload = { csr: base64Url(csr) };
  await client.post(order.finalize, payload, account, "finalize the order");
  const done = await pollOrder(url, ["valid"], deps);
  if (done.certificate === undefined) throw new AcmeError("Cannot find the order's certificate");
  const { text } = await client.post(
    done.certificate,
    undefined,
    account,
    "download the certificate",
    "application/pem-certificate-chain",
  );
  return { cert: text, key };
}

async function newOrder(
  { names, profile, replaces }: OrderRequest,
  { client, account }: OrderDeps,
): Promise<{ order: Order; url: string }> {
  const { newOrder, profiles } = await client.directory();
  if (profile !== undefined && profiles !== undefined && !profiles.includes(profile)) {
    const known = profiles.map((one) => one.slice(0, 40)).join(", ").slice(0, 200);
    throw new AcmeError(`Cannot order profile "${profile}": the authority has ${known || "none"}`);
  }
  const payload = {
    identifiers: names.map((value) => ({ type: "dns", value })),
    ...(profile !== undefined && { profile }),
  };
  const place = async (more: object): Promise<AcmeResponse> =>
    await client.post(newOrder, { ...payload, ...more }, account, "place an order");
  let response: AcmeResponse;
  try {
    response = await place(replaces === undefined ? {} : { replaces });
  } catch (error) {
    // Such as a certificate that was replaced already, or is another account's.
    if (replaces === undefined || !(error instanceof AcmeError) || !isOfReplacing(error)) {
      throw error;
    }
    response = await place({});
  }
  return {
    order: client.messages.order(response.json),
    url: client.messages.url("order", response.headers.get("location")),
  };
}

function isOfReplacing({ type, status }: AcmeError): boolean {
  return type === "alreadyReplaced" || type === "malformed" || status === 404 || status === 409;
}

/** Shows the authority that the names are ours. */
async function authorize(order: Order, request: OrderRequest, deps: OrderDeps): Promise<void> {
  const presented: PresentedChallenge[] = [];
  try {
    const begun: { url: string; challenge: Challenge }[] = [];
    for (const url of order.authorizations) {
      const authorization = await readAuthorization(url, deps);
      if (authorization.status === "valid") continue;
      const challenge = await choose(authorization, request);
      const { token, type } = challenge;
      const keyAuthorization = `${token}.${deps.account.thumbprint}`;
      presented.push(
        await deps.challenges.present(type, authorization.name, token, keyAuthorization),
      );
      begun.push({ url, challenge });
    }
    for (const { challenge } of begun) {
      await deps.client.post(challenge.url, {}, deps.account, "begin a challenge");
    }
    for (const { url } of begun) await pollAuthorization(url, deps);
  } finally {
    for (const challenge of presented) challenge.withdraw();
  }
}

async function readAuthorization(url: string, deps: OrderDeps): Promise<Authorization> {
  const { client, account } = deps;
  const { json } = await client.post(url, undefined, account, "read an authorization");
  return client.messages.authorization(json);
}

type KnownChallenge = Challenge & { readonly type: ChallengeKind };

function choose(
  { name, challenges }: Authorization,
  { names, challenges: kinds }: OrderRequest,
): KnownChallenge {
  if (!names.includes(name)) throw new AcmeError("Cannot prove a name that was not ordered");
  for (const kind of kinds) {
    const found = challenges.find(({ type }) => type === kind);
    if (found !== undefined) return { ...found, type: kind };
  }
  throw new AcmeError(
    `Cannot prove "${name}": the authority offers none of ${kinds.join(" and ")}`,
  );
}

async function pollAuthorization(url: string, deps: OrderDeps): Promise<void> {
  const { client, account } = deps;
  await poll(deps, async () => {
    const response = await client.post(url, undefined, account, "read an authorization");
    const { name, status, challenges } = client.messages.authorization(response.json);
    if (status === "valid") return { value: true };
    if (status === "pending") return { retryAfterMs: response.retryAfterMs };
    const failed = challenges.find(({ error }) => error !== undefined);
    throw resourceError(`prove "${name}"${failed ? ` by ${failed.type}` : ""}`, failed?.error);
  }, "look at a challenge");
}

async function pollOrder(
  url: string,
  wanted: readonly Order["status"][],
  deps: OrderDeps,
): Promise<Order> {
  const { client, account } = deps;
  return await poll(deps, async () => {
    const response = await client.post(url, undefined, account, "read the order");
    const order = client.messages.order(response.json);
    if (wanted.includes(order.status)) return { value: order };
    if (order.status === "invalid") throw resourceError("have the order fulfilled", order.error);
    return { retryAfterMs: response.retryAfterMs };
  }, "come to an end with the order");
}

type Look<T> = { readonly value: T } | { readonly retryAfterMs: number | undefined };

/** Looks repeatedly, as often as the authority likes, and not for ever. */
async function poll<T>(
  { clock, signal }: OrderDeps,
  look: () => Promise<Look<T>>,
  doing: string,
): Promise<T> {
  const untilMs = clock.nowMs() + POLL_TIME_MAX_MS;
  for (;;) {
    const seen = await look();
    if ("value" in seen) return seen.value;
    const waitMs = Math.min(
      Math.max(seen.retryAfterMs ?? POLL_INTERVAL_MS, POLL_INTERVAL_MS / 4),
      POLL_INTERVAL_MAX_MS,
    );
    if (clock.nowMs() + waitMs > untilMs) {
      const minutes = POLL_TIME_MAX_MS / 60_000;
      throw new AcmeError(`Cannot wait longer: the authority did not ${doing} in ${minutes} min`);
    }
    await sleep(clock, waitMs, signal);
  }
}

export function base64Url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
