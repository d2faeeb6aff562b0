/**
 * The header section of a response. Responses of an application have the same few sets of fields
 * repeatedly: what can be known of a set is kept with it, and on each connection the bytes that
 * it was last time, as long as the table has not changed.
 */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { ResponseFields } from "../runtime/http_response.ts";
import { isConnectionField } from "./field_rules.ts";
import { HpackEncoder } from "./hpack_encoder.ts";

/** A set of fields as HTTP/2 has it: names in lower case, nothing of a connection of HTTP/1. */
interface PreparedFields {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly hasDate: boolean;
}

const PREPARED = new WeakMap<ResponseFields, PreparedFields>();

/** Sets of fields whose bytes a connection keeps. */
const REMEMBERED_MAX = 8;

/** Longer ones are written each time. */
const REMEMBERED_LENGTH_MAX = 1024;

interface Remembered {
  readonly status: number;
  readonly generation: number;
  readonly bytes: Uint8Array;
  /** The date and the length of the last response with them, and what they were. */
  date: string;
  length: number | undefined;
  rest: Uint8Array | undefined;
}

/**
 * Looks at a set before anything of it is written.
 *
 * @throws {RangeError} when a character is above U+00FF: cut to a byte it could become a line end
 */
export function prepareFields(fields: ResponseFields): PreparedFields {
  let prepared = PREPARED.get(fields);
  if (prepared === undefined) {
    prepared = prepare(fields);
    PREPARED.set(fields, prepared);
  }
  return prepared;
}

function prepare(sent: ResponseFields): PreparedFields {
  const fields: [string, string][] = [];
  let hasDate = false;
  for (const [name, value] of sent) {
    const lower = name.toLowerCase();
    if (isConnectionField(lower)) continue;
    if (hasWideCharacter(lower) || hasWideCharacter(value)) {
      throw new RangeError(`Cannot encode field "${lower}": a character is above U+00FF`);
    }
    hasDate ||= lower === "date";
    fields.push([lower, value]);
  }
  return { fields, hasDate };
}

function hasWideCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return true;
  }
  return false;
}

export class ResponseHeadersWriter {
  readonly encoder = new HpackEncoder();
  readonly #remembered = new Map<ResponseFields, Remembered>();

  /** What went out before is not worth its memory. */
  forget(): void {
    this.#remembered.clear();
  }

  /**
   * Appends a response's section, whose fields were prepared. `length` is the body's, where it is
   * known; `date` is for a response that says none itself.
   */
  append(
    out: ByteBuffer,
    status: number,
    fields: ResponseFields,
    length: number | undefined,
    date: string,
  ): void {
    const { encoder } = this;
    encoder.begin(out);
    const prepared = prepareFields(fields);
    let known = this.#remembered.get(fields);
    if (known?.generation === encoder.generation && known.status === status) {
      out.append(known.bytes);
    } else {
      known = this.#appendFields(out, status, fields, prepared);
    }
    if (known?.rest !== undefined && known.date === date && known.length === length) {
      return out.append(known.rest);
    }
    const start = out.length;
    if (!prepared.hasDate) encoder.append(out, "date", date);
    if (length !== undefined) encoder.append(out, "content-length", String(length));
    if (known === undefined || known.generation !== encoder.generation) return;
    known.rest = out.bytes.slice(start, out.length);
    known.date = date;
    known.length = length;
  }

  /** Appends a section that comes before the response's. */
  appendInterim(out: ByteBuffer, status: number, fields: ResponseFields): void {
    this.encoder.begin(out);
    this.encoder.append(out, ":status", String(status));
    for (const [name, value] of prepareFields(fields).fields) this.encoder.append(out, name, value);
  }

  #appendFields(
    out: ByteBuffer,
    status: number,
    key: ResponseFields,
    { fields }: PreparedFields,
  ): Remembered | undefined {
    const { encoder } = this;
    const { generation } = encoder;
    const start = out.length;
    encoder.append(out, ":status", String(status));
    for (const [name, value] of fields) encoder.append(out, name, value);
    if (encoder.generation !== generation || out.length - start > REMEMBERED_LENGTH_MAX) {
      return undefined;
    }
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
    const bytes = out.bytes.slice(start, out.length);
    const known = { status, generation, bytes, date: "", length: undefined, rest: undefined };
    this.#remembered.set(key, known);
    return known;
  }
}
