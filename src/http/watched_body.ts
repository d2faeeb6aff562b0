/**
 * A body on its way to the client, counted: for the log line of a response whose bytes are not
 * those that the application sent, or are a file's. It knows how the body ended: whole, broken off,
 * or left by its client.
 */
import type { BodyWatch } from "./request_context.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

/** Counts what is read of `source`; `inner` knows more of why it broke off. */
export class WatchedBody implements BodyWatch {
  bytes = 0;
  ended = false;
  error: BodyWatch["error"];
  onEnded: (() => void) | undefined;
  readonly stream: ReadableStream<Uint8Array>;
  readonly #inner: BodyWatch | undefined;

  constructor(source: ReadableStream<Uint8Array>, inner?: BodyWatch) {
    this.#inner = inner;
    const reader = source.getReader();
    this.stream = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          // The client has left meanwhile, and with it this stream.
          if (this.ended) return;
          if (!done) {
            this.bytes += value.length;
            return controller.enqueue(value);
          }
          this.#end(undefined);
          controller.close();
        } catch (error) {
          if (this.ended) return;
          reportIfOurs(error, "sending a response");
          this.#end({ code: "answer_broke_off", message: "The body could not be read to its end" });
          // Without a reason: Bun prints one to standard error.
          controller.error();
        }
      },
      cancel: (reason) => {
        this.#end({
          code: "client_gone",
          message: "The client left before its response was complete",
        });
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  #end(error: BodyWatch["error"]): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error && (this.#inner?.error ?? error);
    this.onEnded?.();
  }
}
