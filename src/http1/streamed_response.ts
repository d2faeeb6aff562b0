/**
 * Sends a response whose body is a stream. Its beginning is waited for as long as it is there
 * within a turn of the event loop: most of what comes as a stream is there at once, goes out in one
 * write, and has a length. From then on every piece leaves when it comes, with its chunk's frame
 * around it where no length was declared.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { Clock } from "../runtime/clock.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** A longer piece is not copied behind a header section, nor between the frames of its chunk. */
export const COPIED_LENGTH_MAX = 32 * 1024;

const CHUNK_END = "\r\n";
const LAST_CHUNK = "0\r\n\r\n";

export interface StreamedHeaders {
  /** Of the body, in bytes. */
  readonly declared: number | undefined;
  readonly isChunked: boolean;
  /** Appends the header section to the scratch; `length` is the body's where all of it is there. */
  append(length: number | undefined): void;
}

/** Who takes the bytes. */
export interface StreamTarget {
  readonly isGone: boolean;
  /** Undefined when the client has taken the bytes, else a promise of that. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** As {@link write}, of what is in the scratch. */
  writeScratch(): Promise<void> | undefined;
  /** The client has all that was declared, and may leave before we know that no more comes. */
  hasAll(): void;
  /** The body failed, or ended before all that was declared had come. */
  bodyFailed(error: unknown): void;
}

interface StreamServer {
  readonly scratch: ByteBuffer;
  readonly clock: Pick<Clock, "atTurnEnd">;
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/** Whether the whole response has gone, as long as declared. Never rejects. */
export async function sendStream(
  target: StreamTarget,
  server: StreamServer,
  reader: Reader,
  headers: StreamedHeaders,
): Promise<boolean> {
  const { scratch } = server;
  const { declared } = headers;
  const pieces = new ByteBuffer();
  let hasHeaders = false;
  let sent = 0;
  try {
    let reading = reader.read();
    for (;;) {
      const read = await atOnce(reading, server.clock);
      if (target.isGone) return false;
      if (read === undefined) break;
      if (read.done) {
        hasHeaders = true;
        const isWhole = declared === undefined || declared === pieces.length;
        if (!isWhole) target.bodyFailed(tooShort(declared, pieces.length));
        await sendWhole(target, scratch, headers, pieces, isWhole);
        return isWhole;
      }
      const piece = upTo(declared, pieces.length, read.value);
      pieces.append(piece);
      if (piece.length < read.value.length) {
        hasHeaders = true;
        await sendWhole(target, scratch, headers, pieces, true);
        return !target.isGone;
      }
      reading = reader.read();
      if (pieces.length > COPIED_LENGTH_MAX) break;
    }
    // It may fail while the client takes what is there, and is looked at only then.
    reading.catch(() => {});
    hasHeaders = true;
    sent = pieces.length;
    scratch.clear();
    headers.append(undefined);
    await sendPiece(target, scratch, pieces.take(), headers.isChunked);
    if (sent === declared) target.hasAll();
    for (let read = await reading; !read.done; read = await reader.read()) {
      const piece = upTo(declared, sent, read.value);
      if (target.isGone) return false;
      sent += piece.length;
      scratch.clear();
      await sendPiece(target, scratch, piece, headers.isChunked);
      if (sent === declared) target.hasAll();
      if (piece.length < read.value.length) return !target.isGone;
    }
    if (target.isGone) return false;
    if (declared !== undefined && sent !== declared) {
      target.bodyFailed(tooShort(declared, sent));
      return false;
    }
    scratch.clear();
    if (headers.isChunked) scratch.appendAscii(LAST_CHUNK);
    if (scratch.length > 0) await target.writeScratch();
    return !target.isGone;
  } catch (error) {
    reportIfOurs(error, "sending a response");
    target.bodyFailed(error);
    // Without any response a client might take its request for one that nobody has looked at.
    if (!hasHeaders && !target.isGone) await sendWhole(target, scratch, headers, pieces, false);
    return false;
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** Sends headers and body, or the beginning of one that is not whole. */
async function sendWhole(
  target: StreamTarget,
  scratch: ByteBuffer,
  headers: StreamedHeaders,
  body: ByteBuffer,
  isWhole: boolean,
): Promise<void> {
  scratch.clear();
  headers.append(isWhole ? body.length : undefined);
  await sendPiece(target, scratch, body.take(), headers.isChunked && !isWhole);
}

/** Of a body that fails without a reason. */
export function unknownFailure(): Error {
  return new Error("The body failed without a reason");
}

/** The error of a body that is not as long as it was said to be. */
export function tooShort(declared: number, sent: number): RangeError {
  return new RangeError(`The body has ${sent} bytes of Content-Length ${declared}`);
}

/** A byte more than declared would be taken for the beginning of the next response. */
function upTo(declared: number | undefined, sent: number, piece: Uint8Array): Uint8Array {
  const left = declared === undefined ? Infinity : declared - sent;
  return piece.length > left ? piece.subarray(0, left) : piece;
}

/** Sends a piece behind what is in the scratch. */
async function sendPiece(
  target: StreamTarget,
  scratch: ByteBuffer,
  piece: Uint8Array,
  isChunked: boolean,
): Promise<void> {
  const isFramed = isChunked && piece.length > 0;
  if (isFramed) scratch.appendAscii(`${piece.length.toString(16)}${CHUNK_END}`);
  if (piece.length <= COPIED_LENGTH_MAX) {
    scratch.append(piece);
    if (isFramed) scratch.appendAscii(CHUNK_END);
    return await write(target, scratch);
  }
  await write(target, scratch);
  await target.write(piece);
  scratch.clear();
  if (isFramed) scratch.appendAscii(CHUNK_END);
  await write(target, scratch);
}

async function write(target: StreamTarget, scratch: ByteBuffer): Promise<void> {
  if (scratch.length > 0) await target.writeScratch();
}

/** What is read by the end of this turn of the event loop. */
function atOnce(
  reading: Promise<Read>,
  clock: Pick<Clock, "atTurnEnd">,
): Promise<Read | undefined> {
  const turn = new Promise<undefined>((resolve) => clock.atTurnEnd(() => resolve(undefined)));
  return Promise.race([reading, turn]);
}
