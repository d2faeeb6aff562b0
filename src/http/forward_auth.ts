/**
 * A route's question to an HTTP server whether a request may go on: a GET of one path with the
 * request's own fields and no body. A response of status 2xx lets it on, with some of the response's
 * fields; any other is the client's; none, or one that breaks off, lets nobody in.
 *
 * What the server has not said must not come from the client: the fields that are copied are taken
 * out of the request first, however the response looks.
 */
import type { HttpHeaders, HttpRequest } from "../runtime/http_request.ts";
import { asResponse } from "../runtime/http_response.ts";
import { Role } from "../protocol/constants.ts";
import { type AbortSignalLike, abortSignalOf } from "../runtime/abort_signal.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { HttpPart, UpstreamRequest, UpstreamResponse } from "../upstream/request.ts";
import { type ExchangeRoute, noteSource, refuseWithError, respond } from "./fastcgi_exchange.ts";
import type { ForwardAuthOptions } from "./options.ts";
import { hostText, proxyFields } from "./proxy_fields.ts";
import { encodeStart } from "./proxy_request.ts";
import { RequestWithFields } from "./request_with_fields.ts";
import type { RequestContext, UpstreamTrace } from "./request_context.ts";
import { giveUpBody } from "./upstream_response.ts";

/** What has become of a request: it goes on, with other fields, or it has its response. */
export type Verdict = { readonly request: HttpRequest } | { readonly response: Response };

/** Asks; never rejects. */
export type ForwardAuth = (request: HttpRequest, context: RequestContext) => Promise<Verdict>;

/** Fields of the request that are about its body, or about what the client has already. */
const NOT_ASKED_WITH: readonly string[] = [
  "content-encoding",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
];

export function createForwardAuth(
  { uri, copyHeaders }: ForwardAuthOptions,
  route: ExchangeRoute,
): ForwardAuth {
  return async (request, context) => {
    const own = new RequestWithFields(request, new Map(copyHeaders.map((name) => [name, null])));
    try {
      const question = new AuthRequest(uri, own.headers, request, context);
      const response = await route.upstream.send(question);
      const { status } = response.head;
      if (status < 200 || status > 299) {
        const trace: UpstreamTrace = context.trace;
        trace.upstream = route.upstream.options.name;
        noteSource(trace, response.source);
        return { response: await asResponse(respond(route, request, context, response)) };
      }
      const fields = copiedFields(response, copyHeaders);
      giveUpBody(response);
      return { request: new RequestWithFields(request, fields) };
    } catch (cause) {
      const trace: UpstreamTrace = context.trace;
      trace.upstream = route.upstream.options.name;
      return { response: refuseWithError(route, request, context, cause) };
    }
  };
}

/**
 * Null for a field that the response does not have.
 *
 * @throws {UpstreamError} for one that is there twice: who reads the first sees another than who
 * reads the last
 */
function copiedFields(
  response: UpstreamResponse,
  names: readonly string[],
): Map<string, string | null> {
  const fields = new Map<string, string | null>(names.map((name) => [name, null]));
  for (const [name, value] of response.head.headers) {
    const lower = name.toLowerCase();
    const before = fields.get(lower);
    if (before === undefined) continue;
    if (before !== null) throw refused(response, name);
    fields.set(lower, value);
  }
  return fields;
}

function refused(response: UpstreamResponse, name: string): UpstreamError {
  giveUpBody(response);
  const message = `Cannot take the response of forward_auth: "${name}" is there twice`;
  const error = new UpstreamError("bad_answer", message, { phase: "body", sent: true });
  error.server = response.source.server;
  return error;
}

class AuthRequest implements UpstreamRequest {
  readonly role: Role = Role.RESPONDER;
  readonly method = "GET";
  readonly body = undefined;
  readonly onInterim = undefined;
  readonly http: HttpPart;
  readonly #uri: string;
  readonly #headers: HttpHeaders;
  readonly #request: HttpRequest;
  readonly #context: RequestContext;

  constructor(uri: string, headers: HttpHeaders, request: HttpRequest, context: RequestContext) {
    this.#uri = uri;
    this.#headers = headers;
    this.#request = request;
    this.#context = context;
    this.http = { saysLength: false, asks: true, valueOf: (name) => this.#valueOf(name) };
  }

  get id(): string {
    return this.#context.id;
  }

  get signal(): AbortSignalLike {
    return abortSignalOf(this.#request);
  }

  params(): Uint8Array {
    const context = this.#context;
    const { method, target } = context;
    const fields = new Map([["host", hostText(context)]]);
    for (const [name, value] of proxyFields(context, this.#headers)) fields.set(name, value);
    for (const name of NOT_ASKED_WITH) fields.delete(name);
    fields.set("x-forwarded-method", method);
    fields.set("x-forwarded-uri", target.raw);
    // As nginx users know them.
    fields.set("x-original-method", method);
    const { scheme } = context.listener;
    fields.set("x-original-url", `${scheme}://${hostText(context)}${target.raw}`);
    return encodeStart({ method: this.method, target: this.#uri, fields });
  }

  #valueOf(name: string): string | undefined {
    return name === "REMOTE_ADDR" ? this.#context.peer.host : undefined;
  }
}
