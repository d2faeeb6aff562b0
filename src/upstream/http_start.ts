/** What HTTP wants to know of a request when it begins. */
import type { HttpRequestStart } from "../protocol/client_protocol.ts";
import type { UpstreamRequest } from "./request.ts";
import type { Payload } from "./request_body.ts";

/** Undefined for a request of FastCGI. */
export function httpStartOf(
  { http, method }: UpstreamRequest,
  { body }: Payload,
): HttpRequestStart | undefined {
  return http && {
    method,
    hasBody: body !== undefined,
    bodyLength: body?.length,
    saysLength: http.saysLength,
    upgrade: http.tunnel?.protocol,
  };
}
