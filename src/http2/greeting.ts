/** What a server says first (RFC 9113 section 3.4): its settings, and how much it takes at once. */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import { Setting, TABLE_SIZE_DEFAULT, WINDOW_DEFAULT } from "./constants.ts";
import { appendSettings, appendWindowUpdate } from "./frame_writer.ts";
import { CONNECTION_WINDOW, type Http2Limits } from "./limits.ts";

/** `headerListMax`: bytes of a request's fields. */
export function appendGreeting(
  out: ByteBuffer,
  { headerTableMax, streamsMax }: Http2Limits,
  headerListMax: number,
): void {
  appendSettings(out, [
    [Setting.MAX_CONCURRENT_STREAMS, streamsMax],
    [Setting.MAX_HEADER_LIST_SIZE, headerListMax],
    [Setting.NO_RFC7540_PRIORITIES, 1],
    ...(headerTableMax === TABLE_SIZE_DEFAULT
      ? []
      : [[Setting.HEADER_TABLE_SIZE, headerTableMax] as const]),
  ]);
  appendWindowUpdate(out, 0, CONNECTION_WINDOW - WINDOW_DEFAULT);
}
