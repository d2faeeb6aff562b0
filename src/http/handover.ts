/**
 * What an application asks of the gateway in the header section of its response: to send a file in
 * the response's place (`X-Sendfile`), to answer as another path would be answered
 * (`X-Accel-Redirect`, and a local `Location`, RFC 3875 section 6.2.2), to send slowly
 * (`X-Accel-Limit-Rate`). The client never sees these fields. An application is trusted to name
 * paths of its site, internal ones too; files only below the directories that the configuration
 * allows: `sendfile.ts`, which the site hands in, so that a library without a site loads no file
 * server.
 *
 * Of the application's own response stays what nginx keeps: its cookies, and for a file its type,
 * disposition and cache fields.
 */
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import { responseOf } from "../runtime/http_response.ts";
import { hasRawBytes, textOfBytes } from "../runtime/raw_bytes.ts";
import type { Clock } from "../runtime/clock.ts";
import type { StaticRefusal } from "../static/refusal.ts";
import { ownResponse } from "./own_responses.ts";
import type { RequestContext, ResponsePart } from "./request_context.ts";
import { restoreOddStatus } from "./odd_status.ts";
import { limitRate } from "./rate_limit.ts";
import { parseTarget } from "./target.ts";
import { giveUpBody } from "./upstream_response.ts";
import { WatchedBody } from "./watched_body.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** Most responses in a row that lead to another path; as many as nginx takes. */
export const INTERNAL_REDIRECTS_MAX = 10;

/** What handing over wants of a site. */
export interface Handover {
  readonly clock: Clock;
  /** Sends the file of this path; undefined where the site gives none away. */
  readonly sendNamedFile: SendNamedFile;
  /** Whether paths may be no UTF-8. */
  readonly keepsBytes: boolean;
  /** Whether a local `Location` without a status is answered here. */
  readonly localRedirects: boolean;
  /** Answers as the site does, by its internal routes too. */
  readonly fetch: (request: HttpRequest, context: RequestContext) => Response | Promise<Response>;
}

/**
 * What `X-Sendfile` asks for; undefined for a path below no directory that the site allows.
 *
 * @throws {FileError} where nobody can tell whether the file is there
 */
export type SendNamedFile = (
  path: string,
  contentType: string | undefined,
  request: HttpRequest,
) => Response | StaticRefusal | undefined;

type HeaderFields = UpstreamResponse["head"]["headers"];

/**
 * The response that the application asks for; `passOn` makes its own into one.
 *
 * @throws {UpstreamError} `bad_answer`
 */
export async function handOver(
  handover: Handover | undefined,
  request: HttpRequest,
  context: RequestContext,
  original: UpstreamResponse,
  passOn: () => Response | Promise<Response>,
): Promise<Response> {
  const { directives, localRedirect, headers } = original.head;
  const path = directives?.get("x-accel-redirect");
  const file = directives?.get("x-sendfile");
  if (handover === undefined) {
    if (path === undefined && file === undefined) return await passOn();
    throw refused(original, "no site is there to hand it over to");
  }
  let response: Response;
  if (path !== undefined) {
    giveUpBody(original);
    response = await redirect(
      handover,
      request,
      context,
      original,
      path,
      field(headers, "content-type"),
    );
    keepFields(response, headers);
  } else if (file !== undefined) {
    giveUpBody(original);
    response = await sendFileOf(handover, request, context, original, file);
    keepFields(response, headers);
  } else if (handover.localRedirects && localRedirect !== undefined) {
    giveUpBody(original);
    response = await redirect(handover, request, context, original, localRedirect, undefined);
    keepCookies(response, headers);
  } else response = withCharset(await passOn(), directives?.get("x-accel-charset"));
  const rate = Number(directives?.get("x-accel-limit-rate") ?? 0);
  return Number.isSafeInteger(rate) && rate > 0
    ? slowed(handover, context, response, rate)
    : response;
}

