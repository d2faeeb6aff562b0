/**
 * A client of HTTP/2 for tests: says exactly the frames that a test wants it to say, and tells the
 * frames that come back. It keeps nothing right by itself but the compression of headers.
 */
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import {
  ErrorCode,
  errorCodeName,
  Flag,
  FRAME_LENGTH_MAX,
  FRAME_LENGTH_MIN,
  FrameType,
  PREFACE,
} from "../../src/http2/constants.ts";
import { FrameReader } from "../../src/http2/frame_reader.ts";
import { appendFrame } from "../../src/http2/frame_writer.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";

export type Fields = readonly (readonly [name: string, value: string])[];

/** A frame that came from the server. */
export interface ServerFrame {
  readonly type: string;
  readonly streamId: number;
  readonly flags: number;
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Of HEADERS, once the section is whole. */
  readonly fields?: Fields;
  /** Of RST_STREAM and GOAWAY. */
  readonly error?: string;
}

/** A response as far as it came. */
export interface Http2Response {
  /** Of 1xx before it. */
  readonly interim: readonly number[];
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly fields: Fields;
  readonly body: Uint8Array;
  readonly isWhole: boolean;
  /** Of the RST_STREAM that ended it. */
  readonly reset: string | undefined;
}

const TYPE_NAMES = new Map<number, string>(
  Object.entries(FrameType).map(([name, type]) => [type, name]),
);

export const GET_FIELDS: Fields = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a"],
];

/** The pseudo-headers of a request, and fields behind them. */
export function requestFields(method: string, path: string, fields: Fields = []): Fields {
  return [
    [":method", method],
    [":scheme", "http"],
    [":path", path],
    [":authority", "a"],
    ...fields,
  ];
}

