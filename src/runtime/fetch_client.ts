/** The client of `https_client.ts` by way of `fetch`, which both runtimes have. */
import { errorCode } from "./error_code.ts";
import {
  OutgoingError,
  type OutgoingRequest,
  type OutgoingResponse,
  type SendRequest,
} from "./https_client.ts";

/** What `fetch` is told in each runtime's own words to trust authorities. */
export type TrustOptions = (authorities: string) => object;

const TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ECONNRESET: "the connection was reset",
  ENOTFOUND: "the host's name is not known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not trusted (name its authority in ca)",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not trusted (name its authority in ca)",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not trusted (name its authority in ca)",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** The longest text of a runtime that is passed on. */
const REASON_LENGTH_MAX = 200;

export function createFetchClient(trust: TrustOptions, extra: object = {}): SendRequest {
  return async (request) => {
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(request.signal!.reason);
    if (request.signal?.aborted) onAbort();
    request.signal?.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => {
      const seconds = Math.round(request.timeoutMs / 1000);
      controller.abort(new OutgoingError(`there is no response within ${seconds} s`));
    }, request.timeoutMs);
    try {
      return await send(request, controller.signal, {
        ...extra,
        ...(request.authorities !== undefined && trust(request.authorities)),
      });
    } catch (cause) {
      const reason = controller.signal.aborted ? controller.signal.reason : cause;
      if (request.signal?.aborted) throw request.signal.reason;
      throw new OutgoingError(`Cannot ask ${originOf(request.url)}: ${textOf(reason)}`, { cause });
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
      // What has not been read yet is of no use to anybody.
      controller.abort();
    }
  };
}

async function send(
  { method, url, headers, body, bodyLengthMax }: OutgoingRequest,
  signal: AbortSignal,
  extra: object,
): Promise<OutgoingResponse> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, "accept-encoding": "identity" },
    ...(body !== undefined && { body }),
    redirect: "manual",
    signal,
    ...extra,
  });
  if ((response.headers.get("content-encoding") ?? "identity") !== "identity") {
    throw new OutgoingError("the response is compressed, which nobody asked for");
  }
  const text = await readBody(response.body, bodyLengthMax);
  return { status: response.status, headers: response.headers, body: text };
}

async function readBody(
  body: ReadableStream<Uint8Array> | null,
  lengthMax: number,
): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const bytes of body) {
    length += bytes.length;
    if (length > lengthMax) {
      throw new OutgoingError(`the response has more than ${lengthMax} bytes`);
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "an address that is none";
  }
}

/** Deno puts its reasons into causes, behind texts that say little. */
function textOf(error: unknown): string {
  const known = TEXTS[errorCode(error)];
  if (known !== undefined) return known;
  if (!(error instanceof Error)) return String(error);
  const { message } = error.cause instanceof Error ? error.cause : error;
  if (/UnknownIssuer/.test(message)) return TEXTS["SELF_SIGNED_CERT_IN_CHAIN"]!;
  return message.slice(0, REASON_LENGTH_MAX);
}
