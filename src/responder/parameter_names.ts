/**
 * The names of CGI parameters and what each is to a request. A web server sends the same few names
 * repeatedly, nearly always in the same order. So each name remembers the one that came behind
 * it the last time: to see that it is the same again costs a comparison, and no text is made for
 * it.
 *
 * What is remembered has bounds, for a client can make a web server send names of its own.
 */
import { fromLatin1, latin1 } from "../protocol/byte_buffer.ts";
import type { Parameters } from "../protocol/parameters.ts";

/** What a parameter's value is; "other": nothing that a `Request` is made of. */
export type ParameterMeaning =
  | "header"
  | "host"
  | "method"
  | "requestUri"
  | "scriptName"
  | "pathInfo"
  | "queryString"
  | "contentType"
  | "contentLength"
  | "remoteAddr"
  | "scheme"
  | "https"
  | "serverName"
  | "serverPort"
  | "other";

/** A name as a web server sends it. */
export interface ParameterName {
  readonly name: string;
  readonly meaning: ParameterMeaning;
  /** The header's name where it is one: `HTTP_USER_AGENT` is `user-agent`. */
  readonly header: string;
  /** The name that came behind this one the last time. */
  next: ParameterName | undefined;
}

const HEADER_PREFIX = "HTTP_";

/** How many names are remembered, and how long they may be. */
const NAMES_MAX = 512;
const NAME_LENGTH_MAX = 64;

const MEANINGS: Readonly<Record<string, ParameterMeaning>> = {
  HTTP_HOST: "host",
  REQUEST_METHOD: "method",
  REQUEST_URI: "requestUri",
  SCRIPT_NAME: "scriptName",
  PATH_INFO: "pathInfo",
  QUERY_STRING: "queryString",
  CONTENT_TYPE: "contentType",
  CONTENT_LENGTH: "contentLength",
  REMOTE_ADDR: "remoteAddr",
  REQUEST_SCHEME: "scheme",
  HTTPS: "https",
  SERVER_NAME: "serverName",
  SERVER_PORT: "serverPort",
};

/** See the top of this file. */
export class ParameterNames {
  readonly #remembered = new Map<string, ParameterName>();

  /** What stands before the first parameter. */
  readonly beforeFirst: ParameterName = { name: "", meaning: "other", header: "", next: undefined };

  /** The name of the parameter at `index`; `previous` is that of the one before it. */
  at(parameters: Parameters, index: number, previous: ParameterName): ParameterName {
    const expected = previous.next;
    if (expected !== undefined && parameters.isNamed(index, expected.name)) return expected;
    const text = parameters.name(index);
    const known = this.#remembered.get(text);
    if (known !== undefined) return previous.next = known;
    const name = readName(text);
    if (text.length <= NAME_LENGTH_MAX && this.#remembered.size < NAMES_MAX) {
      this.#remembered.set(name.name, name);
      previous.next = name;
    }
    return name;
  }
}

function readName(text: string): ParameterName {
  // A copy: a slice of a request's parameters would hold on to all of them.
  const name = fromLatin1(latin1(text));
  const isHeader = name.startsWith(HEADER_PREFIX);
  const own = Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined;
  return {
    name,
    meaning: own ?? (isHeader ? "header" : "other"),
    header: isHeader ? name.slice(HEADER_PREFIX.length).toLowerCase().replaceAll("_", "-") : "",
    next: undefined,
  };
}
