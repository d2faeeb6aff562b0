/**
 * The header section of a request (RFC 9113 section 8): what its pseudo-headers and fields say, and
 * everything that makes it malformed. What HTTP/1 refuses is malformed here as well, so that nothing
 * reaches an application over one version that would not over the other.
 *
 * A client mostly sends the same fields again: those of its last request are remembered with the
 * bytes that they were, as long as the decoder's table is the same. To see that they come again takes
 * a comparison, and spares to read them and whatever is made of them.
 */
import { isToken } from "../http1/field_names.ts";
import { RequestFields } from "../http1/request_fields.ts";
import {
  isSameHost,
  readExpect,
  REQUEST_FIELDS_MAX,
  RequestError,
  SINGLE_FIELDS,
} from "../http1/request_headers.ts";
import { judgeField } from "./field_rules.ts";
import type { HpackDecoder } from "./hpack_decoder.ts";
import type { HpackField } from "./hpack_field.ts";

/** Longer ones are read each time, so that nobody fills the memory with them. */
const REMEMBERED_LENGTH_MAX = 2048;

/** RFC 9113 section 8.3.1: `*` is for OPTIONS alone. */
const PATH = /^\/[^\0-\x20\x7f]*$/;
const AUTHORITY = /^[^\0-\x20\x7f]+$/;

export interface RequestHeaders {
  readonly method: string;
  readonly target: string;
  readonly fields: RequestFields;
  /** Undefined: the client has not said. */
  readonly contentLength: number | undefined;
  readonly expectsContinue: boolean;
  /** As the field `priority` came. */
  readonly priority: string | undefined;
  /** As RFC 9113 section 6.5.2 counts. */
  readonly size: number;
}

/** A request that is no request: its stream ends with PROTOCOL_ERROR. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** Fields that came before, and the bytes that they were. */
interface Remembered {
  readonly bytes: Uint8Array;
  /** The decoder's table was this one before them and behind them. */
  readonly generation: number;
  readonly authority: string | undefined;
  /** A port that goes without saying is another one for each. */
  readonly scheme: string | undefined;
  readonly size: number;
  readonly fields: RequestFields;
  readonly contentLength: number | undefined;
  readonly expectsContinue: boolean;
  readonly priority: string | undefined;
}

export class RequestHeadersReader {
  readonly #decoder: HpackDecoder;
  readonly #sizeMax: number;
  #remembered: Remembered | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  #method: string | undefined;
  #scheme: string | undefined;
  #path: string | undefined;
  #authority: string | undefined;
  #host: string | undefined;
  #size = 0;
  #count = 0;
  #fields = new RequestFields();
  #malformed: string | undefined;
  /** Where the fields begin behind the pseudo-headers, and the table there; -1 before. */
  #fieldsStart = -1;
  #fieldsSize = 0;
  #generation = 0;

  /** @param sizeMax of a section; beyond it the response is 431 */
  constructor(decoder: HpackDecoder, sizeMax: number) {
    this.#decoder = decoder;
    this.#sizeMax = sizeMax;
  }

  /** What came before is not worth its memory. */
  forget(): void {
    this.#remembered = undefined;
  }

  /** The method of the section that was read last, as far as it came to that. */
  get method(): string | undefined {
    return this.#method;
  }

  /**
   * Reads a request's section.
   *
   * @throws {ConnectionError} where the block is malformed
   * @throws {MalformedError} where the request is
   * @throws {RequestError} where it is to be told so
   */
  read(bytes: Uint8Array, start: number, end: number): RequestHeaders {
    this.#begin(bytes, start, end);
    const decoder = this.#decoder;
    for (;;) {
      const position = decoder.position;
      const field = decoder.next();
      if (field === undefined) break;
      if (this.#fieldsStart < 0 && field.name.charCodeAt(0) !== COLON) {
        const known = this.#startFields(position);
        // What is left of the block is known, and changes nothing.
        if (known !== undefined) return this.#finishKnown(known);
      }
      this.#take(field);
    }
    return this.#finish();
  }

