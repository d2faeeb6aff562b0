/**
 * What a client's frames mean (RFC 9113 section 6): each is looked at for what it may be, by itself
 * and where it stands, and told to who acts on it. What is wrong ends the connection or one stream,
 * as the RFC says which.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import { fromLatin1 } from "../protocol/byte_buffer.ts";
import type { Budgets } from "./budgets.ts";
import { Flag, FrameType, WINDOW_MAX } from "./constants.ts";
import { ConnectionError, StreamError } from "./errors.ts";
import type { Frame } from "./frame_reader.ts";
import { type ClientSettings, defaultSettings, readSettings } from "./settings.ts";
import type { StreamTable } from "./stream_table.ts";

/** Bytes of the fields that HEADERS and PRIORITY may have (RFC 9113 section 6.3). */
const PRIORITY_LENGTH = 5;

/** A section whose end has not come. */
interface Gathering {
  readonly streamId: number;
  readonly isEnd: boolean;
  readonly isSelfDependent: boolean;
  readonly bytes: ByteBuffer;
  readonly startedMs: number;
  continuations: number;
}

/** A header section, whole. */
export interface Section {
  readonly streamId: number;
  /** Whether nothing comes behind it. */
  readonly isEnd: boolean;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The client said that the stream depends on itself. */
  readonly isSelfDependent: boolean;
}

/** Who acts on what came. */
export interface InboundEvents {
  readonly coarseNowMs: number;
  onSection(section: Section): void;
  /** The payload of a DATA frame, and the bytes that it takes of windows. */
  onData(streamId: number, data: Uint8Array, flowLength: number, isEnd: boolean): void;
  onReset(streamId: number, code: number): void;
  onSettings(settings: ClientSettings): void;
  onSettingsAck(): void;
  onPing(payload: Uint8Array, isAck: boolean): void;
  onGoaway(code: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  onPriority(streamId: number, value: string): void;
}

export class Inbound {
  readonly #events: InboundEvents;
  readonly #streams: StreamTable;
  readonly #budgets: Budgets;
  readonly #continuationsMax: number;
  readonly #settings = defaultSettings();
  #gathering: Gathering | undefined;
  #hasSettings = false;

  constructor(
    events: InboundEvents,
    streams: StreamTable,
    budgets: Budgets,
    continuationsMax: number,
  ) {
    this.#events = events;
    this.#streams = streams;
    this.#budgets = budgets;
    this.#continuationsMax = continuationsMax;
  }

  /** Since when a header section is waited for; undefined: none has begun. */
  get gatheringSinceMs(): number | undefined {
    return this.#gathering?.startedMs;
  }

  /** Bytes of it that are there. */
  get gatheredLength(): number {
    return this.#gathering?.bytes.length ?? 0;
  }

  /**
   * Takes one frame.
   *
   * @throws {ConnectionError}
   * @throws {StreamError}
   */
  take(frame: Frame): void {
    if (!this.#hasSettings && frame.type !== FrameType.SETTINGS) {
      throw new ConnectionError("PROTOCOL_ERROR", "The first frame is not SETTINGS");
    }
    if (this.#gathering !== undefined && frame.type !== FrameType.CONTINUATION) {
      throw new ConnectionError("PROTOCOL_ERROR", "A frame stands within a header section");
    }
    switch (frame.type) {
      case FrameType.DATA:
        return this.#data(frame);
      case FrameType.HEADERS:
        return this.#headers(frame);
      case FrameType.CONTINUATION:
        return this.#continuation(frame);
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(frame);
      case FrameType.RST_STREAM:
        return this.#reset(frame);
      case FrameType.SETTINGS:
        return this.#readSettings(frame);
      case FrameType.PING:
        return this.#ping(frame);
      case FrameType.PRIORITY:
        return this.#priority(frame);
      case FrameType.PRIORITY_UPDATE:
        return this.#priorityUpdate(frame);
      case FrameType.GOAWAY:
        return this.#goaway(frame);
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError("PROTOCOL_ERROR", "A client sends PUSH_PROMISE");
      default:
        // What nobody knows is ignored (section 5.5).
        this.#budgets.take("empty_frames");
    }
  }

