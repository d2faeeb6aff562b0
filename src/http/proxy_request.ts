/**
 * A request of a client as an HTTP server takes it: the bytes of its line and of its fields, but those
 * that frame it (`http_client/` writes them, by what it sends). Nothing that came over the wire is
 * copied unread: the method is a token, the target has no blank, and no value has a line's end.
 */
import { latin1 } from "../protocol/byte_buffer.ts";
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import { Role } from "../protocol/constants.ts";
import { type AbortSignalLike, abortSignalOf } from "../runtime/abort_signal.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import { bytesOfText, encodeByte } from "../runtime/raw_bytes.ts";
import type { HttpPart, UpstreamRequest } from "../upstream/request.ts";
import type { RequestBody } from "../upstream/request_body.ts";
import type { ClientTunnel } from "./client_tunnel.ts";
import { passEarlyHints } from "./early_hints.ts";
import type { SendableBody } from "./gateway_request.ts";
import { hostText, type ProxyFields, proxyFields } from "./proxy_fields.ts";
import type { RequestContext } from "./request_context.ts";
import type { RequestText } from "./request_template.ts";
import { parseTarget, type RequestTarget } from "./target.ts";

export interface ProxyRoute {
  /** In the place of the client's Host; undefined: that one. */
  readonly host: string | RequestText | undefined;
  /** Fields of our own, by lower-case name; null for one that is never sent. */
  readonly fields: readonly (readonly [name: string, text: string | RequestText | null])[];
  /** The beginning of the path that the server does not see. */
  readonly strip: string | undefined;
}

/** What asks before a request goes on: it has a line and fields, and no body. */
export interface RequestStartLine {
  readonly method: string;
  readonly target: string;
  readonly fields: ProxyFields;
}

/** A blank, or what ends a line: in a value that a template has made of a decoded path. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\0-\x08\x0a-\x1f\x7f]/g;

export class ProxyRequest implements UpstreamRequest {
  readonly role: Role = Role.RESPONDER;
  readonly http: HttpPart;
  readonly #route: ProxyRoute;
  readonly #request: HttpRequest;
  readonly #context: RequestContext;
  readonly #taken: SendableBody;

  constructor(
    route: ProxyRoute,
    request: HttpRequest,
    context: RequestContext,
    taken: SendableBody,
    tunnel: ClientTunnel | undefined,
  ) {
    this.#route = route;
    this.#request = request;
    this.#context = context;
    this.#taken = taken;
    const saysLength = taken.kind === "none" && taken.contentLength === 0;
    this.http = { saysLength, tunnel, valueOf: (name) => this.#valueOf(name) };
  }

  get id(): string {
    return this.#context.id;
  }

  get method(): string {
    return this.#context.method;
  }

  get body(): RequestBody | undefined {
    return this.#taken.kind === "body" ? this.#taken.body : undefined;
  }

  get onInterim(): ((section: CgiHeaderSection) => void) | undefined {
    const { earlyHints } = this.#context.peer;
    return earlyHints && ((section) => passEarlyHints(section, earlyHints));
  }

  get signal(): AbortSignalLike {
    return abortSignalOf(this.#request);
  }

  isHandedOver({ directives }: CgiHeaderSection): boolean {
    return directives !== undefined &&
      (directives.has("x-accel-redirect") || directives.has("x-sendfile"));
  }

  params(): Uint8Array {
    const { strip } = this.#route;
    const { method, target } = this.#context;
    const fields = this.#fields();
    return encodeStart({ method, target: targetText(target, strip), fields });
  }

  /** For `balance: hash`, by the names that FastCGI has for the same. */
  #valueOf(name: string): string | undefined {
    const { peer, target, host } = this.#context;
    if (name === "REMOTE_ADDR") return peer.host;
    if (name === "REQUEST_URI") return target.raw;
    if (name === "SERVER_NAME") return host.name;
    if (name === "QUERY_STRING") return target.query;
    if (!name.startsWith("HTTP_")) return undefined;
    const field = name.slice("HTTP_".length).toLowerCase().replaceAll("_", "-");
    return this.#request.headers.get(field) ?? undefined;
  }

  #fields(): ProxyFields {
    const context = this.#context;
    const { headers } = this.#request;
    const { host, fields: own } = this.#route;
    // Host goes first (RFC 9110 section 7.2).
    const fields: ProxyFields = new Map([["host", textOf(host, context, headers)]]);
    if (host === undefined) fields.set("host", hostText(context));
    for (const [name, value] of proxyFields(context, headers)) fields.set(name, value);
    for (const [name, text] of own) {
      if (text === null) fields.delete(name);
      else fields.set(name, textOf(text, context, headers));
    }
    return fields;
  }
}

function textOf(
  text: string | RequestText | undefined,
  context: RequestContext,
  headers: HttpRequest["headers"],
): string {
  if (text === undefined) return "";
  if (typeof text === "string") return text;
  return text(context, headers).replace(
    CONTROLS,
    (control) => `%${control.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`,
  );
}

/** The request's line and its fields; what frames the request, and the empty line, follow. */
export function encodeStart({ method, target, fields }: RequestStartLine): Uint8Array {
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  return latin1(text);
}

/**
 * What the server is asked for: the target as the client sent it, as long as the path is the client's;
 * a path that a route has changed is encoded anew.
 */
export function targetText(target: RequestTarget, strip: string | undefined): string {
  const sent = parseTarget(target.raw, target.hasRawBytes);
  const isAsSent = sent.kind === "target" && sent.path === target.path &&
    sent.query === target.query;
  if (isAsSent && !strip) return target.raw.replace(/[\x80-\xff]/g, encodeByte);
  const path = strip && isBelow(target.path, strip)
    ? target.path.slice(strip.length) || "/"
    : target.path;
  return `${encodePath(path)}${target.query === "" ? "" : `?${target.query}`}`;
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}

/** Bytes that are no UTF-8 too, which a path may have. */
function encodePath(path: string): string {
  return bytesOfText(path).replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, encodeByte);
}
