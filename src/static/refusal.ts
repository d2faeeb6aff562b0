/**
 * What a static route does not serve, and why. The response's page and its log line are made by who
 * calls; the status and the fields that belong to it are settled here.
 */

import type { HttpResponse } from "../runtime/http_response.ts";

/** Stable codes of refusals, with their status. */
export const STATIC_REFUSAL_STATUS = {
  no_such_file: 404,
  hidden_file: 403,
  outside_root: 403,
  script_source: 403,
  unreadable_file: 403,
  method_not_allowed: 405,
  precondition_failed: 412,
  range_not_satisfiable: 416,
} as const;

export type StaticRefusalCode = keyof typeof STATIC_REFUSAL_STATUS;

/** A response that is to be made with `status`, and with `headers` beside its own. */
export interface StaticRefusal {
  readonly kind: "refused";
  readonly status: (typeof STATIC_REFUSAL_STATUS)[StaticRefusalCode];
  readonly code: StaticRefusalCode;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether there is a response to be made. */
export function isRefusal(response: HttpResponse | StaticRefusal): response is StaticRefusal {
  return "kind" in response;
}

/** Makes a refusal; a 405 names what is allowed (RFC 9110 section 15.5.6). */
export function refuse(
  code: StaticRefusalCode,
  headers: Readonly<Record<string, string>> = {},
): StaticRefusal {
  const status = STATIC_REFUSAL_STATUS[code];
  return {
    kind: "refused",
    status,
    code,
    headers: status === 405 ? { allow: "GET, HEAD", ...headers } : headers,
  };
}
