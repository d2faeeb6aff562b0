/**
 * The header section of a CGI response (RFC 3875 section 6): header lines ended by LF or CRLF, then
 * an empty line, then the body. {@link CgiResponseParser} takes STDOUT in any pieces, holds at most
 * the header section's limit, and works on bytes: the text of a name or value is made once.
 *
 * A field that could be read in two ways is refused, not mended: a repeated or non-numeric
 * Content-Length, a repeated Status, a control byte, a continued line. Of fields of which a client
 * could only take one, the first counts, as nginx has it, and the others are left out and named.
 * Blocks of interim responses (Status 1xx) are taken out. It does not know HTTP's hop-by-hop rules.
 */
import { ByteBuffer, fromLatin1, partOf } from "./byte_buffer.ts";
import { ProtocolError } from "./errors.ts";
import { headersEnd } from "./headers_end.ts";
import { STATUS_PHRASES } from "./status_phrases.ts";

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const DEL = 0x7f;

/** A complete header section. */
export interface CgiHeaderSection {
  /** 200 where the application said nothing, 302 with a Location alone (section 6.2.3). */
  readonly status: number;
  /** What stands behind the number in `Status`, where it is not what everybody says there. */
  readonly reason?: string;
  /** In the order of the application, names as it wrote them; without `Status`. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The declared length of the body in bytes. */
  readonly contentLength: number | undefined;
  /** Fields among the headers that speak to the gateway, by lower-case name; mostly there are none. */
  readonly directives?: ReadonlyMap<string, string>;
  /** Of these the ones that clients get as well, in lower case; none, left out. */
  readonly passed?: ReadonlySet<string>;
  /** Names of fields that came again though there can be one of them; the first is kept. */
  readonly repeated?: readonly string[];
  /** A Location that is a path of our own, where no Status says what it is (section 6.2.2). */
  readonly localRedirect?: string;
  /** Where there is no field at all: then 200 is nothing that the application said. */
  readonly isEmpty?: true;
}

/** Fields for the gateway and never for its client, as nginx and others know them. */
export const DIRECTIVES: ReadonlySet<string> = new Set([
  "x-accel-redirect",
  "x-accel-buffering",
  "x-accel-charset",
  "x-accel-expires",
  "x-accel-limit-rate",
  "x-sendfile",
]);

const DIRECTIVE_LENGTH_MIN = Math.min(...[...DIRECTIVES].map((name) => name.length));

/** What {@link CgiResponseParser.push} gives once the header section is complete. */
export interface CgiResponseStart {
  readonly section: CgiHeaderSection;
  /** The first bytes of the body, behind the header section; may be empty. */
  readonly rest: Uint8Array;
}

/** Takes STDOUT until the header section of a response is complete. */
export interface ResponseHeaderParser {
  /** Whether any byte has come. */
  readonly hasBegun: boolean;
  /**
   * Adds a piece; undefined while the header section goes on.
   *
   * @throws {ProtocolError}
   */
  push(piece: Uint8Array): CgiResponseStart | undefined;
}

/** Most fields of one header section; Apache and HAProxy take some 100. */
export const RESPONSE_FIELDS_MAX = 512;

/** A longer reason phrase is left out. */
export const REASON_LENGTH_MAX = 128;

/** Most header sections that a {@link CgiHeaderCache} remembers; with one more it begins anew. */
export const CGI_HEADERS_MAX = 256;

/** A longer header section is read each time: it has cookies or dates that do not come again. */
const REMEMBERED_LENGTH_MAX = 512;

interface RememberedSection {
  readonly bytes: Uint8Array;
  readonly section: CgiHeaderSection;
}

/**
 * Header sections that were read before, by their bytes: most applications give the same few again
 * and again, and finding one takes a twentieth of the time of reading it. A header section is found
 * as the same object, so that others can remember what they made of it.
 */
export class CgiHeaderCache {
  /** By a hash of the bytes; where two have the same, the last one stays. */
  readonly #sections = new Map<number, RememberedSection>();

  /** Header sections remembered, for tests of the bound. */
  get size(): number {
    return this.#sections.size;
  }

  /** @throws {ProtocolError} `bad_cgi_header` */
  read(bytes: Uint8Array, start: number, end: number): CgiHeaderSection {
    if (end - start > REMEMBERED_LENGTH_MAX) return parseHeaders(bytes, start, end);
    const hash = hashOf(bytes, start, end);
    const known = this.#sections.get(hash);
    if (known !== undefined && isSame(known.bytes, bytes, start, end)) return known.section;
    const section = parseHeaders(bytes, start, end);
    if (this.#sections.size >= CGI_HEADERS_MAX) this.#sections.clear();
    this.#sections.set(hash, { bytes: bytes.slice(start, end), section });
    return section;
  }
}

/** FNV-1a: of two sections with the same hash each is read anew, and nothing worse. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash;
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false;
  return true;
}

/** The header section of a CGI response. */
export class CgiResponseParser implements ResponseHeaderParser {
  readonly #lengthMax: number;
  readonly #cache: CgiHeaderCache | undefined;
  readonly #onInterim: ((section: CgiHeaderSection) => void) | undefined;
  #gathered: ByteBuffer | undefined;

