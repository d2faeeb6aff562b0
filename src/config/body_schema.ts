/** The schema of what a site or a route says of requests' bodies, and its options. */
import * as v from "valibot";
import type { HttpLimits } from "../http/options.ts";
import { described, oneOf, section, size } from "./schema_parts.ts";

const limits = section({
  request_body: v.optional(
    described(
      size(),
      "Largest body of a request; a larger one gets 413; 0: no limit; left out: as the file says",
    ),
  ),
  request_body_chunked: v.optional(
    described(
      size(),
      "Largest body without Content-Length; a larger one gets 413; 0: no limit; left out: as the file says",
    ),
  ),
  request_rate: v.optional(
    described(
      size(),
      "Least of a body per second; a slower one gets 408; 0: no limit; left out: as the file says",
    ),
  ),
});

/** Stand at a site, for all its routes, and at a route, whose own win. */
export const bodyEntries = {
  request_body: v.optional(
    described(
      oneOf(["auto", "stream", "gather"]),
      "Whether bodies are sent as they come (stream) or read to their end first (gather); left out: auto",
    ),
  ),
  limits: v.optional(
    described(limits, "Limits for these bodies; left out: those of the file"),
  ),
};

type LimitsConfig = v.InferOutput<typeof limits>;

/** Undefined where neither says anything. */
export function bodyLimits(
  site: LimitsConfig | undefined,
  route: LimitsConfig | undefined,
): Partial<HttpLimits> | undefined {
  const { request_body, request_body_chunked, request_rate } = { ...site, ...route };
  const options: Partial<HttpLimits> = {
    ...(request_body !== undefined && { requestBodyMax: request_body }),
    ...(request_body_chunked !== undefined && { requestBodyChunkedMax: request_body_chunked }),
    ...(request_rate !== undefined && { requestRateMin: request_rate }),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}
