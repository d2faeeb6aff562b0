/**
 * Logs of a thread: lines go to the main thread, which alone writes files, so that lines of two
 * threads never tear each other and a rotated file is opened anew in one place.
 */
import type { TextSink } from "../runtime/text_sink.ts";
import type { FromThread, LogName } from "./messages.ts";

export function threadLog(log: LogName, send: (message: FromThread) => void): TextSink {
  return {
    write: (text) => send({ kind: "log", log, text }),
    // Messages arrive in their order: what is said before "stopped" is written before it.
    flush: () => Promise.resolve(),
  };
}
