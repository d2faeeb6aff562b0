/**
 * A gateway as the handler of HTTP/3, and what it makes of the other listeners' responses: they say
 * that there is HTTP/3 (Alt-Svc). What our own servers refuse as malformed is refused here, for the
 * runtime's server lets some of it pass.
 */
import { isToken } from "../http1/field_names.ts";
import { judgeField } from "../http2/field_rules.ts";
import { withField } from "../http/response_field.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type { Http3ListenOptions } from "../runtime/http3.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import { asResponse, type HttpResponse } from "../runtime/http_response.ts";
import { countedResponse, type Http3BodyDeps, RequestBody } from "./http3_bodies.ts";
import type { FindHttp3Port } from "./http3_port.ts";
import type { AppOptions } from "./options.ts";

/** How long a client may remember that there is HTTP/3, in seconds (RFC 7838 section 3.1). */
const ALT_SVC_MAX_AGE = 86_400;

type Handler = (request: HttpRequest, peer: HttpPeer) => HttpResponse | Promise<HttpResponse>;

const REFUSED = { status: 400 } as const;

/** A field that comes once (RFC 9110 section 8.6); joined, it is more than that. */
const LENGTH = /^\d{1,15}$/;

export function http3Handler(handle: Handler, deps: Http3BodyDeps): Http3ListenOptions["handler"] {
  return async ({ method, url, headers, body: sent, signal }, peer) => {
    if (!isToken(method) || !isFine(headers)) return new Response(null, REFUSED);
    const length = headers.get("content-length");
    const declared = length === null ? undefined : Number(length);
    const body = sent === null ? undefined : new RequestBody(sent, declared, deps.memory);
    const onOver = () => body?.end();
    if (body !== undefined) signal.addEventListener("abort", onOver);
    const request = { method, url, headers, body: body?.stream ?? null, signal };
    try {
      return countedResponse(await asResponse(handle(request, peer)), onOver, deps);
    } catch (error) {
      onOver();
      throw error;
    }
  };
}

function isFine(headers: Headers): boolean {
  for (const [name, value] of headers) if (judgeField(name, value) !== "") return false;
  const length = headers.get("content-length");
  return length === null || LENGTH.test(length);
}

/** A handler whose clients are told of HTTP/3, where its port is known. */
export function advertised(handle: Handler, portOf: FindHttp3Port): Handler {
  const told = (request: HttpRequest, response: HttpResponse): HttpResponse => {
    const known = portOf(request);
    if (known === undefined) return response;
    return withField(response, "alt-svc", `h3=":${known}"; ma=${ALT_SVC_MAX_AGE}`);
  };
  return (request, peer) => {
    const response = handle(request, peer);
    return response instanceof Promise
      ? response.then((settled) => told(request, settled))
      : told(request, response);
  };
}

/** Names that clients may ask for: hosts of sites, and none. */
export function http3Names(sites: AppOptions["sites"]): readonly string[] {
  return ["", ...new Set(sites.flatMap(namesOf))];
}

/** A certificate of an authority is for a wildcard only when a client asks: nobody does here. */
function namesOf({ hosts, tls }: AppOptions["sites"][number]): readonly string[] {
  return hosts.filter((host) => host.startsWith("*.") ? tls?.kind !== "auto" : !isAddress(host));
}

/** Nobody asks for an address by name (RFC 6066 section 3). */
function isAddress(host: string): boolean {
  return host.startsWith("[") || /^[\d.]+$/.test(host);
}
