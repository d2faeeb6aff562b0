/**
 * A file as a body to send: read where it lies, each time from its beginning, so that it needs no
 * copy and can be sent again. It is open only while it is read.
 */
import type { OpenFile } from "../runtime/open_file.ts";
import { errorText, UpstreamError } from "./errors.ts";
import type { BodyReader, SendableBody } from "./request_body.ts";

export class FileBody implements SendableBody {
  readonly isThere = true;
  readonly length: number;
  readonly #open: () => OpenFile;
  readonly #path: string;
  readonly #readers = new Set<BodyReader>();

  /**
   * @param open opens it, or throws
   * @param length the file's bytes; when it has fewer by then, reading fails
   */
  constructor(open: () => OpenFile, path: string, length: number) {
    this.#open = open;
    this.#path = path;
    this.length = length;
  }

  reader(): BodyReader {
    let stream: ReadableStreamDefaultReader<Uint8Array> | undefined;
    const reader: BodyReader = {
      read: async () => {
        try {
          stream ??= this.#stream();
          const { done, value } = await stream.read();
          if (done) this.#readers.delete(reader);
          return value;
        } catch (cause) {
          throw this.#failed(cause);
        }
      },
      cancel: () => {
        this.#readers.delete(reader);
        stream?.cancel().catch(() => {});
      },
    };
    this.#readers.add(reader);
    return reader;
  }

  close(): void {
    for (const reader of [...this.#readers]) reader.cancel();
  }

  #stream(): ReadableStreamDefaultReader<Uint8Array> {
    const pieces = this.length === 0 ? [] : [{ start: 0, end: this.length }];
    return this.#open().stream(pieces).getReader();
  }

  #failed(cause: unknown): UpstreamError {
    const message = `Cannot read the file "${this.#path}": ${errorText(cause)}`;
    return new UpstreamError("request_body_failed", message, {
      phase: "first_byte",
      fault: "local",
      sent: true,
      cause,
    });
  }
}
