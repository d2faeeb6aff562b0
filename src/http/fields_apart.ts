/**
 * Fields of an application's response that came several times, and that a Fetch `Response` has
 * joined to one. Of most fields that is the same (RFC 9110 section 5.3), of `Expires` and others it
 * is not: joined, two dates are none. So what goes out does not depend on whether something on its
 * way wanted a Response: such fields are taken apart again, where nobody has changed them
 * meanwhile.
 */
import { type ResponseFields, StreamResponse } from "../runtime/http_response.ts";

/** The response with fields as the application `sent` them; the same where none came twice. */
export function withFieldsApart(
  response: Response,
  sent: ResponseFields,
): Response | StreamResponse {
  const repeated = repeatedFields(sent);
  if (repeated === undefined) return response;
  const { status, statusText, body, headers } = response;
  const fields: [string, string][] = [];
  headers.forEach((joined, name) => {
    if (name === "set-cookie" || FRAMING.has(name)) return;
    const values = repeated.get(name);
    if (values === undefined || values.join(", ") !== joined) fields.push([name, joined]);
    else for (const value of values) fields.push([name, value]);
  });
  for (const cookie of headers.getSetCookie()) fields.push(["set-cookie", cookie]);
  const length = headers.get("content-length");
  return new StreamResponse(status, fields, body, {
    length: length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
    reason: statusText === "" ? undefined : statusText,
  });
}

/** What frames a body is the server's to say. */
const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "connection"]);

type ValuesByName = ReadonlyMap<string, readonly string[]>;

/** Header sections come again (see `CgiHeaderCache`): each is looked at once. */
const REPEATED = new WeakMap<ResponseFields, ValuesByName | null>();

/** Values by lower-case name; undefined where no name came several times. */
function repeatedFields(sent: ResponseFields): ValuesByName | undefined {
  let repeated = REPEATED.get(sent);
  if (repeated === undefined) REPEATED.set(sent, repeated = readRepeated(sent) ?? null);
  return repeated ?? undefined;
}

function readRepeated(sent: ResponseFields): ValuesByName | undefined {
  const seen = new Set<string>();
  let hasRepeated = false;
  for (const [name] of sent) {
    const lower = name.toLowerCase();
    if (seen.has(lower) && lower !== "set-cookie") hasRepeated = true;
    seen.add(lower);
  }
  if (!hasRepeated) return undefined;
  const all = new Map<string, string[]>();
  for (const [name, value] of sent) {
    const lower = name.toLowerCase();
    const values = all.get(lower);
    if (values === undefined) all.set(lower, [value]);
    else values.push(value);
  }
  return all;
}
