/**
 * From header names to CGI parameter names (RFC 3875 section 4.1.18), through a table: the same few
 * names come with every request. A name has a parameter only when it consists of letters, digits
 * and "-", so no two names share one: `X_Real-IP` can never pass for `X-Real-IP`.
 */

/** Most names that a {@link HeaderNames} remembers; with one more it begins anew. */
export const HEADER_NAMES_MAX = 512;

/** A longer name is worked out each time, so that nobody fills the memory with long ones. */
const REMEMBERED_LENGTH_MAX = 64;

/** Headers for the next hop only, which is us or our client (RFC 9110 section 7.6.1). */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Headers that never become `HTTP_*`. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  // Parameters of their own (RFC 3875 sections 4.1.2 and 4.1.3).
  "content-length",
  "content-type",
  ...HOP_BY_HOP,
  // Meant for a proxy (RFC 9110 sections 10.1.1 and 11.7.2); we answer Expect ourselves.
  "expect",
  "proxy-authorization",
  // Libraries take HTTP_PROXY for the proxy to use (CVE-2016-5385, "httpoxy").
  "proxy",
  // No field of a request, and the only one that Fetch lists once per line, not once per name.
  "set-cookie",
]);

/** The parameter of a lower-case header name; undefined for a header that is left out. */
export function headerParameterName(header: string): string | undefined {
  if (!/^[a-z0-9-]+$/.test(header) || LEFT_OUT.has(header)) return undefined;
  return `HTTP_${header.toUpperCase().replaceAll("-", "_")}`;
}

/** Remembers parameter names; one for each route, because a route may take some for itself. */
export class HeaderNames {
  /** Lower-case header name to parameter name; empty for a header that is left out. */
  readonly #names = new Map<string, string>();
  readonly #taken: { has(name: string): boolean };

  /** `taken` are parameter names that no header may set. */
  constructor(taken: { has(name: string): boolean }) {
    this.#taken = taken;
  }

  /** Names remembered, for tests of the bound. */
  get size(): number {
    return this.#names.size;
  }

  /** The parameter of a lower-case header name; empty for a header that is left out. */
  parameterName(header: string): string {
    return this.#names.get(header) ?? this.#learn(header);
  }

  #learn(header: string): string {
    const name = headerParameterName(header);
    const known = name === undefined || this.#taken.has(name) ? "" : name;
    if (header.length > REMEMBERED_LENGTH_MAX) return known;
    if (this.#names.size >= HEADER_NAMES_MAX) this.#names.clear();
    this.#names.set(header, known);
    return known;
  }
}

/** Headers that a Connection header names, so they end here; undefined where it names none. */
export function namedByConnection(
  value: string | null | undefined,
): ReadonlySet<string> | undefined {
  if (value === null || value === undefined) return undefined;
  if (value === "keep-alive" || value === "close") return undefined;
  return new Set(value.toLowerCase().split(",").map((name) => name.trim()));
}

/**
 * Fields that no client ends here, whatever its Connection says: those for everybody on the way
 * (RFC 9110 section 7.6.1), and those with which the servers before us say who it is. A gateway
 * that passes its client's Connection on would else have its own fields taken away
 * (CVE-2022-31813).
 */
const NEVER_NAMED =
  /^(?:host|cookie2?|authorization|forwarded|via|from|origin|referer|range|date|cache-control|pragma|x-real-ip|x-(?:forwarded|original|client|remote|auth|ssl|tls|amzn|envoy|request-id|url-scheme|rewrite-url)(?:-.*)?|(?:cf|fastly|ssl|tls|remote|fly|true-client|client)-.*|if-.*|sec-.*|content-.*|accept.*|user-agent|traceparent|tracestate|front-end-https)$/;

/** What a request's Connection takes away, as {@link namedByConnection}, but for what it cannot. */
export function endedByConnection(
  value: string | null | undefined,
): ReadonlySet<string> | undefined {
  const named = namedByConnection(value);
  if (named === undefined) return undefined;
  return new Set([...named].filter((name) => !NEVER_NAMED.test(name)));
}
