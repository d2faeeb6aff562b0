/** When a certificate is renewed, and when an order that failed is tried again. Pure. */
import type { RenewalWindow } from "./messages.ts";

/** Share of a lifetime behind which a certificate is renewed. */
const RENEWAL_SHARE = 2 / 3;
/** Share of a lifetime over which renewals are spread, so that not all of them come at once. */
const JITTER_SHARE = 1 / 30;
/** Share of a lifetime before the end in which an authority's advice to wait is not heard. */
const ADVICE_SHARE = 1 / 12;

const BACK_OFF_MIN_MS = 60_000;
const BACK_OFF_MAX_MS = 6 * 3_600_000;
/** A tenth more or less, so that many processes do not come back together. */
const BACK_OFF_JITTER_SHARE = 0.1;

/** How long renewal times of an authority are good, where it does not say (RFC 9773 section 4.3). */
export const ADVICE_AGE_DEFAULT_MS = 6 * 3_600_000;
const ADVICE_AGE_MIN_MS = 60_000;
const ADVICE_AGE_MAX_MS = 24 * 3_600_000;

export interface Lifetime {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Milliseconds since 1970; `random` is from 0 to 1, and the same for the same certificate. */
export function renewalMs(
  { notBeforeMs, notAfterMs }: Lifetime,
  random: number,
  advice?: RenewalWindow,
): number {
  const lifetimeMs = notAfterMs - notBeforeMs;
  const usualMs = notBeforeMs + lifetimeMs * (RENEWAL_SHARE + JITTER_SHARE * random);
  if (advice === undefined) return usualMs;
  const advisedMs = advice.startMs + (advice.endMs - advice.startMs) * random;
  return Math.min(advisedMs, notAfterMs - lifetimeMs * ADVICE_SHARE);
}

/** After so many failures in a row, at least 1. */
export function backOffMs(failures: number, random: number): number {
  const doubledMs = BACK_OFF_MIN_MS * 2 ** Math.min(failures - 1, 20);
  const jitter = 1 + BACK_OFF_JITTER_SHARE * (2 * random - 1);
  return Math.min(BACK_OFF_MAX_MS, Math.max(BACK_OFF_MIN_MS, doubledMs * jitter));
}

/** How long to keep to an authority's renewal times before it is asked again. */
export function adviceAgeMs(retryAfterMs: number | undefined): number {
  const ageMs = retryAfterMs ?? ADVICE_AGE_DEFAULT_MS;
  return Math.min(Math.max(ageMs, ADVICE_AGE_MIN_MS), ADVICE_AGE_MAX_MS);
}
