/**
 * How fast the codec is by itself, under whichever runtime runs this file:
 * `bun bench/codec.bench.ts`, `deno run -A bench/codec.bench.ts`. `--count N` sets the repetitions.
 */
import { ByteBuffer } from "../src/protocol/byte_buffer.ts";
import { RecordType } from "../src/protocol/constants.ts";
import { appendNameValue, decodeNameValues, encodeNameValues } from "../src/protocol/name_value.ts";
import { RecordDecoder } from "../src/protocol/record_decoder.ts";
import { RecordEncoder } from "../src/protocol/record_encoder.ts";
import { type Benchmark, runBenchmarks } from "./micro.ts";

/** About what a browser's request becomes. */
const PARAMS: readonly (readonly [string, string])[] = [
  ["GATEWAY_INTERFACE", "CGI/1.1"],
  ["SERVER_SOFTWARE", "afcgi"],
  ["SERVER_PROTOCOL", "HTTP/1.1"],
  ["SERVER_NAME", "www.example.com"],
  ["SERVER_PORT", "443"],
  ["REQUEST_METHOD", "GET"],
  ["REQUEST_SCHEME", "https"],
  ["REQUEST_URI", "/articles/2024/on-multiplexing?page=2"],
  ["SCRIPT_NAME", ""],
  ["PATH_INFO", "/articles/2024/on-multiplexing"],
  ["QUERY_STRING", "page=2"],
  ["REMOTE_ADDR", "203.0.113.7"],
  ["REMOTE_PORT", "51234"],
  ["HTTPS", "on"],
  ["HTTP_HOST", "www.example.com"],
  ["HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
  ["HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
  ["HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.5"],
  ["HTTP_ACCEPT_ENCODING", "gzip, deflate, br, zstd"],
  ["HTTP_COOKIE", `session=${"c".repeat(180)}`],
];

const params = encodeNameValues(PARAMS);
const response = new TextEncoder().encode(
  "Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n",
);
const large = new Uint8Array(64 * 1024);

const responses = recordsOf((encoder) => {
  for (let id = 1; id <= 64; id++) {
    encoder.stream(RecordType.STDOUT, id, response);
    encoder.streamEnd(RecordType.STDOUT, id);
    encoder.endRequest(id, 0, 0);
  }
});
const download = recordsOf((encoder) => encoder.stream(RecordType.STDOUT, 1, large));

const encoder = new RecordEncoder();
const buffer = new ByteBuffer(4096);

const BENCHMARKS: readonly Benchmark[] = [
  {
    name: "params: 20 pairs to bytes",
    bytes: params.length,
    share: 1,
    run() {
      buffer.clear();
      for (const [name, value] of PARAMS) appendNameValue(buffer, name, value);
    },
  },
  {
    name: "params: bytes to 20 pairs",
    bytes: params.length,
    share: 0.2,
    run: () => void decodeNameValues(params),
  },
  {
    name: "encoder: one GET",
    bytes: params.length,
    share: 1,
    run() {
      encoder.beginRequest(1, 1, true);
      encoder.stream(RecordType.PARAMS, 1, params);
      encoder.streamEnd(RecordType.PARAMS, 1);
      encoder.streamEnd(RecordType.STDIN, 1);
      encoder.recycle(encoder.take());
    },
  },
  {
    name: "encoder: 64 KiB of a stream",
    bytes: large.length,
    share: 0.1,
    run() {
      encoder.stream(RecordType.STDIN, 1, large);
      encoder.recycle(encoder.take());
    },
  },
  {
    name: "decoder: 64 small responses in one piece",
    bytes: responses.length,
    share: 0.05,
    run: () => decode(responses, responses.length),
  },
  {
    name: "decoder: 64 small responses in pieces of 100 bytes",
    bytes: responses.length,
    share: 0.05,
    run: () => decode(responses, 100),
  },
  {
    name: "decoder: 64 KiB of a stream in pieces of 16 KiB",
    bytes: download.length,
    share: 0.1,
    run: () => decode(download, 16 * 1024),
  },
];

function recordsOf(write: (encoder: RecordEncoder) => void): Uint8Array {
  const encoder = new RecordEncoder();
  write(encoder);
  return encoder.take().slice();
}

/** Adds up what it saw, so that no compiler can leave the work out. */
let seen = 0;

function decode(bytes: Uint8Array, pieceLength: number): void {
  const decoder = new RecordDecoder();
  for (let start = 0; start < bytes.length; start += pieceLength) {
    decoder.push(bytes.subarray(start, start + pieceLength));
    for (let record = decoder.next(); record !== undefined; record = decoder.next()) {
      seen += record.content.length;
    }
  }
}

await runBenchmarks(BENCHMARKS);
if (seen === 0) throw new Error("Cannot trust these figures: the decoder saw nothing");
