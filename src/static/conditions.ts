/**
 * Conditional requests (RFC 9110 section 13): whether the client's copy of a file will do. Conditions
 * are taken in the order of section 13.2.2; a date that cannot be read is no condition.
 */
import { parseHttpDate } from "./http_date.ts";

/** What a client can know a version of a file by. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** The fields of a request; a Fetch `Headers` is one. */
export interface RequestFields {
  get(name: string): string | null;
}

const SECOND_MS = 1000;

/** Whether to send the file, to say that the client has it (304), or that it has changed (412). */
export function checkConditions(
  fields: RequestFields,
  validators: Validators,
): "send" | "not_modified" | "failed" {
  const { etag } = validators;
  const modifiedMs = wholeSeconds(validators.modifiedMs);
  const match = fields.get("if-match");
  const unmodifiedSince = match === null ? dateOf(fields, "if-unmodified-since") : undefined;
  if (match !== null && !listHas(match, etag, strongly)) return "failed";
  if (unmodifiedSince !== undefined && modifiedMs > unmodifiedSince) return "failed";

  const noneMatch = fields.get("if-none-match");
  if (noneMatch !== null) return listHas(noneMatch, etag, weakly) ? "not_modified" : "send";
  const modifiedSince = dateOf(fields, "if-modified-since");
  return modifiedSince !== undefined && modifiedMs <= modifiedSince ? "not_modified" : "send";
}

/** Whether a range of this version continues what the client has (section 13.1.5). */
export function rangeApplies(fields: RequestFields, validators: Validators): boolean {
  const condition = fields.get("if-range");
  if (condition === null) return true;
  if (condition.endsWith('"')) return strongly(condition, validators.etag);
  return parseHttpDate(condition) === wholeSeconds(validators.modifiedMs);
}

function dateOf(fields: RequestFields, name: string): number | undefined {
  const text = fields.get(name);
  return text === null ? undefined : parseHttpDate(text);
}

function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / SECOND_MS) * SECOND_MS;
}

function listHas(
  list: string,
  etag: string,
  equal: (theirs: string, ours: string) => boolean,
): boolean {
  if (list.trim() === "*") return true;
  // An entity tag may hold commas (section 8.8.3), so the list cannot be split at them.
  for (const [theirs] of list.matchAll(/(?:W\/)?"[^"]*"/g)) if (equal(theirs, etag)) return true;
  return false;
}

/** Section 8.8.3.2; ours is strong, so a weak one of theirs differs. */
function strongly(theirs: string, ours: string): boolean {
  return theirs === ours;
}

function weakly(theirs: string, ours: string): boolean {
  return theirs.replace(/^W\//, "") === ours;
}
