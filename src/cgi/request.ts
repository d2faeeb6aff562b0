/**
 * A request in a gateway's terms: what CGI parameters are made from. Plain values, all of them
 * checked by the gateway; this directory knows no HTTP server and no Fetch.
 */

/**
 * The header fields of a request; a Fetch `Headers` is one, and so is a `Map`. Names are lower-case
 * and none comes twice. Each character of a value stands for one byte, as Fetch hands them out.
 */
export interface CgiHeaders {
  /** A field's value by its name. */
  get(name: string): string | null | undefined;
  /** Not an iterator: on both runtimes this is the faster way through a request's `Headers`. */
  forEach(callback: (value: string, name: string) => void): void;
  /** Whether the same object comes with other requests, too, and never changes. */
  readonly isRepeated?: boolean;
}

/** What one request adds to the constants of its route. */
export interface CgiRequest {
  readonly method: string;
  /** Such as `HTTP/1.1`. */
  readonly protocol: string;
  readonly scheme: "http" | "https";
  /** Path and query as the client sent them. */
  readonly target: string;
  /** Decoded; empty, or begins with "/" and does not end with it. */
  readonly scriptName: string;
  /** Decoded; the path behind the script, empty where there is none. */
  readonly pathInfo: string;
  /** Undecoded, without "?". */
  readonly query: string;
  /** Whether characters of name, path and file stand for a byte each; left out: for themselves. */
  readonly isInBytes?: boolean | undefined;
  /** The script's file; undefined where the application is not made of files. */
  readonly scriptFilename: string | undefined;
  /** The host that the client named, without port; an IPv6 address in brackets. */
  readonly serverName: string;
  readonly serverPort: number;
  /** Our own address; empty where it is not known. */
  readonly serverAddress: string;
  /** The client's address without brackets; empty for a client on a unix socket. */
  readonly remoteAddress: string;
  /** 0 for a client on a unix socket. */
  readonly remotePort: number;
  /** What the application is told of TLS; left out: nothing. ASCII. */
  readonly tls?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly headers: CgiHeaders;
  /** Whether a server that is believed has sent it: then its Connection takes no field away. */
  readonly isFromProxy?: boolean;
  /** As in the header, each character standing for one byte. */
  readonly contentType: string | undefined;
  /** Bytes of the body; undefined where there is none, or where its length is not known. */
  readonly contentLength: number | undefined;
  /**
   * Parameters that the gateway adds: they win over all but the constants of the route. Each
   * character of a value stands for one byte.
   */
  readonly extra?: ReadonlyMap<string, string> | undefined;
  /**
   * The values of {@link ParameterConstants.perRequest}, in that order: they win over everything.
   * Each character stands for one byte.
   */
  readonly computed?: readonly string[] | undefined;
}