/** Bytes of frames, for who sends them by itself. */
export function frameBytes(
  type: keyof typeof FrameType | number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const out = new ByteBuffer(payload.length + 9);
  const code = typeof type === "number" ? type : FrameType[type];
  const offset = appendFrame(out, code, flags, streamId, payload.length);
  out.bytes.set(payload, offset);
  return out.take();
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** One setting as SETTINGS has it. */
export function setting(id: number, value: number): Uint8Array {
  return Uint8Array.of(id >>> 8, id, ...uint32(value));
}

export class Http2Client {
  readonly encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder();
  readonly #reader = new FrameReader(FRAME_LENGTH_MAX);
  readonly #send: (bytes: Uint8Array) => void;
  readonly frames: ServerFrame[] = [];
  #section: { streamId: number; flags: number; bytes: number[] } | undefined;
  #nextId = 1;

  /** @param send takes what the client says */
  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** Says what a client says first. */
  greet(settings: Uint8Array = new Uint8Array(0)): void {
    const frame = frameBytes("SETTINGS", 0, 0, settings);
    const bytes = new Uint8Array(PREFACE.length + frame.length);
    bytes.set(PREFACE);
    bytes.set(frame, PREFACE.length);
    this.#send(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#send(bytes);
  }

  frame(
    type: keyof typeof FrameType | number,
    flags: number,
    streamId: number,
    payload?: Uint8Array,
  ): void {
    this.#send(frameBytes(type, flags, streamId, payload));
  }

  block(fields: Fields): Uint8Array {
    const out = new ByteBuffer();
    this.encoder.begin(out);
    for (const [name, value] of fields) this.encoder.append(out, name, value);
    return out.take();
  }

  /** The number of the next stream. */
  nextId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** Begins a request; its stream. */
  request(fields: Fields = GET_FIELDS, isEnd = true): number {
    const id = this.nextId();
    this.headers(id, fields, isEnd);
    return id;
  }

  headers(id: number, fields: Fields, isEnd: boolean): void {
    const flags = isEnd ? Flag.END_HEADERS | Flag.END_STREAM : Flag.END_HEADERS;
    this.frame("HEADERS", flags, id, this.block(fields));
  }

  /** In frames as long as every server takes. */
  data(id: number, bytes: Uint8Array | string, isEnd = false): void {
    const payload = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    for (let start = 0;;) {
      const end = Math.min(payload.length, start + FRAME_LENGTH_MIN);
      const isLast = end === payload.length;
      this.frame("DATA", isLast && isEnd ? Flag.END_STREAM : 0, id, payload.subarray(start, end));
      if (isLast) return;
      start = end;
    }
  }

  reset(id: number, code: keyof typeof ErrorCode = "CANCEL"): void {
    this.frame("RST_STREAM", 0, id, uint32(ErrorCode[code]));
  }

  windowUpdate(id: number, increment: number): void {
    this.frame("WINDOW_UPDATE", 0, id, uint32(increment));
  }

  ping(flags = 0, payload = new Uint8Array(8)): void {
    this.frame("PING", flags, 0, payload);
  }

  /** Bytes that came from the server. */
  received(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      const { type, flags, streamId } = frame;
      const payload = frame.bytes.slice(frame.start, frame.end);
      this.#take(TYPE_NAMES.get(type) ?? String(type), flags, streamId, payload);
    }
  }

  #take(type: string, flags: number, streamId: number, payload: Uint8Array<ArrayBuffer>): void {
    if (type === "HEADERS") this.#section = { streamId, flags, bytes: [] };
    if (type === "HEADERS" || type === "CONTINUATION") {
      const section = this.#section!;
      section.bytes.push(...payload);
      if ((flags & Flag.END_HEADERS) === 0) return;
      const fields = this.#decode(Uint8Array.from(section.bytes));
      const { flags: first } = section;
      this.frames.push({ type: "HEADERS", streamId, flags: first, payload, fields });
      return;
    }
    const at = type === "GOAWAY" ? 4 : 0;
    const hasError = type === "GOAWAY" || type === "RST_STREAM";
    this.frames.push({
      type,
      streamId,
      flags,
      payload,
      ...(hasError && { error: errorCodeName(readUint32(payload, at)) }),
    });
  }

  #decode(bytes: Uint8Array): Fields {
    const fields: [string, string][] = [];
    this.#decoder.begin(bytes, 0, bytes.length);
    for (let field = this.#decoder.next(); field !== undefined; field = this.#decoder.next()) {
      fields.push([field.name, field.value]);
    }
    return fields;
  }

  /** Frames of a type that came, in their order. */
  of(type: keyof typeof FrameType, streamId?: number): ServerFrame[] {
    return this.frames.filter((frame) =>
      frame.type === type && (streamId === undefined || frame.streamId === streamId)
    );
  }

  /** The error of the GOAWAY that ended the connection; undefined: there was none. */
  get goaway(): string | undefined {
    return this.of("GOAWAY").at(-1)?.error;
  }

  /** What came on a stream. */
  response(streamId: number): Http2Response {
    const frames = this.frames.filter((frame) => frame.streamId === streamId);
    const sections = frames.flatMap(({ fields }) => fields ? [fields] : []);
    const statuses = sections.map((fields) => Number(new Map(fields).get(":status")));
    const final = sections.find((_, index) => statuses[index]! >= 200) ?? [];
    const pieces = frames.filter(({ type }) => type === "DATA").map(({ payload }) => payload);
    const ends = frames.some(({ type, flags }) =>
      (type === "DATA" || type === "HEADERS") && (flags & Flag.END_STREAM) !== 0
    );
    return {
      interim: statuses.filter((status) => status < 200),
      status: statuses.find((status) => status >= 200) ?? 0,
      fields: final,
      headers: new Map(final),
      body: joined(pieces),
      isWhole: ends,
      reset: frames.find(({ type }) => type === "RST_STREAM")?.error,
    };
  }

  text(streamId: number): string {
    return new TextDecoder().decode(this.response(streamId).body);
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
