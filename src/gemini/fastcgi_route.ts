/** A Gemini route to an application: the request goes to its upstream, the answer comes as a stream. */
import { Role } from "../protocol/constants.ts";
import { UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type GeminiHeader, GeminiHeadParser, headerOfHead } from "./answer_header.ts";
import { faultAnswer } from "./answers.ts";
import { convertHead } from "./cgi_conversion.ts";
import { encodeParameters, type ParameterConstants } from "./parameters.ts";
import type { GeminiAnswer, GeminiRequest } from "./request.ts";

export interface GeminiFastCgiRoute extends ParameterConstants {
  readonly upstream: Upstream;
  readonly convert: "none" | "cgi";
  /** What went wrong, for the log; the client gets less. */
  readonly onFault: (error: unknown, request: GeminiRequest) => void;
}

export async function exchange(
  route: GeminiFastCgiRoute,
  request: GeminiRequest,
): Promise<GeminiAnswer> {
  const { trace } = request;
  trace.upstream = route.upstream.options.name;
  try {
    const answer = await route.upstream.send({
      id: request.id,
      role: Role.RESPONDER,
      method: "GET",
      params: () => encodeParameters(route, request),
      body: undefined,
      ...(route.convert === "none" && { answerHead: () => new GeminiHeadParser() }),
      signal: request.signal,
    });
    const { source, progress } = answer;
    trace.server = source.server;
    trace.connection = source.connection;
    trace.stream = source.stream;
    trace.upstreamMs = source.headMs;
    const header = readHeader(route, answer);
    // Only a success has a body.
    if (header.code >= 20 && header.code < 30) return { header, body: answer.body, progress };
    giveUpBody(answer);
    return { header, body: null };
  } catch (error) {
    if (error instanceof UpstreamError && error.server !== undefined) trace.server = error.server;
    const answer = faultAnswer(request, error);
    route.onFault(error, request);
    return answer;
  }
}

/** @throws {UpstreamError} `bad_answer` */
function readHeader(route: GeminiFastCgiRoute, answer: UpstreamResponse): GeminiHeader {
  if (route.convert === "none") return headerOfHead(answer.head);
  const header = convertHead(answer.head);
  if (!("fault" in header)) return header;
  giveUpBody(answer);
  throw new UpstreamError("bad_answer", `Cannot pass on the answer: ${header.fault}`, {
    phase: "body",
    sent: true,
  });
}

function giveUpBody({ body }: UpstreamResponse): void {
  if (body instanceof ReadableStream) body.cancel().catch(() => {});
}
