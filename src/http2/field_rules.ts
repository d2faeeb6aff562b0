/**
 * What a field of a request may be, whatever the others are (RFC 9113 section 8.2): a name in lower
 * case, a value without control characters and without white space around it, nothing that is about a
 * connection of HTTP/1.
 */

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Every control character but a tab, and white space around the value. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\0-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;

const PSEUDO_HEADERS: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority"]);

/** RFC 9113 section 8.2.2. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a field is of a connection of HTTP/1 and has no place in HTTP/2. */
export function isConnectionField(name: string): boolean {
  return CONNECTION_FIELDS.has(name);
}

/** What is wrong with a field; "" where nothing is. */
export function judgeField(name: string, value: string): string {
  if (!NAME.test(name) && !PSEUDO_HEADERS.has(name)) {
    return name.startsWith(":")
      ? `"${shown(name)}" is no pseudo-header of a request`
      : "A field's name has a character that none may have";
  }
  if (FORBIDDEN.test(value)) {
    return `The value of "${shown(name)}" has a character that none may have`;
  }
  if (CONNECTION_FIELDS.has(name)) return `"${name}" has no place in HTTP/2`;
  if (name === "te" && value.toLowerCase() !== "trailers") return '"te" may say "trailers" alone';
  return "";
}

/** For a log line: a name may be as long as a header section. */
function shown(name: string): string {
  const text = name.length > 64 ? `${name.slice(0, 64)} [cut]` : name;
  return text.replace(/[^\x20-\x7e]/g, "?");
}
