/**
 * What one connection may ask of us. Each of the limits of rate is a number of frames at once; as
 * many again come back within {@link REFILL_MS}. Whoever goes beyond one loses the connection.
 */
import { FRAME_LENGTH_MIN, TABLE_SIZE_DEFAULT } from "./constants.ts";

export interface Http2Limits {
  /** Streams at once; one more is refused. */
  readonly streamsMax: number;
  /** Bytes of a request's fields; beyond it the response is 431. Left out: as of HTTP/1. */
  readonly headerListMax?: number | undefined;
  /** Bytes of the table that a client may index its fields in. */
  readonly headerTableMax: number;
  /** CONTINUATION frames of one header section (CVE-2024-27316). */
  readonly continuationsMax: number;
  /**
   * Streams that the client resets or makes us reset (CVE-2023-44487, CVE-2025-8671). Each stream that
   * ends well gives one back, so that who cancels some of many is not held for an attacker.
   */
  readonly resetsMax: number;
  /** SETTINGS frames (CVE-2019-9515). */
  readonly settingsMax: number;
  /** PING frames (CVE-2019-9512). */
  readonly pingsMax: number;
  /** Frames that bring nothing: empty DATA, PRIORITY, unknown types (CVE-2019-9518, -9513). */
  readonly emptyFramesMax: number;
  /**
   * WINDOW_UPDATE frames, and DATA frames that a window makes tiny (CVE-2019-9511, -9517). Each DATA
   * frame that is not tiny gives some back: a client that takes much says so often.
   */
  readonly windowUpdatesMax: number;
  /** Bytes of fields and bodies that wait for us; and of responses that wait for the client. */
  readonly memoryMax: number;
}

export const HTTP2_LIMIT_DEFAULTS: Http2Limits = {
  streamsMax: 128,
  headerTableMax: TABLE_SIZE_DEFAULT,
  continuationsMax: 8,
  resetsMax: 500,
  settingsMax: 100,
  pingsMax: 500,
  emptyFramesMax: 500,
  windowUpdatesMax: 2000,
  memoryMax: 16 * 1024 * 1024,
};

/** How long it takes until a limit of rate that was used up is whole again. */
export const REFILL_MS = 30_000;

/** A DATA frame that its window makes shorter than this is tiny. */
export const TINY_LENGTH = 256;

/** What a DATA frame of ours gives back of WINDOW_UPDATE frames. */
export const UPDATES_PER_FRAME = 4;

/** Bytes of control frames that may wait for a client that reads nothing. */
export const CONTROL_LENGTH_MAX = 64 * 1024;

/** How long a client may take nothing of more than `memoryMax` of responses. */
export const HELD_MS = 30_000;

/** What a client may send of a body that nobody has read yet, at first and at most. */
export const STREAM_WINDOW = 65_535;
export const STREAM_WINDOW_MAX = 1024 * 1024;

/** The same of all bodies: it is given back as it comes, and streams alone hold a client back. */
export const CONNECTION_WINDOW = 1024 * 1024;

/** Longest DATA frame that we send, however long the client would let it be. */
export const DATA_LENGTH_MAX = 16 * FRAME_LENGTH_MIN;

/** How many streams that we reset are remembered: what is under way to them is no error. */
export const RESET_STREAMS_MAX = 256;

/** CONTINUATION frames that a header section of so many bytes takes, and two more. */
export function continuationsFor(headerListMax: number): number {
  return Math.ceil(headerListMax / FRAME_LENGTH_MIN) + 2;
}
