/**
 * A Gemini route to an application: the request goes to its upstream, the response comes as a
 * stream.
 */
import { Role } from "../protocol/constants.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type GeminiHeader, GeminiHeaderParser, headerOf } from "./response_header.ts";
import { errorReply } from "./own_replies.ts";
import { convertHeaders } from "./cgi_conversion.ts";
import { encodeParameters, type ParameterConstants } from "./parameters.ts";
import type { GeminiReply, GeminiRequest } from "./request.ts";

export interface GeminiFastCgiRoute extends ParameterConstants {
  readonly upstream: Upstream;
  readonly convert: "none" | "cgi";
  /** What went wrong, for the log; the client gets less. */
  readonly onError: (error: unknown, request: GeminiRequest) => void;
}

export async function exchange(
  route: GeminiFastCgiRoute,
  request: GeminiRequest,
): Promise<GeminiReply> {
  const { trace } = request;
  trace.upstream = route.upstream.options.name;
  try {
    const response = await route.upstream.send({
      id: request.id,
      role: Role.RESPONDER,
      method: "GET",
      params: () => encodeParameters(route, request),
      body: undefined,
      ...(route.convert === "none" && { headerParser: () => new GeminiHeaderParser() }),
      signal: request.signal,
    });
    const { source, progress } = response;
    trace.server = source.server;
    trace.connection = source.connection;
    trace.stream = source.stream;
    trace.upstreamMs = source.headMs;
    const header = readHeader(route, response);
    // Only a success has a body.
    if (header.code >= 20 && header.code < 30) return { header, body: response.body, progress };
    giveUpBody(response);
    return { header, body: null };
  } catch (error) {
    if (error instanceof UpstreamError && error.server !== undefined) trace.server = error.server;
    const reply = errorReply(request, error);
    route.onError(error, request);
    return reply;
  }
}

/** @throws {UpstreamError} `bad_answer` */
function readHeader(route: GeminiFastCgiRoute, response: UpstreamResponse): GeminiHeader {
  if (route.convert === "none") return headerOf(response.head);
  const header = convertHeaders(response.head);
  if (!("error" in header)) return header;
  giveUpBody(response);
  throw new UpstreamError("bad_answer", `Cannot pass on the response: ${header.error}`, {
    phase: "body",
    sent: true,
  });
}

function giveUpBody({ body }: UpstreamResponse): void {
  if (body instanceof ReadableStream) body.cancel().catch(() => {});
}
