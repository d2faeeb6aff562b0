/**
 * A request as the command line describes it, for `request` and `explain`: a URL or a bare path, a
 * method, and header fields as they stand in a request. What could not be sent is refused.
 */
import { UsageError } from "./command.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/;

/** A path stands for one on this machine. */
export function readUrlArgument(text: string): URL {
  const whole = text.startsWith("/") ? `http://localhost${text}` : text;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new UsageError(
    `Cannot read URL "${text}" (use a path such as "/status", or "http://example.com/status")`,
  );
}

export function readMethodFlag(text: string): string {
  if (TOKEN.test(text)) return text;
  throw new UsageError(`--method: "${text}" is no method (use a word such as GET)`);
}

/** Lower-case names to values; what comes twice is joined as HTTP joins it. */
export function readHeaderFlags(texts: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const text of texts) {
    const [, name, value] = HEADER.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`--header: Cannot read "${text}" (use "Name: value")`);
    }
    const lower = name.toLowerCase();
    const before = headers.get(lower);
    const separator = lower === "cookie" ? "; " : ", ";
    headers.set(lower, before === undefined ? value : before + separator + value);
  }
  return headers;
}
