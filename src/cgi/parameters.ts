/**
 * CGI/1.1 parameters (RFC 3875) as one block of encoded name-value pairs. What is the same for all
 * requests of a route is encoded once and stays at the front of a scratch buffer; a request appends
 * the rest behind it. No name occurs twice: what is configured, constant or made for the request,
 * wins over what the gateway adds, and that over what a client sends.
 *
 * This file does not know HTTP's rules of what may be asked for: its input has been checked.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import {
  appendNameValue,
  appendNameValueLatin1,
  decodeNameValues,
} from "../protocol/name_value.ts";
import { endedByConnection, HeaderNames } from "./header_names.ts";
import type { CgiHeaders, CgiRequest } from "./request.ts";

const SCRATCH_CAPACITY = 4096;
const NONE: ReadonlySet<string> = new Set();

/** What is known of the server itself: clients name the same host repeatedly. */
type ServerFields = Pick<
  CgiRequest,
  "protocol" | "scheme" | "serverName" | "serverPort" | "serverAddress"
>;

/** The parameters made of these fields, as encoded last. */
interface ServerBlock extends ServerFields {
  readonly bytes: Uint8Array;
}

/** What is the same for all requests of a route. */
export interface ParameterConstants {
  /** Such as `afcgi/1.0.0`. */
  readonly serverSoftware: string;
  /** Absolute path; undefined where the route has no files. */
  readonly documentRoot: string | undefined;
  /** Configured parameters: name to value; null for one that is never sent. */
  readonly params: Readonly<Record<string, string | null>>;
  /** Configured parameters whose values come with each request, `computed`; none, left out. */
  readonly perRequest?: readonly string[];
}

/** Encodes the parameters of the requests of one route. */
export class ParameterTemplate {
  /** Names that no request can set: the constants, and what is never sent. */
  readonly #taken: ReadonlySet<string>;
  /** For PATH_TRANSLATED. */
  readonly #documentRoot: string | undefined;
  readonly #headerNames: HeaderNames;
  readonly #computedNames: readonly string[];
  readonly #computed: ReadonlySet<string>;
  /** Of the request being encoded: names that its route computes. */
  #own: ReadonlySet<string> = NONE;
  /** The constants, encoded, and behind them the request being encoded. */
  readonly #scratch = new ByteBuffer(SCRATCH_CAPACITY);
  readonly #constantLength: number;
  #server: ServerBlock | undefined;
  /** What repeated header fields were encoded to. */
  readonly #repeated = new WeakMap<CgiHeaders, Uint8Array>();

  constructor(constants: ParameterConstants) {
    const values = constantParameters(constants);
    const { params } = constants;
    const removed = Object.keys(params).filter((name) => params[name] === null);
    this.#taken = new Set([...values.keys(), ...removed]);
    this.#documentRoot = values.get("DOCUMENT_ROOT");
    this.#headerNames = new HeaderNames(this.#taken);
    this.#computedNames = constants.perRequest ?? [];
    this.#computed = new Set(constants.perRequest);
    for (const [name, value] of values) appendNameValue(this.#scratch, name, value);
    this.#constantLength = this.#scratch.length;
  }

  /** The parameters of a request, encoded; the bytes are good until the next call. */
  encode(request: CgiRequest): Uint8Array<ArrayBuffer> {
    this.#scratch.truncate(this.#constantLength);
    const { computed } = request;
    this.#own = computed === undefined ? NONE : this.#computed;
    this.#appendRequest(request);
    this.#appendServer(request);
    this.#appendClient(request);
    this.#appendTls(request);
    this.#appendHeaders(request);
    if (request.extra !== undefined) {
      for (const [name, value] of request.extra) {
        if (this.#taken.has(name) || this.#own.has(name)) continue;
        appendNameValueLatin1(this.#scratch, name, value);
      }
    }
    computed?.forEach((value, index) => {
      appendNameValueLatin1(this.#scratch, this.#computedNames[index]!, value);
    });
    return this.#scratch.view();
  }

  /** The same parameters for people to read; bytes that are not UTF-8 become U+FFFD. */
  list(request: CgiRequest): [name: string, value: string][] {
    return decodeNameValues(this.encode(request));
  }

  #appendRequest(request: CgiRequest): void {
    const { extra, scriptName, pathInfo } = request;
    this.#append(extra, "REQUEST_METHOD", request.method);
    this.#append(extra, "REQUEST_URI", request.target);
    this.#appendPath(request, "DOCUMENT_URI", scriptName + pathInfo);
    this.#appendPath(request, "SCRIPT_NAME", scriptName);
    if (pathInfo !== "") {
      this.#appendPath(request, "PATH_INFO", pathInfo);
      if (this.#isTranslated(request)) {
        this.#appendPath(request, "PATH_TRANSLATED", request.scriptFilename!);
      }
    }
    if (request.scriptFilename !== undefined) {
      this.#appendPath(request, "SCRIPT_FILENAME", request.scriptFilename);
    }
    this.#append(extra, "QUERY_STRING", request.query);
    if (request.contentType !== undefined && !this.#isTaken(extra, "CONTENT_TYPE")) {
      appendNameValueLatin1(this.#scratch, "CONTENT_TYPE", request.contentType);
    }
    if (request.contentLength !== undefined) {
      this.#append(extra, "CONTENT_LENGTH", String(request.contentLength));
    }
  }

  /**
   * Whether PATH_TRANSLATED would name the file that SCRIPT_FILENAME names. Another one is never
   * sent: PHP runs it in the place of SCRIPT_FILENAME where `cgi.fix_pathinfo` is 0, or where there
   * is a REDIRECT_URL (php-src 8.2, `init_request_info` of fpm_main.c and cgi_main.c).
   */
  #isTranslated({ extra, pathInfo, scriptFilename }: CgiRequest): boolean {
    const root = this.#documentRoot;
    return root !== undefined && scriptFilename !== undefined &&
      scriptFilename.length === root.length + pathInfo.length &&
      scriptFilename.startsWith(root) && scriptFilename.endsWith(pathInfo) &&
      !this.#isTaken(extra, "SCRIPT_FILENAME") && !this.#isTaken(extra, "PATH_INFO");
  }

  #appendServer(request: CgiRequest): void {
    const known = this.#server;
    if (known !== undefined && this.#isUsual(request) && isSameServer(known, request)) {
      this.#scratch.append(known.bytes);
      return;
    }
    const { extra, protocol, scheme, serverName, serverPort, serverAddress } = request;
    const start = this.#scratch.length;
    this.#append(extra, "SERVER_PROTOCOL", protocol);
    this.#append(extra, "REQUEST_SCHEME", scheme);
    if (scheme === "https") this.#append(extra, "HTTPS", "on");
    this.#append(extra, "SERVER_NAME", serverName);
    this.#append(extra, "SERVER_PORT", String(serverPort));
    if (serverAddress !== "") this.#append(extra, "SERVER_ADDR", serverAddress);
    const bytes = this.#scratch.view().slice(start);
    if (this.#isUsual(request)) {
      this.#server = { protocol, scheme, serverName, serverPort, serverAddress, bytes };
    }
  }

  #appendClient(request: CgiRequest): void {
    const { extra } = request;
    // RFC 3875 wants REMOTE_ADDR in any case; for a unix socket it is what nginx sends.
    this.#append(extra, "REMOTE_ADDR", request.remoteAddress || "unix:");
    if (request.remotePort !== 0) {
      this.#append(extra, "REMOTE_PORT", String(request.remotePort));
    }
  }

  #appendTls({ tls, extra }: CgiRequest): void {
    if (tls === undefined) return;
    for (const [name, value] of tls) this.#append(extra, name, value);
  }

