/**
 * Sends bytes of a file: straight from it where the system can, else read and written in pieces. A
 * client that takes them as fast as they come still leaves a turn to the others now and then.
 */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { Clock } from "../runtime/clock.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import type { StreamTarget } from "./streamed_response.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Most bytes that one call of the system may send. */
const TRANSFER_LENGTH_MAX = 1024 * 1024;

/** Bytes that are read at once. */
const PIECE_LENGTH = 64 * 1024;

/** The same where the system sends the rest: just enough to be told when it takes more. */
const PROBE_LENGTH = 8 * 1024;

/** Bytes after which the others have their turn. */
const TURN_LENGTH = 4 * 1024 * 1024;

/** Who takes the bytes. */
export interface FileTarget extends StreamTarget {
  /** As that of a raw socket. */
  transfer(file: OpenFile, offset: number, length: number): number;
}

interface FileServer {
  readonly scratch: ByteBuffer;
  readonly clock: Pick<Clock, "atTurnEnd">;
}

/** Resolves to whether all of them went: not when the file is shorter by now. Closes the file. */
export async function sendFileBytes(
  target: FileTarget,
  { scratch, clock }: FileServer,
  file: OpenFile,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<boolean> {
  let turnEnd = start + TURN_LENGTH;
  let hasTransferred = false;
  try {
    for (let offset = start; offset < end;) {
      if (target.isGone) return false;
      if (offset >= turnEnd) {
        turnEnd = offset + TURN_LENGTH;
        await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
      }
      const wanted = end - offset;
      let sent = target.transfer(file, offset, Math.min(wanted, TRANSFER_LENGTH_MAX));
      hasTransferred ||= sent > 0;
      if (sent === 0) {
        scratch.clear();
        scratch.grow(Math.min(wanted, hasTransferred ? PROBE_LENGTH : PIECE_LENGTH));
        sent = file.read(scratch.view(), offset);
        if (sent === 0) return false;
        scratch.truncate(sent);
        await target.writeScratch();
      }
      offset += sent;
    }
    return !target.isGone;
  } catch (error) {
    reportIfOurs(error, "sending a file");
    return false;
  } finally {
    file.close();
  }
}
