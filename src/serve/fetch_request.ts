/**
 * A request of our own servers as Fetch's `Request`. What that cannot be is told to the client: a
 * method that Fetch forbids, a host that would change what the rest of the URL means. A body that
 * comes with GET or HEAD, which no `Request` can have, is read over.
 */
import type { HttpRequest } from "../runtime/http_request.ts";

/** A host and a port, and nothing that ends them: no path, no user, no query (RFC 3986 section 3.2). */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d{0,5})?$/i;

const ABSOLUTE = /^https?:\/\//i;

/** Methods that Fetch forbids. */
const FORBIDDEN: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/** A request that no `Request` can be; `status` is what its client is told. */
export class UnfetchableError extends Error {
  override readonly name = "UnfetchableError";
  readonly status: 400 | 405;

  constructor(status: 400 | 405, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.status = status;
  }
}

/** @throws {UnfetchableError} */
export function fetchRequest(request: HttpRequest, isTls: boolean): Request {
  const { method } = request;
  if (FORBIDDEN.has(method.toUpperCase())) {
    throw new UnfetchableError(405, `Cannot take method "${method}"`);
  }
  const isBodiless = method === "GET" || method === "HEAD";
  const body = isBodiless ? null : request.body;
  const init: RequestInit & { duplex?: "half" } = {
    method,
    headers: [...request.headers],
    signal: request.signal,
  };
  if (body !== null) {
    init.body = body as ReadableStream<Uint8Array<ArrayBuffer>>;
    init.duplex = "half";
  }
  const url = readUrl(request, isTls);
  try {
    return new Request(url, init);
  } catch (cause) {
    throw new UnfetchableError(400, `Cannot read request for "${url}"`, { cause });
  }
}

/** Absolute; of a client of HTTP/1.0 that names no host, and for `*`, what stands for it. */
function readUrl(request: HttpRequest, isTls: boolean): string {
  const { url } = request;
  const host = request.headers.get("host");
  if (host !== null && host !== "" && !HOST.test(host)) {
    throw new UnfetchableError(400, "Cannot read host: it is more than a name and a port");
  }
  if (ABSOLUTE.test(url)) return url;
  const origin = `${isTls ? "https" : "http"}://${host || "localhost"}`;
  return url.startsWith("/") ? origin + url : `${origin}/`;
}
