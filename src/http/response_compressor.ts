/**
 * Responses compressed for clients that want it (RFC 9110 section 8.4). Left alone is what has a
 * coding already, a part of something (206), what has no body, what says `no-transform`, and what
 * carries a digest of its bytes. A response whose bytes depend on Accept-Encoding says so in Vary,
 * whatever this client gets; a strong entity tag becomes a weak one, for the bytes are others.
 */
import { preferredEncoding } from "../compression/accept_encoding.ts";
import { compressedStream } from "../compression/compressed_stream.ts";
import { compileTypes } from "../compression/media_types.ts";
import type { CompressionOptions } from "../compression/options.ts";
import {
  BytesResponse,
  fieldsOf,
  type HttpResponse,
  responseOf,
} from "../runtime/http_response.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RequestContext, ResponsePart } from "./request_context.ts";
import { isBodilessStatus } from "./upstream_response.ts";
import { WatchedBody } from "./watched_body.ts";
import type { HttpHeaders, HttpRequest } from "../runtime/http_request.ts";

/** A file of at most so many bytes is compressed as a whole, so that it has a length. */
const WHOLE_LENGTH_MAX = 64 * 1024;

const DIGESTS = ["content-digest", "repr-digest", "digest", "content-md5"];

type CompressingRuntime = Pick<Runtime, "createCompressor" | "compressQuickly" | "clock">;

export class ResponseCompressor {
  readonly #options: CompressionOptions;
  readonly #isWanted: (contentType: string | null) => boolean;
  readonly #runtime: CompressingRuntime;
  readonly #clock: Clock;
  #underWay = 0;

  constructor(options: CompressionOptions, runtime: CompressingRuntime) {
    this.#options = options;
    this.#isWanted = compileTypes(options.types);
    this.#runtime = runtime;
    this.#clock = runtime.clock;
  }

  /** Responses being compressed now. */
  get underWay(): number {
    return this.#underWay;
  }

  /** The response as this client gets it; `whole` is its body, where it is at hand. */
  apply(
    request: Pick<HttpRequest, "headers">,
    context: RequestContext,
    response: Response,
    whole?: Uint8Array,
  ): HttpResponse | Promise<HttpResponse> {
    const { status, headers } = response;
    if (status === 304) describeUnchanged(request.headers, headers);
    if (isBodilessStatus(status) || !this.#isCompressible(headers)) return response;
    if (status === 206 || headers.has("content-range")) {
      // Of a response that would have been compressed (section 15.3.7).
      if (status === 206) addVary(headers);
      return response;
    }
    const length = whole?.length ?? declaredLength(headers);
    if ((length ?? Infinity) < this.#options.minSize) return response;
    addVary(headers);
    const coding = preferredEncoding(
      request.headers.get("accept-encoding"),
      this.#options.encodings,
    );
    if (coding === undefined || this.#underWay >= this.#options.concurrentMax) return response;
    if (context.method === "HEAD") {
      // Without a length nobody knows whether a GET would be long enough.
      if (length !== undefined) describe(headers, coding);
      return response;
    }
    const how = { coding, level: this.#options.level };
    const quick = whole && this.#runtime.compressQuickly(whole, how);
    if (quick !== undefined) {
      (context as ResponsePart).bodyProgress = undefined;
      describe(headers, coding);
      return responseOfBytes(quick, response);
    }
    const { body } = response;
    if (body === null) return response;
    const compressor = this.#runtime.createCompressor(how);
    this.#underWay++;
    describe(headers, coding);
    const stream = compressedStream(body, compressor, this.#clock, () => this.#underWay--);
    // A body that comes from an application may take its time: that one is never waited for.
    const part: ResponsePart = context;
    const isFile = part.bodyProgress === undefined;
    if (whole !== undefined || (isFile && length !== undefined && length <= WHOLE_LENGTH_MAX)) {
      part.bodyProgress = undefined;
      return compressedWhole(stream, response);
    }
    const watched = new WatchedBody(stream, context.bodyProgress);
    part.bodyProgress = watched;
    const { statusText } = response;
    return responseOf(watched.stream, { status, statusText, headers });
  }

  /** Whether the whole of it could be compressed, by its fields. */
  #isCompressible(headers: Headers): boolean {
    if (!this.#isWanted(headers.get("content-type"))) return false;
    if (headers.has("content-encoding")) return false;
    if (DIGESTS.some((name) => headers.has(name))) return false;
    return !/(?:^|[\s,])no-transform(?:$|[\s,])/i.test(headers.get("cache-control") ?? "");
  }
}

async function compressedWhole(
  stream: ReadableStream<Uint8Array>,
  response: Response,
): Promise<BytesResponse> {
  return responseOfBytes(await new Response(stream).bytes(), response);
}

function responseOfBytes(bytes: Uint8Array, response: Response): BytesResponse {
  const { status, statusText } = response;
  return new BytesResponse(status, fieldsOf(response), bytes, statusText || undefined);
}

function describe(headers: Headers, coding: string): void {
  headers.set("content-encoding", coding);
  headers.delete("content-length");
  // Ranges would be of other bytes.
  headers.delete("accept-ranges");
  const etag = headers.get("etag");
  if (etag !== null && !etag.startsWith("W/")) headers.set("etag", `W/${etag}`);
}

/**
 * A 304 has the tag and the Vary of the response that it stands for (section 15.4.5): a cache that
 * keeps a weak tag finds nothing of its own in a strong one. What the client holds was compressed
 * when it knows our tag as a weak one.
 */
function describeUnchanged(asked: HttpHeaders, headers: Headers): void {
  const etag = headers.get("etag");
  if (etag === null || !asked.get("if-none-match")?.includes(`W/${etag}`)) return;
  headers.set("etag", `W/${etag}`);
  addVary(headers);
}

function addVary(headers: Headers): void {
  const names = (headers.get("vary") ?? "").toLowerCase().split(",").map((name) => name.trim());
  if (names.includes("*") || names.includes("accept-encoding")) return;
  headers.append("vary", "Accept-Encoding");
}

function declaredLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  return text === null ? undefined : Number(text);
}
