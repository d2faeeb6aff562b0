/**
 * The record codec as Web TransformStreams, for those who want to see or make records themselves.
 * Back-pressure is that of the streams. afcgi's own connections use the codec directly.
 */
import { ProtocolError } from "./errors.ts";
import { type FastCgiRecord, RecordDecoder } from "./record_decoder.ts";
import { RecordEncoder } from "./record_encoder.ts";

/**
 * Bytes in, records out (section 3.3). Errors with a {@link ProtocolError}: `bad_version` when the
 * bytes are not FastCGI 1.0, `bad_record` when they end within a record.
 *
 * @example
 * ```ts
 * import { RecordDecoderStream } from "afcgi";
 *
 * const bytes = Uint8Array.of(1, 6, 0, 1, 0, 2, 6, 0, 104, 105, 0, 0, 0, 0, 0, 0);
 * const records = new Blob([bytes]).stream().pipeThrough(new RecordDecoderStream());
 * for await (const record of records) console.log(record.type, record.content.length); // 6 2
 * ```
 */
export class RecordDecoderStream extends TransformStream<Uint8Array, FastCgiRecord> {
  constructor() {
    const decoder = new RecordDecoder();
    super({
      transform(bytes, controller) {
        decoder.push(bytes);
        for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
          controller.enqueue(record);
        }
      },
      flush() {
        if (decoder.atBoundary) return;
        throw new ProtocolError("bad_record", "Cannot read record: the stream ended within it");
      },
    });
  }
}

/**
 * Records in, bytes out (section 3.3); padded to a multiple of 8 bytes. Content over 65,528 bytes
 * is split into several records.
 *
 * @example
 * ```ts
 * import { RecordEncoderStream, RecordType } from "afcgi";
 *
 * const encoder = new RecordEncoderStream();
 * const writer = encoder.writable.getWriter();
 * writer.write({ type: RecordType.STDOUT, requestId: 1, content: new Uint8Array(2) });
 * writer.close();
 * for await (const bytes of encoder.readable) console.log(bytes.length); // 16
 * ```
 */
export class RecordEncoderStream extends TransformStream<FastCgiRecord, Uint8Array<ArrayBuffer>> {
  constructor() {
    const encoder = new RecordEncoder();
    super({
      transform({ type, requestId, content }, controller) {
        if (content.length === 0) encoder.streamEnd(type, requestId);
        else encoder.stream(type, requestId, content);
        controller.enqueue(encoder.take());
      },
    });
  }
}