  /**
   * @param lengthMax most bytes of the header section
   * @param onInterim called with each interim header section, which is taken out in any case
   */
  constructor(
    lengthMax: number,
    cache?: CgiHeaderCache,
    onInterim?: (section: CgiHeaderSection) => void,
  ) {
    this.#lengthMax = lengthMax;
    this.#cache = cache;
    this.#onInterim = onInterim;
  }

  /**
   * Adds a piece; undefined while the header section goes on.
   *
   * @throws {ProtocolError} `bad_cgi_header`, `cgi_header_too_large`
   */
  push(piece: Uint8Array): CgiResponseStart | undefined {
    let bytes = piece;
    let scanFrom = 0;
    if (this.#gathered !== undefined) {
      // The empty line may straddle pieces: look again at the last bytes.
      scanFrom = Math.max(0, this.#gathered.length - 3);
      this.#gathered.append(piece);
      bytes = this.#gathered.view();
    }
    let start = 0;
    for (;;) {
      const end = headersEnd(bytes, Math.max(scanFrom, start), start);
      if (end === undefined) break;
      if (end - start > this.#lengthMax) this.#tooLarge();
      const section = this.#cache?.read(bytes, start, end) ?? parseHeaders(bytes, start, end);
      if (section.status >= 200) {
        // A piece stays as it is; what was gathered is written over.
        return {
          section,
          rest: bytes === piece ? partOf(bytes, end, bytes.length) : bytes.slice(end),
        };
      }
      this.#onInterim?.(section);
      start = end;
    }
    if (bytes.length - start > this.#lengthMax) this.#tooLarge();
    this.#keep(bytes, start);
    return undefined;
  }

  /** Whether any byte has come. */
  get hasBegun(): boolean {
    return this.#gathered !== undefined && this.#gathered.length > 0;
  }

  #keep(bytes: Uint8Array, start: number): void {
    if (this.#gathered !== undefined && start === 0) return;
    const remaining = bytes.slice(start);
    this.#gathered ??= new ByteBuffer(Math.max(512, remaining.length));
    this.#gathered.clear();
    this.#gathered.append(remaining);
  }

  #tooLarge(): never {
    throw new ProtocolError(
      "cgi_header_too_large",
      `Cannot take the response: its header section is longer than ${this.#lengthMax} bytes`,
      { scope: "request" },
    );
  }
}

function parseHeaders(bytes: Uint8Array, start: number, end: number): CgiHeaderSection {
  const headers: [string, string][] = [];
  // Made once: a text of each part by itself costs more than all the rest.
  const text = fromLatin1(bytes.subarray(start, end));
  const isPlain = !CONTROLS.test(text) && !LONE_CR.test(text);
  let status: Status | undefined;
  let contentLength: number | undefined;
  let location: string | undefined;
  let hasType = false;
  let repeated: string[] | undefined;
  let directives: Map<string, string> | undefined;
  for (let lineStart = start; lineStart < end;) {
    const lineFeed = bytes.indexOf(LF, lineStart);
    const lineEnd = bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    if (lineEnd <= lineStart) break;
    const [name, value] = parseLine(bytes, lineStart, lineEnd, { text, start, isPlain });
    lineStart = lineFeed + 1;
    switch (PARSED_LENGTHS.has(name.length) ? name.toLowerCase() : "") {
      case "status":
        if (status !== undefined) bad('"Status" is there twice');
        status = parseStatus(value);
        break;
      case "content-length":
        if (contentLength !== undefined) bad('"Content-Length" is there twice');
        contentLength = parseContentLength(value);
        headers.push([name, value]);
        break;
      case "location":
        if (location === undefined) {
          location = value;
          headers.push([name, value]);
        } else (repeated ??= []).push(name);
        break;
      case "content-type":
        if (hasType) (repeated ??= []).push(name);
        else headers.push([name, value]);
        hasType = true;
        break;
      default:
        if (isDirective(name)) directives = withDirective(directives, name, value);
        headers.push([name, value]);
    }
    if (headers.length + (repeated?.length ?? 0) > RESPONSE_FIELDS_MAX) tooManyFields();
  }
  return {
    status: status?.code ?? (location === undefined ? 200 : 302),
    ...(status?.reason !== undefined && { reason: status.reason }),
    headers,
    contentLength,
    ...(directives && { directives }),
    ...(repeated && { repeated }),
    ...(status === undefined && isLocalPath(location) && { localRedirect: location }),
    ...(status === undefined && headers.length === 0 && { isEmpty: true }),
  };
}

/** Lengths of the names that are looked at: the others need no second text. */
const PARSED_LENGTHS: ReadonlySet<number> = new Set(
  ["status", "location", "content-type", "content-length"].map((name) => name.length),
);

function isDirective(name: string): boolean {
  return name.length >= DIRECTIVE_LENGTH_MIN && DIRECTIVES.has(name.toLowerCase());
}

function withDirective(
  directives: Map<string, string> | undefined,
  name: string,
  value: string,
): Map<string, string> {
  const all = directives ?? new Map<string, string>();
  if (all.has(name.toLowerCase())) bad(`"${name}" is there twice`);
  return all.set(name.toLowerCase(), value);
}

/** Two slashes begin another host's address, not a path. */
function isLocalPath(location: string | undefined): location is string {
  return location !== undefined && /^\/(?!\/)/.test(location);
}

/** A header section whose bytes, from `start` on, are one character each. */
interface SectionText {
  readonly text: string;
  readonly start: number;
  /** Whether there is no control character in it but tabs and the ends of lines. */
  readonly isPlain: boolean;
}

// deno-lint-ignore no-control-regex
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const LONE_CR = /\r(?!\n)/;

function parseLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  section: SectionText,
): [name: string, value: string] {
  let colon = start;
  while (colon < end && bytes[colon] !== COLON) {
    if (!isTokenByte(bytes[colon]!)) badLine(bytes, start, end, "the name has a bad byte");
    colon++;
  }
  if (colon === end) badLine(bytes, start, end, "it has no colon");
  if (colon === start) badLine(bytes, start, end, "its name is empty");
  let valueStart = colon + 1;
  let valueEnd = end;
  while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart++;
  while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
  for (let index = section.isPlain ? valueEnd : valueStart; index < valueEnd; index++) {
    const byte = bytes[index]!;
    if ((byte < SPACE && byte !== TAB) || byte === DEL) {
      badLine(bytes, start, end, "the value has a control byte");
    }
  }
  return [
    section.text.slice(start - section.start, colon - section.start),
    section.text.slice(valueStart - section.start, valueEnd - section.start),
  ];
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** Whether the byte may stand in a field name (RFC 9110 section 5.6.2). */
function isTokenByte(byte: number): boolean {
  return TOKEN_BYTES[byte] === 1;
}

const TOKEN_BYTES = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~") TOKEN_BYTES[character.charCodeAt(0)] = 1;
for (let byte = 0x30; byte <= 0x39; byte++) TOKEN_BYTES[byte] = 1;
for (let byte = 0x41; byte <= 0x5a; byte++) TOKEN_BYTES[byte] = TOKEN_BYTES[byte + 0x20] = 1;

interface Status {
  readonly code: number;
  readonly reason: string | undefined;
}

/** The phrase goes on where it says something of its own in plain characters (RFC 9112 section 4). */
function parseStatus(value: string): Status {
  const match = /^([1-9]\d\d)(?:[ \t]+([^]*))?$/.exec(value);
  if (match === null) bad(`status "${value.slice(0, 40)}" is not a number of three digits`);
  const code = Number(match[1]);
  const phrase = match[2] ?? "";
  const isPassed = phrase !== "" && phrase !== STATUS_PHRASES[code] &&
    phrase.length <= REASON_LENGTH_MAX && /^[ -~]+$/.test(phrase);
  return { code, reason: isPassed ? phrase : undefined };
}

function tooManyFields(): never {
  throw new ProtocolError(
    "cgi_header_too_large",
    `Cannot take the response: its header section has more than ${RESPONSE_FIELDS_MAX} fields`,
    { scope: "request" },
  );
}

function parseContentLength(value: string): number {
  const length = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
  if (Number.isNaN(length)) bad(`Content-Length "${value.slice(0, 40)}" is not a number`);
  return length;
}

function badLine(bytes: Uint8Array, start: number, end: number, what: string): never {
  const shown = fromLatin1(bytes.subarray(start, Math.min(end, start + 60)));
  bad(`line ${JSON.stringify(shown)} is no header: ${what}`);
}

function bad(what: string): never {
  throw new ProtocolError(
    "bad_cgi_header",
    `Cannot read the header section of the response: ${what}`,
    {
      scope: "request",
    },
  );
}