  /**
   * Reads a section that comes behind a body: nobody wants it, but it may be malformed.
   *
   * @throws as {@link read}
   */
  readTrailers(bytes: Uint8Array, start: number, end: number): void {
    this.#begin(bytes, start, end);
    for (let field = this.#decoder.next(); field !== undefined; field = this.#decoder.next()) {
      field.verdict ??= judgeField(field.name, field.value);
      if (field.verdict !== "") this.#malformed ??= field.verdict;
      if (field.name.charCodeAt(0) === COLON) this.#malformed ??= "A trailer is a pseudo-header";
      this.#size += field.size;
    }
    if (this.#malformed !== undefined) throw new MalformedError(this.#malformed);
    if (this.#size > this.#sizeMax) throw new MalformedError("The trailers are too large");
  }

  #begin(bytes: Uint8Array, start: number, end: number): void {
    this.#decoder.begin(bytes, start, end);
    this.#bytes = bytes;
    this.#end = end;
    this.#method =
      this.#scheme =
      this.#path =
      this.#authority =
      this.#host =
        undefined;
    this.#size = 0;
    this.#count = 0;
    this.#malformed = undefined;
    this.#fieldsStart = -1;
  }

  #take(field: HpackField): void {
    this.#size += field.size;
    // What is too large is only read over.
    if (this.#size > this.#sizeMax) return;
    field.verdict ??= judgeField(field.name, field.value);
    if (field.verdict !== "") this.#malformed ??= field.verdict;
    else if (field.name.charCodeAt(0) === COLON) this.#takePseudo(field);
    else this.#takeField(field);
  }

  #takePseudo({ name, value }: HpackField): void {
    if (this.#fieldsStart >= 0) {
      this.#malformed ??= `"${name}" stands behind a field`;
    } else if (name === ":method") {
      if (this.#method !== undefined) this.#malformed ??= twice(name);
      this.#method = value;
    } else if (name === ":path") {
      if (this.#path !== undefined) this.#malformed ??= twice(name);
      this.#path = value;
    } else if (name === ":scheme") {
      if (this.#scheme !== undefined) this.#malformed ??= twice(name);
      this.#scheme = value;
    } else {
      if (this.#authority !== undefined) this.#malformed ??= twice(name);
      this.#authority = value;
    }
  }

  /** The fields begin; those of the last request, where they are the same. */
  #startFields(position: number): Remembered | undefined {
    this.#fieldsStart = position;
    this.#fieldsSize = this.#size;
    this.#generation = this.#decoder.table.insertions;
    const known = this.#remembered;
    if (known !== undefined && this.#isKnown(known, position)) return known;
    this.#fields = new RequestFields();
    if (this.#authority !== undefined) this.#fields.add("host", this.#authority);
    return undefined;
  }

  #isKnown(known: Remembered, position: number): boolean {
    const { length } = known.bytes;
    if (known.generation !== this.#generation || length !== this.#end - position) return false;
    if (known.authority !== this.#authority || known.scheme !== this.#scheme) return false;
    if (this.#malformed !== undefined || this.#size + known.size > this.#sizeMax) return false;
    for (let index = 0; index < length; index++) {
      if (known.bytes[index] !== this.#bytes[position + index]) return false;
    }
    return true;
  }

  #takeField({ name, value }: HpackField): void {
    if (++this.#count > REQUEST_FIELDS_MAX) return;
    if (name === "host") {
      if (this.#host !== undefined) this.#malformed ??= twice(name);
      this.#host = value;
      if (this.#authority === undefined) this.#fields.add(name, value);
      return;
    }
    if (!this.#fields.add(name, value) && SINGLE_FIELDS.has(name)) this.#malformed ??= twice(name);
  }

  #finish(): RequestHeaders {
    if (this.#fieldsStart < 0) {
      // Without any field; those of the request before are not its own.
      const known = this.#startFields(this.#end);
      if (known !== undefined) return this.#finishKnown(known);
    }
    const isTooLarge = this.#size > this.#sizeMax || this.#count > REQUEST_FIELDS_MAX;
    if (this.#malformed !== undefined) throw new MalformedError(this.#malformed);
    if (isTooLarge) throw this.#tooLarge();
    const target = this.#target();
    const fields = this.#fields;
    const contentLength = readContentLength(fields);
    const expectsContinue = readExpect(fields, "HTTP/1.1");
    const priority = fields.get("priority") ?? undefined;
    const bytesLength = this.#end - this.#fieldsStart;
    const isStable = this.#decoder.table.insertions === this.#generation;
    this.#remembered = !isStable || bytesLength > REMEMBERED_LENGTH_MAX ? undefined : {
      bytes: this.#bytes.slice(this.#fieldsStart, this.#end),
      generation: this.#generation,
      authority: this.#authority,
      scheme: this.#scheme,
      size: this.#size - this.#fieldsSize,
      fields,
      contentLength,
      expectsContinue,
      priority,
    };
    const size = this.#size;
    return {
      method: this.#method!,
      target,
      fields,
      contentLength,
      expectsContinue,
      priority,
      size,
    };
  }

  #finishKnown(known: Remembered): RequestHeaders {
    this.#host = known.authority === undefined ? known.fields.get("host")! : undefined;
    const target = this.#target();
    const { fields, contentLength, expectsContinue, priority } = known;
    fields.isRepeated = true;
    const size = this.#size + known.size;
    return {
      method: this.#method!,
      target,
      fields,
      contentLength,
      expectsContinue,
      priority,
      size,
    };
  }

  #tooLarge(): RequestError {
    const error = this.#count > REQUEST_FIELDS_MAX
      ? new RequestError(431, `There are more than ${REQUEST_FIELDS_MAX} fields`)
      : new RequestError(431, `The header section is over ${this.#sizeMax} bytes`);
    error.isHeadRequest = this.#method === "HEAD";
    return error;
  }

  /** What the pseudo-headers come to (RFC 9113 section 8.3.1). */
  #target(): string {
    const method = this.#method;
    const authority = this.#authority;
    if (method === undefined) throw new MalformedError("There is no :method");
    if (!isToken(method)) throw new MalformedError("The method is no token");
    const named = authority ?? this.#host;
    if (named === undefined || !AUTHORITY.test(named)) {
      throw new MalformedError("There is neither an :authority nor a Host");
    }
    if (method === "CONNECT") {
      if (this.#scheme !== undefined || this.#path !== undefined || authority === undefined) {
        throw new MalformedError("A CONNECT has an :authority, no :scheme and no :path");
      }
      return authority;
    }
    const scheme = this.#scheme;
    const path = this.#path;
    if (scheme !== "http" && scheme !== "https") {
      throw new MalformedError("The :scheme is missing, or not one of HTTP");
    }
    if (path === undefined || !(PATH.test(path) || (path === "*" && method === "OPTIONS"))) {
      throw new MalformedError("The :path is missing, or no path");
    }
    const host = this.#host;
    if (host !== undefined && authority !== undefined && !isSameHost(scheme, authority, host)) {
      throw new MalformedError("The :authority is another than the Host field");
    }
    return path;
  }
}

const COLON = 0x3a;

function twice(name: string): string {
  return `There are two "${name}", and there can be one`;
}

function readContentLength(fields: RequestFields): number | undefined {
  const text = fields.get("content-length");
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new MalformedError("Content-Length is no number");
  return Number(text);
}
