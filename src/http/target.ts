/**
 * The request target: from the `url` of a Fetch request to the path that routes and files are
 * matched by, as `routing/decoded_path.ts` makes it. An application that wants the path as it came
 * reads REQUEST_URI.
 *
 * This file does not know the host: `url` is made of the Host header unread, so a caller refuses
 * what `parseHost` refuses before it comes here.
 */
import { hasRawBytes, textOfBytes } from "../runtime/raw_bytes.ts";
import { decodePath, NOT_UTF8 } from "../routing/decoded_path.ts";

/** Most characters of path and query together; beyond it the response is 414. */
export const TARGET_LENGTH_MAX = 16 * 1024;

export interface RequestTarget {
  readonly kind: "target";
  /** Path and query as they came, as far as the runtime still has them: REQUEST_URI. */
  readonly raw: string;
  /** Decoded; begins with "/", without empty, "." and ".." segments; may end with "/". */
  readonly path: string;
  /** Undecoded, without "?"; empty where there is none. */
  readonly query: string;
  /** Whether the path has bytes that are no UTF-8 (`runtime/raw_bytes.ts`); left out: no. */
  readonly hasRawBytes?: boolean;
}

/** A target that is answered with `status`; `reason` says what is wrong, for the log. */
export interface TargetRefusal {
  readonly kind: "refused";
  readonly status: 400 | 414;
  readonly code: "bad_target" | "target_too_long";
  readonly reason: string;
  /** False: it is a target for a site that takes bytes. */
  readonly isUtf8?: boolean;
}

/** Where the path of an absolute URL may begin at the earliest: behind `http://h`. */
const PATH_OFFSET_MIN = 8;

const IS_URL = /^https?:\/\/./i;

const HASH = 0x23;
const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

/**
 * Reads the target of a request from its absolute `url`, or from a bare path and query. With
 * `keepsBytes` a path that is no UTF-8 is one as well (`runtime/raw_bytes.ts`).
 */
export function parseTarget(url: string, keepsBytes = false): RequestTarget | TargetRefusal {
  const raw = withoutOrigin(url);
  if (raw === undefined) return malformed('The target does not begin with "/"');
  if (raw.length > TARGET_LENGTH_MAX) {
    return {
      kind: "refused",
      status: 414,
      code: "target_too_long",
      reason: `The target has ${raw.length} characters, ${TARGET_LENGTH_MAX} are the most`,
    };
  }
  let queryOffset = -1;
  let plain = true;
  let previous = 0;
  for (let index = 0; index < raw.length; index++) {
    const code = raw.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === HASH) {
      // Once encoded there are none left.
      if (code >= 0x80 && code <= 0xff) return parseTarget(encodeBytes(raw), keepsBytes);
      return malformed(describeCharacter(code));
    }
    if (queryOffset >= 0) continue;
    if (code === QUESTION_MARK) queryOffset = index;
    else if (code === PERCENT) plain = false;
    else if (previous === SLASH && (code === SLASH || code === DOT)) plain = false;
    previous = code;
  }
  const rawPath = queryOffset < 0 ? raw : raw.slice(0, queryOffset);
  const query = queryOffset < 0 ? "" : raw.slice(queryOffset + 1);
  if (plain) return { kind: "target", raw, path: rawPath, query };
  const decoded = decodePath(rawPath, keepsBytes ? textOfBytes : undefined);
  if ("path" in decoded) {
    const { path } = decoded;
    const target = { kind: "target", raw, path, query } as const;
    return keepsBytes && hasRawBytes(path) ? { ...target, hasRawBytes: true } : target;
  }
  const isUtf8 = decoded.reason !== NOT_UTF8;
  return isUtf8 ? malformed(decoded.reason) : { ...malformed(decoded.reason), isUtf8 };
}

/**
 * Path and query of a URL, cut out rather than parsed: `new URL` would normalise them. Without a path
 * it is that of the root (RFC 9112 section 3.2.1).
 */
function withoutOrigin(url: string): string | undefined {
  if (url.charCodeAt(0) === SLASH) return url;
  for (let index = PATH_OFFSET_MIN; index < url.length; index++) {
    const code = url.charCodeAt(index);
    if (code === SLASH) return url.slice(index);
    if (code === QUESTION_MARK || code === HASH) return `/${url.slice(index)}`;
  }
  return IS_URL.test(url) ? "/" : undefined;
}

/** Clients send UTF-8 as it is; what is said of it behind here is as if they had encoded it. */
function encodeBytes(sent: string): string {
  return sent.replace(
    /[\x80-\xff]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function malformed(reason: string): TargetRefusal {
  return { kind: "refused", status: 400, code: "bad_target", reason };
}

function describeCharacter(code: number): string {
  if (code === HASH) return 'The target has a "#"';
  return `The target has the character 0x${code.toString(16).padStart(2, "0")} unencoded`;
}