  #data(frame: Frame): void {
    const { streamId } = frame;
    this.#requireUsed(frame, "DATA");
    const start = this.#withoutPadding(frame);
    const isEnd = frame.has(Flag.END_STREAM);
    if (start.end === start.start && !isEnd) this.#budgets.take("empty_frames");
    const data = frame.bytes.subarray(start.start, start.end);
    this.#events.onData(streamId, data, frame.length, isEnd);
  }

  #headers(frame: Frame): void {
    const { streamId } = frame;
    if ((streamId & 1) === 0) {
      throw new ConnectionError("PROTOCOL_ERROR", `HEADERS on stream ${streamId}`);
    }
    const { start, end } = this.#withoutPadding(frame);
    const hasPriority = frame.has(Flag.PRIORITY);
    if (hasPriority && end - start < PRIORITY_LENGTH) {
      throw new ConnectionError("FRAME_SIZE_ERROR", "HEADERS has no room for its priority");
    }
    const isSelfDependent = hasPriority &&
      (frame.uint32(start - frame.start) & 0x7fff_ffff) === streamId;
    const fieldsStart = hasPriority ? start + PRIORITY_LENGTH : start;
    const isEnd = frame.has(Flag.END_STREAM);
    if (frame.has(Flag.END_HEADERS)) {
      const { bytes } = frame;
      this.#events.onSection({
        streamId,
        isEnd,
        bytes,
        start: fieldsStart,
        end,
        isSelfDependent,
      });
      return;
    }
    if (end === fieldsStart) this.#budgets.take("empty_frames");
    const bytes = new ByteBuffer(end - fieldsStart);
    bytes.append(frame.bytes.subarray(fieldsStart, end));
    const startedMs = this.#events.coarseNowMs;
    this.#gathering = { streamId, isEnd, isSelfDependent, bytes, startedMs, continuations: 0 };
  }

  #continuation(frame: Frame): void {
    const gathering = this.#gathering;
    if (gathering === undefined || gathering.streamId !== frame.streamId) {
      throw new ConnectionError("PROTOCOL_ERROR", "CONTINUATION of no header section");
    }
    if (++gathering.continuations > this.#continuationsMax) {
      const message = `More than ${this.#continuationsMax} CONTINUATION frames`;
      throw new ConnectionError("ENHANCE_YOUR_CALM", message, "continuations");
    }
    const isLast = frame.has(Flag.END_HEADERS);
    if (frame.length === 0 && !isLast) this.#budgets.take("empty_frames");
    gathering.bytes.append(frame.bytes.subarray(frame.start, frame.end));
    if (!isLast) return;
    this.#gathering = undefined;
    const { streamId, isEnd, isSelfDependent } = gathering;
    const bytes = gathering.bytes.view();
    const end = bytes.length;
    this.#events.onSection({ streamId, isEnd, bytes, start: 0, end, isSelfDependent });
  }

  #windowUpdate(frame: Frame): void {
    const { streamId } = frame;
    requireLength(frame, 4, "WINDOW_UPDATE");
    if (streamId !== 0) this.#requireUsed(frame, "WINDOW_UPDATE");
    this.#budgets.take("window_updates");
    const increment = frame.uint32(0) & WINDOW_MAX;
    if (increment === 0) {
      const message = "WINDOW_UPDATE by nothing";
      if (streamId === 0) throw new ConnectionError("PROTOCOL_ERROR", message);
      throw new StreamError(streamId, "PROTOCOL_ERROR", message);
    }
    this.#events.onWindowUpdate(streamId, increment);
  }

  #reset(frame: Frame): void {
    requireLength(frame, 4, "RST_STREAM");
    this.#requireUsed(frame, "RST_STREAM");
    this.#budgets.take("resets");
    this.#events.onReset(frame.streamId, frame.uint32(0));
  }

  #readSettings(frame: Frame): void {
    requireConnection(frame, "SETTINGS");
    if (frame.has(Flag.ACK)) {
      requireLength(frame, 0, "An acknowledgement of SETTINGS");
      if (!this.#hasSettings) {
        throw new ConnectionError("PROTOCOL_ERROR", "The first frame is not SETTINGS");
      }
      this.#budgets.take("empty_frames");
      return this.#events.onSettingsAck();
    }
    if (this.#hasSettings) this.#budgets.take("settings");
    this.#hasSettings = true;
    readSettings(frame, this.#settings);
    this.#events.onSettings(this.#settings);
  }

  #ping(frame: Frame): void {
    requireConnection(frame, "PING");
    requireLength(frame, 8, "PING");
    this.#budgets.take("pings");
    this.#events.onPing(frame.bytes.slice(frame.start, frame.end), frame.has(Flag.ACK));
  }

  /** The tree of priorities is of RFC 7540, and gone. */
  #priority(frame: Frame): void {
    const { streamId } = frame;
    if (streamId === 0) throw new ConnectionError("PROTOCOL_ERROR", "PRIORITY of no stream");
    this.#budgets.take("empty_frames");
    if (frame.length !== PRIORITY_LENGTH) {
      throw this.#streamError(streamId, "FRAME_SIZE_ERROR", "PRIORITY has another length");
    }
    if ((frame.uint32(0) & 0x7fff_ffff) === streamId) {
      throw this.#streamError(streamId, "PROTOCOL_ERROR", "A stream depends on itself");
    }
  }

  #priorityUpdate(frame: Frame): void {
    requireConnection(frame, "PRIORITY_UPDATE");
    this.#budgets.take("empty_frames");
    if (frame.length < 4) {
      throw new ConnectionError("FRAME_SIZE_ERROR", "PRIORITY_UPDATE has no stream");
    }
    const streamId = frame.uint32(0) & 0x7fff_ffff;
    if ((streamId & 1) === 0) {
      throw new ConnectionError("PROTOCOL_ERROR", "PRIORITY_UPDATE of no stream of a client's");
    }
    const value = fromLatin1(frame.bytes.subarray(frame.start + 4, frame.end));
    this.#events.onPriority(streamId, value);
  }

  #goaway(frame: Frame): void {
    requireConnection(frame, "GOAWAY");
    if (frame.length < 8) throw new ConnectionError("FRAME_SIZE_ERROR", "GOAWAY has no error code");
    this.#budgets.take("empty_frames");
    this.#events.onGoaway(frame.uint32(4));
  }

  /** A stream that nobody has begun cannot be reset. */
  #streamError(
    streamId: number,
    code: "FRAME_SIZE_ERROR" | "PROTOCOL_ERROR",
    message: string,
  ): ConnectionError | StreamError {
    return this.#streams.isIdle(streamId)
      ? new ConnectionError(code, message)
      : new StreamError(streamId, code, message);
  }

  #requireUsed({ streamId }: Frame, name: string): void {
    if (!this.#streams.isIdle(streamId)) return;
    throw new ConnectionError("PROTOCOL_ERROR", `${name} on stream ${streamId}, which is idle`);
  }

  /** Where the payload of DATA or HEADERS lies (section 6.1). */
  #withoutPadding(frame: Frame): { readonly start: number; readonly end: number } {
    const { bytes, start, end } = frame;
    if (!frame.has(Flag.PADDED)) return { start, end };
    const padding = start === end ? 0 : bytes[start]!;
    if (padding >= frame.length) {
      throw new ConnectionError("PROTOCOL_ERROR", "The padding is as long as the frame");
    }
    return { start: start + 1, end: end - padding };
  }
}

function requireLength(frame: Frame, length: number, what: string): void {
  if (frame.length === length) return;
  throw new ConnectionError("FRAME_SIZE_ERROR", `${what} has ${frame.length} bytes, not ${length}`);
}

function requireConnection({ streamId }: Frame, what: string): void {
  if (streamId === 0) return;
  throw new ConnectionError("PROTOCOL_ERROR", `${what} on stream ${streamId}`);
}