/** `off`, and what is no name of a charset, leaves the type as it is. */
function withCharset(response: Response, charset: string | undefined): Response {
  if (charset === undefined || charset === "off" || !/^[\w.:+-]+$/.test(charset)) return response;
  const type = response.headers.get("content-type");
  if (type === null) return response;
  const bare = type.replace(/\s*;\s*charset\s*=\s*("[^"]*"|[^;]*)/gi, "").trim();
  response.headers.set("content-type", `${bare}; charset=${charset}`);
  return response;
}

async function redirect(
  handover: Handover,
  request: HttpRequest,
  context: RequestContext,
  original: UpstreamResponse,
  location: string,
  contentType: string | undefined,
): Promise<Response> {
  const target = parseTarget(encodeOdd(location), handover.keepsBytes);
  if (target.kind === "refused" || !location.startsWith("/")) {
    throw refused(original, `"${location}" is no path`);
  }
  const hops = (context.handedOver?.hops ?? 0) + 1;
  if (hops > INTERNAL_REDIRECTS_MAX) {
    throw refused(original, `more than ${INTERNAL_REDIRECTS_MAX} responses led to another path`);
  }
  const inner: RequestContext = {
    ...context,
    method: context.method === "HEAD" ? "HEAD" : "GET",
    target,
    handedOver: { hops, contentType },
    matchedPath: undefined,
    rewrites: undefined,
    goesOnBehind: undefined,
    passed: undefined,
    forwarded: undefined,
    bodyProgress: undefined,
  };
  const response = restoreOddStatus(
    inner,
    await handover.fetch(withoutBody(request, inner.method, original), inner),
  );
  const part: ResponsePart = context;
  part.bodyProgress = inner.bodyProgress;
  // Those of the route that answered.
  part.rules = inner.rules;
  return response;
}

/** The same request without what described its body. */
function withoutBody(
  request: HttpRequest,
  method: string,
  original: UpstreamResponse,
): HttpRequest {
  const headers = new Headers();
  request.headers.forEach((value, name) => headers.append(name, value));
  for (const name of ["content-length", "content-type", "transfer-encoding"]) headers.delete(name);
  if (refusesRanges(original)) headers.delete("range");
  // The gateway and the handlers read the target, not the URL.
  return new Request("http://localhost/", { method, headers, signal: request.signal });
}

async function sendFileOf(
  { sendNamedFile, keepsBytes }: Handover,
  request: HttpRequest,
  context: RequestContext,
  original: UpstreamResponse,
  value: string,
): Promise<Response> {
  const text = textOfBytes(value);
  const path = keepsBytes || !hasRawBytes(text) ? text : undefined;
  const contentType = field(original.head.headers, "content-type");
  const method = context.method === "HEAD" ? "HEAD" : "GET";
  const asked = withoutBody(request, method, original);
  const sent = path === undefined ? undefined : sendNamedFile(path, contentType, asked);
  if (sent === undefined) {
    throw refused(original, `"${value}" is below no directory of the site's sendfile`);
  }
  if (sent instanceof Response) return sent;
  return ownResponse(context, request.headers.get("accept"), sent);
}

function refusesRanges({ head }: UpstreamResponse): boolean {
  return field(head.headers, "accept-ranges")?.toLowerCase() === "none";
}

/** Fields that are kept with a file, beside its type. */
const KEPT: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "content-disposition",
  "expires",
]);

function keepFields(response: Response, headers: HeaderFields): void {
  keepCookies(response, headers);
  // A response that says what went wrong is not what the application spoke of.
  if (response.status >= 300 && response.status !== 304) return;
  for (const [name, value] of headers) {
    if (KEPT.has(name.toLowerCase())) response.headers.set(name, value);
  }
}

function keepCookies(response: Response, headers: HeaderFields): void {
  for (const [name, value] of headers) {
    if (name.toLowerCase() === "set-cookie") response.headers.append(name, value);
  }
}

function slowed(
  { clock }: Handover,
  context: RequestContext,
  response: Response,
  rate: number,
): Response {
  if (response.body === null) return response;
  const slow = limitRate(response.body, rate, clock);
  const watched = new WatchedBody(slow, context.bodyProgress);
  const part: ResponsePart = context;
  part.bodyProgress = watched;
  const { status, statusText, headers } = response;
  return responseOf(watched.stream, { status, statusText, headers });
}

function field(headers: HeaderFields, wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
}

/** Applications write paths as they are named, nginx takes them so: each odd byte is encoded. */
function encodeOdd(path: string): string {
  return path.replace(
    /[^\x21-\x7e]|#/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function refused(original: UpstreamResponse, what: string): UpstreamError {
  giveUpBody(original);
  const error = new UpstreamError("bad_answer", `Cannot hand the response over: ${what}`, {
    phase: "body",
    sent: true,
  });
  error.server = original.source.server;
  return error;
}
