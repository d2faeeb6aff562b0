/**
 * The three fixed record bodies: BEGIN_REQUEST (section 5.1), END_REQUEST (section 5.5) and
 * UNKNOWN_TYPE (section 4.2). Each is 8 bytes long.
 */
import { ProtocolError } from "./errors.ts";

/** Bytes of each fixed body. */
export const BODY_LENGTH = 8;

/** What BEGIN_REQUEST says. */
export interface BeginRequest {
  role: number;
  keepConnection: boolean;
}

/** What END_REQUEST says. */
export interface EndRequest {
  /** For a responder, what its process would have exited with; unsigned. */
  appStatus: number;
  protocolStatus: number;
}

/** The body of BEGIN_REQUEST. */
export function encodeBeginRequest(role: number, keepConnection: boolean): Uint8Array {
  return Uint8Array.of(role >>> 8, role & 0xff, keepConnection ? 1 : 0, 0, 0, 0, 0, 0);
}

/** @throws {ProtocolError} `bad_record` when it is not 8 bytes long */
export function decodeBeginRequest(content: Uint8Array): BeginRequest {
  requireLength(content, "BEGIN_REQUEST");
  return { role: (content[0]! << 8) | content[1]!, keepConnection: (content[2]! & 1) === 1 };
}

/** The body of END_REQUEST. */
export function encodeEndRequest(appStatus: number, protocolStatus: number): Uint8Array {
  return Uint8Array.of(
    appStatus >>> 24,
    (appStatus >>> 16) & 0xff,
    (appStatus >>> 8) & 0xff,
    appStatus & 0xff,
    protocolStatus,
    0,
    0,
    0,
  );
}

/** @throws {ProtocolError} `bad_record` when it is not 8 bytes long */
export function decodeEndRequest(content: Uint8Array): EndRequest {
  requireLength(content, "END_REQUEST");
  const appStatus =
    ((content[0]! << 24) | (content[1]! << 16) | (content[2]! << 8) | content[3]!) >>> 0;
  return { appStatus, protocolStatus: content[4]! };
}

/** The body of UNKNOWN_TYPE: the type that was not understood. */
export function encodeUnknownType(type: number): Uint8Array {
  return Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0);
}

/** @throws {ProtocolError} `bad_record` when it is not 8 bytes long */
export function decodeUnknownType(content: Uint8Array): number {
  requireLength(content, "UNKNOWN_TYPE");
  return content[0]!;
}

function requireLength(content: Uint8Array, name: string): void {
  if (content.length !== BODY_LENGTH) {
    throw new ProtocolError(
      "bad_record",
      `Cannot read ${name}: its body has ${content.length} bytes where 8 are due`,
    );
  }
}
