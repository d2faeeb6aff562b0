/** What the client says of itself (RFC 9113 section 6.5). */
import {
  FRAME_LENGTH_MAX,
  FRAME_LENGTH_MIN,
  Setting,
  TABLE_SIZE_DEFAULT,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./constants.ts";
import { ConnectionError } from "./errors.ts";
import type { Frame } from "./frame_reader.ts";

const ENTRY_LENGTH = 6;

export interface ClientSettings {
  headerTableSize: number;
  initialWindow: number;
  frameLengthMax: number;
}

export function defaultSettings(): ClientSettings {
  return {
    headerTableSize: TABLE_SIZE_DEFAULT,
    initialWindow: WINDOW_DEFAULT,
    frameLengthMax: FRAME_LENGTH_MIN,
  };
}

/**
 * Reads a SETTINGS frame; what comes twice has the last value, as if it came once.
 *
 * @throws {ConnectionError}
 */
export function readSettings(frame: Frame, settings: ClientSettings): void {
  if (frame.length % ENTRY_LENGTH !== 0) {
    throw new ConnectionError("FRAME_SIZE_ERROR", "SETTINGS has a part of a setting");
  }
  for (let offset = 0; offset < frame.length; offset += ENTRY_LENGTH) {
    readSetting(frame.uint16(offset), frame.uint32(offset + 2), settings);
  }
}

function readSetting(id: number, value: number, settings: ClientSettings): void {
  switch (id) {
    case Setting.HEADER_TABLE_SIZE:
      settings.headerTableSize = value;
      return;
    case Setting.ENABLE_PUSH:
      if (value > 1) throw new ConnectionError("PROTOCOL_ERROR", `ENABLE_PUSH is ${value}`);
      return;
    case Setting.INITIAL_WINDOW_SIZE:
      if (value > WINDOW_MAX) {
        throw new ConnectionError("FLOW_CONTROL_ERROR", `INITIAL_WINDOW_SIZE is ${value}`);
      }
      settings.initialWindow = value;
      return;
    case Setting.MAX_FRAME_SIZE:
      if (value < FRAME_LENGTH_MIN || value > FRAME_LENGTH_MAX) {
        throw new ConnectionError("PROTOCOL_ERROR", `MAX_FRAME_SIZE is ${value}`);
      }
      settings.frameLengthMax = value;
  }
}
