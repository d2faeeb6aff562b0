/**
 * The numbers of HTTP/2 under the names that RFC 9113 gives them, and those of RFC 9218. This file
 * knows nothing but the specification.
 */

/** What a client sends first (RFC 9113 section 3.4). */
export { HTTP2_PREFACE as PREFACE } from "../http1/first_bytes.ts";

/** Bytes of a frame's header (section 4.1). */
export const FRAME_HEADER_LENGTH = 9;

/** The longest frame that everybody takes, and the longest that anybody may allow (section 4.2). */
export const FRAME_LENGTH_MIN = 16_384;
export const FRAME_LENGTH_MAX = 16_777_215;

/** Of a window, as long as nobody says otherwise, and at most (section 6.9). */
export const WINDOW_DEFAULT = 65_535;
export const WINDOW_MAX = 2_147_483_647;

export const STREAM_ID_MAX = 2_147_483_647;

/** Of the dynamic table, as long as nobody says otherwise (section 6.5.2). */
export const TABLE_SIZE_DEFAULT = 4096;

/** Section 6; the last one is of RFC 9218 section 7.1. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
  PRIORITY_UPDATE: 0x10,
} as const;

/** Some of them share a bit: which frame it is says what it means. */
export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Section 6.5.2; the last one is of RFC 9218 section 2.1. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

/** Section 7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

export type ErrorCodeName = keyof typeof ErrorCode;

const ERROR_NAMES = Object.keys(ErrorCode) as ErrorCodeName[];

/** The name of a code that anybody may have sent; one that nobody knows is the same to all. */
export function errorCodeName(code: number): ErrorCodeName | "unknown" {
  return ERROR_NAMES[code] ?? "unknown";
}
