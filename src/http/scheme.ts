/**
 * What a site makes of the scheme of its requests: what one over plain HTTP gets, and what browsers
 * are told over TLS. The scheme is the client's: behind a trusted proxy, what the proxy says it is,
 * so a proxy that speaks TLS for us is led into no loop.
 */
import { BytesResponse, type HttpResponse } from "../runtime/http_response.ts";
import type { OwnResponse, RequestContext } from "./request_context.ts";
import { withFields } from "./response_field.ts";

/** What a request over plain HTTP gets. */
export const PLAIN_HTTP = ["redirect", "allow", "only"] as const;
export type PlainHttp = (typeof PLAIN_HTTP)[number];

const HTTPS_PORT = 443;
const NOTHING = new Uint8Array(0);
const HTTPS_ONLY: OwnResponse = { status: 403, code: "https_only" };

/** The response to a request over plain HTTP; undefined: it may go on. */
export type PlainHttpResponder = (
  context: RequestContext,
  tlsPort: number | undefined,
) => HttpResponse | OwnResponse | undefined;

/** Undefined where plain HTTP is as good. */
export function answerPlainHttp(plain: PlainHttp): PlainHttpResponder | undefined {
  if (plain === "allow") return undefined;
  const response = plain === "only" ? () => HTTPS_ONLY : redirectToHttps;
  return (context, tlsPort) =>
    context.listener.scheme === "https" ? undefined : response(context, tlsPort);
}

/** 308 keeps the method and the body (RFC 9110 section 15.4.9). */
function redirectToHttps(
  { host, target, proxy }: RequestContext,
  tlsPort: number | undefined,
): HttpResponse {
  // A proxy's client knows the proxy's ports, not ours.
  const port = proxy !== undefined ? HTTPS_PORT : tlsPort ?? HTTPS_PORT;
  const authority = port === HTTPS_PORT ? host.name : `${host.name}:${port}`;
  return new BytesResponse(308, [["location", `https://${authority}${target.raw}`]], NOTHING);
}

const HSTS = "strict-transport-security";

/** The response, with what browsers shall remember of the host (RFC 6797). */
export function withHsts(response: HttpResponse, value: string): HttpResponse {
  if (response instanceof Response) {
    response.headers.set(HSTS, value);
    return response;
  }
  const others = response.fields.filter(([name]) => name.toLowerCase() !== HSTS);
  return withFields(response, response.status, [...others, [HSTS, value]]);
}

/** The field's value. */
export function hstsValue(maxAgeS: number, includeSubdomains: boolean): string {
  return `max-age=${maxAgeS}${includeSubdomains ? "; includeSubDomains" : ""}`;
}
