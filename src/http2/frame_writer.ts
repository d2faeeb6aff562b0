/** Appends frames to what goes out (RFC 9113 section 6). */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import {
  ErrorCode,
  type ErrorCodeName,
  Flag,
  FRAME_HEADER_LENGTH,
  FrameType,
} from "./constants.ts";

const MASK_24 = 0xff_ffff;

/** Appends a frame's header and room for its payload; the offset where the payload begins. */
export function appendFrame(
  out: ByteBuffer,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): number {
  const offset = out.grow(FRAME_HEADER_LENGTH + length);
  writeFrameHeader(out.bytes, offset, type, flags, streamId, length);
  return offset + FRAME_HEADER_LENGTH;
}

export function writeFrameHeader(
  bytes: Uint8Array,
  offset: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): void {
  bytes[offset] = (length & MASK_24) >>> 16;
  bytes[offset + 1] = length >>> 8;
  bytes[offset + 2] = length;
  bytes[offset + 3] = type;
  bytes[offset + 4] = flags;
  writeUint32(bytes, offset + 5, streamId);
}

/** Appends the block in as many frames as the peer's limit makes of it. */
export function appendHeaders(
  out: ByteBuffer,
  streamId: number,
  block: Uint8Array,
  isEnd: boolean,
  frameLengthMax: number,
): void {
  let type: number = FrameType.HEADERS;
  let flags = isEnd ? Flag.END_STREAM : 0;
  for (let start = 0;;) {
    const end = Math.min(block.length, start + frameLengthMax);
    if (end === block.length) flags |= Flag.END_HEADERS;
    const offset = appendFrame(out, type, flags, streamId, end - start);
    out.bytes.set(start === 0 && end === block.length ? block : block.subarray(start, end), offset);
    if (end === block.length) return;
    start = end;
    type = FrameType.CONTINUATION;
    flags = 0;
  }
}

export function appendReset(out: ByteBuffer, streamId: number, code: ErrorCodeName): void {
  const offset = appendFrame(out, FrameType.RST_STREAM, 0, streamId, 4);
  writeUint32(out.bytes, offset, ErrorCode[code]);
}

export function appendSettings(
  out: ByteBuffer,
  settings: readonly (readonly [id: number, value: number])[],
): void {
  let offset = appendFrame(out, FrameType.SETTINGS, 0, 0, settings.length * 6);
  for (const [id, value] of settings) {
    out.bytes[offset] = id >>> 8;
    out.bytes[offset + 1] = id;
    writeUint32(out.bytes, offset + 2, value);
    offset += 6;
  }
}

export function appendSettingsAck(out: ByteBuffer): void {
  appendFrame(out, FrameType.SETTINGS, Flag.ACK, 0, 0);
}

/** `payload` has 8 bytes. */
export function appendPing(out: ByteBuffer, payload: Uint8Array, isAck: boolean): void {
  const offset = appendFrame(out, FrameType.PING, isAck ? Flag.ACK : 0, 0, 8);
  out.bytes.set(payload, offset);
}

export function appendGoaway(
  out: ByteBuffer,
  lastStreamId: number,
  code: ErrorCodeName,
  text = "",
): void {
  const offset = appendFrame(out, FrameType.GOAWAY, 0, 0, 8);
  writeUint32(out.bytes, offset, lastStreamId);
  writeUint32(out.bytes, offset + 4, ErrorCode[code]);
  if (text === "" || !out.appendAscii(text)) return;
  const header = offset - FRAME_HEADER_LENGTH;
  writeFrameHeader(out.bytes, header, FrameType.GOAWAY, 0, 0, 8 + text.length);
}

export function appendWindowUpdate(out: ByteBuffer, streamId: number, increment: number): void {
  const offset = appendFrame(out, FrameType.WINDOW_UPDATE, 0, streamId, 4);
  writeUint32(out.bytes, offset, increment);
}

function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
