/**
 * One request over one connection, for programs that want to ask an application something: a status
 * page, a cache reset, a test. The connection is closed after the response (no KEEP_CONN).
 */
import { utf8 } from "../protocol/byte_buffer.ts";
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import { Role } from "../protocol/constants.ts";
import { encodeNameValues, type NameValuePart } from "../protocol/name_value.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { SILENT_OBSERVER } from "./observer.ts";
import { type TimeoutOptions, UPSTREAM_DEFAULTS } from "./options.ts";
import type { RequestBody } from "./request_body.ts";
import { Upstream } from "./upstream.ts";

/** Most bytes of a body that are gathered in memory before it is sent. */
const BODY_MEMORY_MAX = 64 * 1024;

/** A body that is read as it is needed, from a file for example. */
export interface ClientBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes; left out where they are to be counted. One of another length is refused. */
  readonly length?: number;
}

/** CGI parameters, as an object or as pairs (a `Map` for example); a text stands for its UTF-8. */
export type ClientParams =
  | Readonly<Record<string, NameValuePart>>
  | Iterable<readonly [string, NameValuePart]>;

export interface ClientRequest {
  /** `REQUEST_METHOD` is GET and `CONTENT_LENGTH` the body's, unless given. */
  readonly params: ClientParams;
  /** STDIN; a text stands for its UTF-8. */
  readonly body?: string | Uint8Array<ArrayBuffer> | ClientBody;
  /** The second stream of a filter (section 6.4). */
  readonly data?: string | Uint8Array<ArrayBuffer> | ClientBody;
  /** Responder when left out (section 6.2). */
  readonly role?: Role;
  readonly signal?: AbortSignal;
}

export interface ClientResponse extends CgiHeaderSection {
  /** Errors with an `UpstreamError` when the response breaks off. */
  readonly body: ReadableStream<Uint8Array>;
}

export interface ClientOptions {
  readonly runtime?: Runtime;
  /** Milliseconds for the exchange once the body is at hand; 0: only the limits of its phases. */
  readonly timeoutMs?: number;
  /** Gets each line of the application's STDERR. */
  readonly onStderrLine?: (line: string) => void;
}

/**
 * Asks an application at an address.
 *
 * @example
 * ```ts
 * import { FastCgiClient } from "afcgi";
 *
 * const client = new FastCgiClient("unix:/run/php/php-fpm.sock");
 * const params = { SCRIPT_NAME: "/ping", SCRIPT_FILENAME: "/ping" };
 * const response = await client.request({ params }).catch(() => undefined);
 * console.log(response?.status ?? "nobody there");
 * await client.close();
 * ```
 */
export class FastCgiClient {
  readonly #upstream: Upstream;

  /** @throws {AddressError} when the address cannot be read */
  constructor(address: string, options: ClientOptions = {}) {
    const { onStderrLine, runtime, timeoutMs = 0 } = options;
    this.#upstream = new Upstream({
      servers: [address],
      multiplex: "off",
      connections: { ...UPSTREAM_DEFAULTS.connections, reuse: false },
      timeouts: timeouts(timeoutMs),
      retry: { ...UPSTREAM_DEFAULTS.retry, attemptsMax: 0 },
    }, {
      ...(runtime && { runtime }),
      observer: { ...SILENT_OBSERVER, onStderrLine: (line) => onStderrLine?.(line) },
    });
  }

  /**
   * @throws {UpstreamError} when there is no complete header section of a response
   * @throws {TypeError} when a parameter is neither text nor bytes, or the body is nothing that can be sent
   */
  async request(request: ClientRequest): Promise<ClientResponse> {
    const { body, data, signal, role = Role.RESPONDER } = request;
    const given = readParams(request.params);
    const method = given.get("REQUEST_METHOD") ?? "GET";
    const response = await this.#upstream.send({
      id: "",
      role,
      method: typeof method === "string" ? method : new TextDecoder().decode(method),
      params: (length) => encodeNameValues(withDefaults(given, length)),
      body: body === undefined ? undefined : requestBody(body),
      ...(data !== undefined && { data: requestBody(data) }),
      ...(signal && { signal }),
    });
    return { ...response.head, body: asStream(response.body) };
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    await this.#upstream.drain(0);
  }
}

/** Who limits the whole may wait that long in any phase. */
function timeouts(totalMs: number): TimeoutOptions {
  const { timeouts } = UPSTREAM_DEFAULTS;
  return totalMs === 0 ? timeouts : { ...timeouts, firstByteMs: 0, idleMs: 0, totalMs };
}

/** @throws {TypeError} */
function readParams(params: ClientParams): Map<string, NameValuePart> {
  if (typeof params !== "object" || params === null) {
    throw new TypeError(
      'Cannot send request: "params" is missing (use { SCRIPT_FILENAME: "/index.php" })',
    );
  }
  const given = new Map(Symbol.iterator in params ? params : Object.entries(params));
  for (const [name, value] of given) {
    if (typeof value === "string" || value instanceof Uint8Array) continue;
    throw new TypeError(`Cannot send request: parameter "${name}" is neither text nor bytes`);
  }
  return given;
}

/** @throws {TypeError} */
function requestBody(body: string | Uint8Array<ArrayBuffer> | ClientBody): RequestBody {
  const given = typeof body === "string" ? utf8(body) : body;
  const stream = given instanceof Uint8Array ? new Blob([given]).stream() : given?.stream;
  if (!(stream instanceof ReadableStream)) {
    throw new TypeError("Cannot send request: its body is not text, bytes or { stream }");
  }
  return { stream, length: given.length, memoryMax: BODY_MEMORY_MAX };
}

function withDefaults(
  given: ReadonlyMap<string, NameValuePart>,
  length: number | undefined,
): Map<string, NameValuePart> {
  const params = new Map<string, NameValuePart>([
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["REQUEST_METHOD", "GET"],
    ["SERVER_PROTOCOL", "HTTP/1.1"],
  ]);
  if (length !== undefined) params.set("CONTENT_LENGTH", String(length));
  for (const [name, value] of given) params.set(name, value);
  return params;
}

function asStream(
  body: Uint8Array | ReadableStream<Uint8Array> | null,
): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body;
  return new Blob(body === null ? [] : [body as Uint8Array<ArrayBuffer>]).stream();
}
