/**
 * A request as handlers of HTTP get it: what of Fetch's `Request` a server's handler uses. A Fetch
 * `Request` satisfies it, and so does what our own servers make, which costs less, keeps the target
 * as it was sent and takes methods and bodies that a `Request` refuses.
 */

/** The header fields of a request. Fetch's `Headers` satisfy it. */
export interface HttpHeaders {
  /** Values of the same name are joined; null where there is none. */
  get(name: string): string | null;
  has(name: string): boolean;
  keys(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
  /** Names are in lower case. */
  forEach(callback: (value: string, name: string) => void): void;
}

export interface HttpRequest {
  readonly method: string;
  /** Absolute; of a request without a host, the target alone. */
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly body: ReadableStream<Uint8Array> | null;
  /** Fires when the client leaves before it has its response; `abortSignalOf` has a cheaper one. */
  readonly signal: AbortSignal;
}
