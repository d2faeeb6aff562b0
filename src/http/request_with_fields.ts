/**
 * A client's request with fields of ours in the place of its own: for handlers it is the same request,
 * and what it says under these names is what we say.
 */
import { type AbortSignalLike, abortSignalOf } from "../runtime/abort_signal.ts";
import type { HttpHeaders, HttpRequest } from "../runtime/http_request.ts";

/** By lower-case name; null for a field that is not there, whatever the client has sent. */
export type ChangedFields = ReadonlyMap<string, string | null>;

export class RequestWithFields implements HttpRequest {
  readonly headers: HttpHeaders;
  readonly #request: HttpRequest;

  constructor(request: HttpRequest, fields: ChangedFields) {
    this.#request = request;
    this.headers = new ChangedHeaders(request.headers, fields);
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    return this.#request.url;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#request.body;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  get abortSignal(): AbortSignalLike {
    return abortSignalOf(this.#request);
  }
}

class ChangedHeaders implements HttpHeaders {
  readonly #headers: HttpHeaders;
  readonly #fields: ChangedFields;

  constructor(headers: HttpHeaders, fields: ChangedFields) {
    this.#headers = headers;
    this.#fields = fields;
  }

  get(name: string): string | null {
    const changed = this.#fields.get(name.toLowerCase());
    return changed === undefined ? this.#headers.get(name) : changed;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  forEach(callback: (value: string, name: string) => void): void {
    this.#headers.forEach((value, name) => {
      if (!this.#fields.has(name)) callback(value, name);
    });
    for (const [name, value] of this.#fields) if (value !== null) callback(value, name);
  }

  *entries(): IterableIterator<[string, string]> {
    const all: [string, string][] = [];
    this.forEach((value, name) => all.push([name, value]));
    yield* all;
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }
}
