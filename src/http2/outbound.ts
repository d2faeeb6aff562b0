/**
 * What goes out on a connection: frames gather in one buffer and leave in one write at the end of a
 * turn, so that the responses of a turn share it. DATA is put there only as far as the system takes
 * what was written before, the connection's window and the streams' allow, and in the order of the
 * queue; nothing waits here for a client but control frames, and those have a bound.
 */
import { HeldMemory, type MemoryCount } from "../http1/held_memory.ts";
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { AcceptedSocket } from "../runtime/callback_socket.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ResponseFields } from "../runtime/http_response.ts";
import type { Budgets } from "./budgets.ts";
import {
  type ErrorCodeName,
  Flag,
  FRAME_HEADER_LENGTH,
  FRAME_LENGTH_MIN,
  FrameType,
  WINDOW_DEFAULT,
} from "./constants.ts";
import { ConnectionError } from "./errors.ts";
import { appendFrame, appendHeaders, appendReset, writeFrameHeader } from "./frame_writer.ts";
import { CONTROL_LENGTH_MAX, DATA_LENGTH_MAX, TINY_LENGTH, UPDATES_PER_FRAME } from "./limits.ts";
import type { ResponseBody } from "./response_body.ts";
import { ResponseHeadersWriter } from "./response_headers.ts";
import { type Queued, StreamQueue } from "./stream_queue.ts";

/** Bytes that are written at once. */
const WRITE_LENGTH = 64 * 1024;

/** Bytes after which other connections have their turn. */
const TURN_LENGTH = 1024 * 1024;

/** Buffers that wait for another connection to use them. */
const SPARE_BUFFERS_MAX = 32;
const SPARE_CAPACITY_MAX = 512 * 1024;

const spareBuffers: ByteBuffer[] = [];
const block = new ByteBuffer();

/** A stream as far as sending knows it. */
export interface Sending extends Queued {
  readonly id: number;
  sendWindow: number;
  readonly responseBody: ResponseBody | undefined;
  /** Some of its body went out. */
  sent(): void;
  /** The last of it went out. */
  sentAll(): void;
  /** Its body cannot be read to its end. */
  broke(): void;
}

