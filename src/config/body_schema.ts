/** The schema of what a site or a route says of requests' bodies, and its options. */
import type * as v from "valibot";
import type { HttpLimits } from "../http/options.ts";
import { oneOf, optional, section, size } from "./schema_parts.ts";

const limits = section({
  request_body: optional(
    size(),
    "Maximum size of a request body; beyond it: 413; 0: no limit; default: as in the file's limits",
  ),
  request_body_chunked: optional(
    size(),
    "Maximum size of a body without Content-Length; beyond it: 413; 0: no limit; default: as in the file's limits",
  ),
  request_rate: optional(
    size(),
    "Minimum rate of a request body per second; below it: 408; 0: no limit; default: as in the file's limits",
  ),
});

/** Stand at a site, for all its routes, and at a route, whose own win. */
export const bodyEntries = {
  request_body: optional(
    oneOf(["auto", "stream", "gather"]),
    "Whether request bodies are passed on as they come (stream) or read to the end first (gather); default: auto",
  ),
  limits: optional(limits, "Limits of request bodies; default: those of the file"),
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
