/**
 * When a request goes to another server though one has had it, where its route says so (`next_upstream`,
 * as nginx has it): by classes of errors, and by statuses of responses that are thrown away then. The
 * limits of `attempts.ts` hold in any case.
 */
import type { UpstreamErrorCode } from "./errors.ts";

export const NEXT_CASES = [
  "error",
  "timeout",
  "invalid_header",
  "http_500",
  "http_502",
  "http_503",
  "http_504",
  "http_403",
  "http_404",
  "http_429",
  "non_idempotent",
  "off",
] as const;

export type NextCase = (typeof NEXT_CASES)[number];

export interface NextServerRule {
  readonly hasError: (code: UpstreamErrorCode) => boolean;
  readonly hasStatus: (status: number) => boolean;
  /** Whether methods outside of `retry.methods` are sent again as well. */
  readonly anyMethod: boolean;
}

const ERRORS: Partial<Readonly<Record<UpstreamErrorCode, NextCase>>> = {
  connect_failed: "error",
  lookup_failed: "error",
  local_limit: "error",
  connection_lost: "error",
  bad_record: "error",
  connect_timeout: "timeout",
  send_timeout: "timeout",
  first_byte_timeout: "timeout",
  idle_timeout: "timeout",
  bad_answer: "invalid_header",
  answer_too_large: "invalid_header",
};

export function compileNextRule(cases: readonly NextCase[]): NextServerRule {
  const named = new Set(cases.includes("off") ? [] : cases);
  const statuses = new Set(
    [...named].filter((one) => one.startsWith("http_")).map((one) => Number(one.slice(5))),
  );
  return {
    hasError: (code) => {
      const one = ERRORS[code];
      return one !== undefined && named.has(one);
    },
    hasStatus: (status) => statuses.has(status),
    anyMethod: named.has("non_idempotent"),
  };
}