export class Outbound {
  readonly #socket: AcceptedSocket;
  readonly #clock: Pick<Clock, "atTurnEnd">;
  readonly #budgets: Budgets;
  /** What waits for the client here. */
  readonly #held: HeldMemory;
  readonly #headers = new ResponseHeadersWriter();
  readonly queue = new StreamQueue<Sending>();
  /** The client's SETTINGS_MAX_FRAME_SIZE. */
  frameLengthMax = FRAME_LENGTH_MIN;
  /** Of the connection. */
  window = WINDOW_DEFAULT;
  #out: ByteBuffer | undefined;
  #isFull = false;
  #isScheduled = false;
  #isEnded = false;
  readonly #flushAtTurnEnd = (): void => {
    this.#isScheduled = false;
    this.flush();
    this.onFlushed();
  };
  /** Called when the system takes bytes again. */
  onRoom: () => void = () => {};
  /** Called when what waited for a turn's end has left, as far as it could. */
  onFlushed: () => void = () => {};
  /** Called when the client breaks a limit by how it lets us send. */
  onError: (error: unknown) => void = () => {};

  constructor(
    socket: AcceptedSocket,
    clock: Pick<Clock, "atTurnEnd">,
    budgets: Budgets,
    memory: MemoryCount,
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#budgets = budgets;
    this.#held = new HeldMemory(memory);
  }

  /** Whether the client has yet to take what was sent before. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether all that was to be sent is with the system. */
  get isFlushed(): boolean {
    return !this.#isFull && (this.#out?.length ?? 0) === 0 && this.queue.length === 0;
  }

  get encoder() {
    return this.#headers.encoder;
  }

  /** The connection rests: what it remembers is not worth its memory. */
  forget(): void {
    this.#headers.forget();
  }

  /**
   * Appends a frame that is no response's.
   *
   * @throws {ConnectionError} where the client makes us say much and reads nothing
   */
  control(append: (out: ByteBuffer) => void): void {
    const out = this.#buffer();
    append(out);
    if (this.#isFull && out.length > CONTROL_LENGTH_MAX) {
      throw new ConnectionError("ENHANCE_YOUR_CALM", "The client reads nothing", "unread");
    }
  }

  reset(streamId: number, code: ErrorCodeName): void {
    this.control((out) => appendReset(out, streamId, code));
  }

  /** Appends a response's headers. */
  headers(
    streamId: number,
    status: number,
    fields: ResponseFields,
    length: number | undefined,
    date: string,
    isEnd: boolean,
  ): void {
    const out = this.#buffer();
    // Mostly a section fits into one frame, and is written where it goes out.
    const start = appendFrame(out, FrameType.HEADERS, 0, streamId, 0);
    this.#headers.append(out, status, fields, length, date);
    const blockLength = out.length - start;
    if (blockLength <= this.frameLengthMax) {
      const flags = isEnd ? Flag.END_HEADERS | Flag.END_STREAM : Flag.END_HEADERS;
      const header = start - FRAME_HEADER_LENGTH;
      writeFrameHeader(out.bytes, header, FrameType.HEADERS, flags, streamId, blockLength);
      return;
    }
    const bytes = out.bytes.slice(start, out.length);
    out.truncate(start - FRAME_HEADER_LENGTH);
    appendHeaders(out, streamId, bytes, isEnd, this.frameLengthMax);
  }

  /** Appends headers that come before the response's; not where the client is slow to read. */
  interim(streamId: number, status: number, fields: ResponseFields): void {
    if (this.#isFull) return;
    block.clear();
    this.#headers.appendInterim(block, status, fields);
    appendHeaders(this.#buffer(), streamId, block.view(), false, this.frameLengthMax);
    this.schedule();
  }

  /** Appends an empty DATA frame that ends a stream. */
  end(streamId: number): void {
    appendFrame(this.#buffer(), FrameType.DATA, Flag.END_STREAM, streamId, 0);
    this.schedule();
  }

  /** What waits leaves at the end of the turn. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.atTurnEnd(this.#flushAtTurnEnd);
  }

  /** What waits leaves now, as far as the client takes it. */
  flush(): void {
    if (this.#isFull || this.#isEnded) return;
    try {
      this.#fill();
    } catch (error) {
      return this.onError(error);
    }
    this.#write();
  }

  /** What waits leaves however full the system is: nothing comes behind it. */
  flushLast(): void {
    this.#write();
    this.#isEnded = true;
  }

  /** The client takes some of what waits, now and then. */
  noteHeld(): void {
    this.#held.note(this.#socket.unsentLength);
  }

  /** Nobody takes anything any more. */
  closed(): void {
    this.#held.note(0);
  }

  drained(): void {
    this.#isFull = false;
    this.#held.note(0);
    this.onRoom();
    this.flush();
  }

  /** Puts DATA behind what is there. */
  #fill(): void {
    let left = TURN_LENGTH;
    while (this.window > 0 && !this.#isFull) {
      const stream = this.queue.next();
      if (stream === undefined) return;
      if (left <= 0) return this.schedule();
      left -= this.#data(stream);
      if ((this.#out?.length ?? 0) >= WRITE_LENGTH) this.#write();
    }
  }

  /** One frame of a stream; how long it was. */
  #data(stream: Sending): number {
    const body = stream.responseBody!;
    const { available } = body;
    const allowed = Math.min(available, stream.sendWindow, this.window);
    const length = Math.min(allowed, this.frameLengthMax, DATA_LENGTH_MAX);
    const isEnd = length === available && body.isLast;
    const out = this.#buffer();
    const offset = appendFrame(
      out,
      FrameType.DATA,
      isEnd ? Flag.END_STREAM : 0,
      stream.id,
      length,
    );
    if (!body.read(out.bytes, offset, length)) {
      out.truncate(offset - FRAME_HEADER_LENGTH);
      this.queue.remove(stream);
      stream.broke();
      return 0;
    }
    stream.sendWindow -= length;
    this.window -= length;
    if (length < TINY_LENGTH && length < available) this.#budgets.take("window_updates");
    else this.#budgets.give("window_updates", UPDATES_PER_FRAME);
    if (length === available || stream.sendWindow <= 0) this.queue.remove(stream);
    else this.queue.rotate(stream);
    stream.sent();
    if (isEnd) stream.sentAll();
    return length;
  }

  #buffer(): ByteBuffer {
    return this.#out ??= spareBuffers.pop() ?? new ByteBuffer();
  }

  #write(): void {
    const out = this.#out;
    if (out === undefined) return;
    const isSent = out.length === 0 || this.#isEnded;
    if (!isSent && !this.#socket.writeLent(out.bytes, out.length)) {
      this.#isFull = true;
      this.noteHeld();
    }
    this.#out = undefined;
    out.clear();
    if (spareBuffers.length < SPARE_BUFFERS_MAX && out.bytes.length <= SPARE_CAPACITY_MAX) {
      spareBuffers.push(out);
    }
  }
}
