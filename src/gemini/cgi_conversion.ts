/**
 * A CGI response (`Status:`, `Content-Type:`, `Location:`) as a Gemini header, for `convert: cgi`.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import { type GeminiHeader, META_LENGTH_MAX } from "./response_header.ts";

/** Redirects that a client may remember. */
const PERMANENT: ReadonlySet<number> = new Set([301, 308]);

const DEFAULT_TYPE = "text/gemini";

/** The header, or what keeps the response from having one. */
export function convertHeaders(
  section: CgiHeaderSection,
): GeminiHeader | { readonly error: string } {
  const { status } = section;
  const field = (name: string) =>
    section.headers.find(([known]) => known.toLowerCase() === name)?.[1] ?? "";
  if (status >= 200 && status < 300) return checked(20, field("content-type") || DEFAULT_TYPE);
  if (status >= 300 && status < 400) {
    const location = field("location");
    if (location === "") return { error: `status ${status} has no Location` };
    return checked(PERMANENT.has(status) ? 31 : 30, location);
  }
  return { code: failureCode(status), meta: failureMeta(status, field("retry-after")) };
}

function failureCode(status: number): number {
  switch (status) {
    case 401:
      return 60;
    case 403:
      return 61;
    case 404:
      return 51;
    case 410:
      return 52;
    case 429:
      return 44;
    default:
      return status >= 500 ? 42 : 50;
  }
}

const SLOW_DOWN_S = 1;

function failureMeta(status: number, retryAfter: string): string {
  // 44 wants seconds, as Retry-After mostly has them.
  if (status === 429) return /^\d{1,9}$/.test(retryAfter) ? retryAfter : String(SLOW_DOWN_S);
  return `Status ${status}`;
}

function checked(code: number, latin1: string): GeminiHeader | { readonly error: string } {
  // A header section's values have one character for each byte; META is UTF-8.
  const bytes = Uint8Array.from(latin1, (character) => character.charCodeAt(0));
  if (bytes.length > META_LENGTH_MAX) return { error: "its header is too long for META" };
  return { code, meta: new TextDecoder().decode(bytes).replaceAll("\t", " ") };
}