  #appendHeaders(request: CgiRequest): void {
    const { headers, extra, isFromProxy } = request;
    const isRepeated = headers.isRepeated === true && this.#isUsual(request);
    const known = isRepeated ? this.#repeated.get(headers) : undefined;
    if (known !== undefined) {
      this.#scratch.append(known);
      return;
    }
    const start = this.#scratch.length;
    const endHere = isFromProxy ? undefined : endedByConnection(headers.get("connection"));
    headers.forEach((value, header) => {
      const name = this.#headerNames.parameterName(header);
      if (name === "" || endHere?.has(header)) return;
      if (this.#own.has(name) || extra?.has(name)) return;
      appendNameValueLatin1(this.#scratch, name, value);
    });
    if (isRepeated) this.#repeated.set(headers, this.#scratch.view().slice(start));
  }

  #appendPath({ extra, isInBytes }: CgiRequest, name: string, value: string): void {
    if (this.#isTaken(extra, name)) return;
    if (isInBytes) appendNameValueLatin1(this.#scratch, name, value);
    else appendNameValue(this.#scratch, name, value);
  }

  #append(extra: ReadonlyMap<string, string> | undefined, name: string, value: string): void {
    if (!this.#isTaken(extra, name)) appendNameValue(this.#scratch, name, value);
  }

  /** Whether a source that wins over the request has the name. */
  #isTaken(extra: ReadonlyMap<string, string> | undefined, name: string): boolean {
    return this.#taken.has(name) || this.#own.has(name) ||
      (extra !== undefined && extra.has(name));
  }

  /** Whether names are taken by nothing but the route: then what was encoded before may come again. */
  #isUsual({ extra, computed }: CgiRequest): boolean {
    return extra === undefined && (computed !== undefined || this.#computedNames.length === 0);
  }
}

function isSameServer(known: ServerBlock, request: CgiRequest): boolean {
  return known.serverName === request.serverName &&
    known.serverPort === request.serverPort && known.scheme === request.scheme &&
    known.serverAddress === request.serverAddress && known.protocol === request.protocol;
}

function constantParameters(constants: ParameterConstants): Map<string, string> {
  const parameters = new Map([
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_SOFTWARE", constants.serverSoftware],
    // php-cgi built with --enable-force-cgi-redirect runs nothing without it.
    ["REDIRECT_STATUS", "200"],
  ]);
  if (constants.documentRoot !== undefined) {
    parameters.set("DOCUMENT_ROOT", constants.documentRoot);
  }
  for (const name of constants.perRequest ?? []) parameters.delete(name);
  for (const [name, value] of Object.entries(constants.params)) {
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
  }
  return parameters;
}
