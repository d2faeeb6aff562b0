/**
 * Mutants that change nothing, of the parts that stand below a gateway: files, certificates, HTTP/2,
 * expressions, records. As `equivalents.ts` has them, written shorter: a reason, and the places that it
 * is the reason for.
 */
import { because, type Place } from "./because.ts";
import type { Equivalent } from "./equivalents.ts";

export const EQUIVALENTS_OF_PARTS: readonly Equivalent[] = [
  ...because(
    "a comparison says by its sign alone which comes first",
    ["static/listing.ts", "const direction = descending ? -1 : 1;", "1", "2"],
    [
      "static/listing.ts",
      "return byColumn === 0 ? compareNames(a.name, b.name) : direction * byColumn;",
      "*",
      "/",
    ],
    [
      "static/listing.ts",
      "if (a.isDirectory !== b.isDirectory) return a.isDirectory ? -1 : 1;",
      "1",
      "2",
    ],
    ["static/listing.ts", "return a < b ? -1 : 1;", "1", "2"],
  ),
  ...because(
    "no two entries of a directory have one name",
    ["static/listing.ts", "return a < b ? -1 : 1;", "<", "<="],
  ),
  ...because(
    "one more than what is there tells that there is more, and two tell it as well",
    ["static/file_memory.ts", "const bytes = readAtOnce(opened, 0, info.size + 1);", "1", "2"],
    [
      "static/range.ts",
      'const specifications = text.slice("bytes=".length).split(",", RANGES_MAX + 1);',
      "1",
      "2",
    ],
  ),
  ...because(
    "there are always four parts: the types do not know it",
    [
      "static/http_date.ts",
      "const [day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);",
      "0",
      "1",
    ],
  ),
  ...because(
    "behind the slash of such a path stands its dot",
    [
      "static/below_root.ts",
      'if (offset === 0 && path.startsWith("/.well-known/")) offset = path.indexOf("/.", 1);',
      "1",
      "2",
    ],
  ),
  ...because(
    "a pattern that begins with a star was taken before",
    ["routing/route_pattern.ts", "if (star < 0) return (path) => path === pattern;", "0", "1"],
    ["routing/route_pattern.ts", "if (star < 0) return (path) => path === pattern;", "<", "<="],
  ),
  ...because(
    "without a wildcard none is looked for",
    ["routing/site_table.ts", "#wildcardLengthMax = 0;", "0", "1"],
    [
      "routing/site_table.ts",
      "if (this.#wildcards.size === 0) return undefined;",
      "this.#wildcards.size === 0",
      "false",
    ],
  ),
  ...because(
    "the order of ranks stays the same",
    [
      "certificates/choice.ts",
      "const rank = nameRank(candidate.names, serverName) * 4 +",
      "4",
      "5",
    ],
    ["certificates/choice.ts", "if (names.includes(serverName)) return 2;", "2", "3"],
    ["certificates/choice.ts", "let bestRank = -1;", "1", "2"],
  ),
  ...because(
    "it is set before it is read",
    ["certificates/client_verification.ts", "#signaturesLeft = 0;", "0", "1"],
    ...["type = 0;", "flags = 0;", "streamId = 0;", "start = 0;", "end = 0;"].map((line): Place => [
      "http2/frame_reader.ts",
      line,
      "0",
      "1",
    ]),
    ["http2/frame_reader.ts", "bytes: Uint8Array = new Uint8Array(0);", "0", "1"],
    ["http2/hpack_decoder.ts", "#bytes: Uint8Array = new Uint8Array(0);", "0", "1"],
    ["http2/hpack_decoder.ts", "#mayResize = true;", "true", "false"],
    ["http2/hpack_decoder.ts", "#resizes = 0;", "0", "1"],
    ["http2/request_headers.ts", "#bytes: Uint8Array = new Uint8Array(0);", "0", "1"],
    ["http2/request_headers.ts", "#size = 0;", "0", "1"],
    ["http2/request_headers.ts", "#count = 0;", "0", "1"],
    ["http2/request_headers.ts", "#end = 0;", "0", "1"],
    ["http2/request_headers.ts", "#fieldsStart = -1;", "1", "2"],
    ["http2/request_headers.ts", "this.#fieldsStart = -1;", "1", "2"],
    ["http2/request_headers.ts", "#fieldsSize = 0;", "0", "1"],
    ["http2/request_headers.ts", "#generation = 0;", "0", "1"],
  ),
  ...because(
    "what is remembered is only found faster",
    [
      "certificates/client_verification.ts",
      "if (known !== undefined) return known;",
      "known !== undefined",
      "false",
    ],
    [
      "certificates/client_verification.ts",
      "TEXTS.set(certificate, text);",
      "TEXTS.set(certificate, text)",
      "void 0",
    ],
  ),
  ...because(
    "a bit string without bits signs nothing: no lowest bit is asked for",
    [
      "certificates/certificate_der.ts",
      "const [, bits = 0] = contentOf(value, DerTag.BIT_STRING);",
      "0",
      "1",
    ],
  ),
  ...because(
    "a section whose fields stand at the beginning has no pseudo-header, and is none in any case",
    ["http2/request_headers.ts", "if (this.#fieldsStart < 0) {", "0", "1"],
    ["http2/request_headers.ts", "if (this.#fieldsStart < 0) {", "<", "<="],
    [
      "http2/request_headers.ts",
      "if (this.#fieldsStart < 0 && field.name.charCodeAt(0) !== COLON) {",
      "0",
      "1",
    ],
    [
      "http2/request_headers.ts",
      "if (this.#fieldsStart < 0 && field.name.charCodeAt(0) !== COLON) {",
      "<",
      "<=",
    ],
  ),
  ...because(
    "the code is complete: each run of bits begins a symbol",
    ["http2/huffman.ts", "if (entry === 0) return -1;", "0", "1"],
    ["http2/huffman.ts", "if (entry === 0) return -1;", "entry === 0", "false"],
  ),
  ...because(
    "of a parameter that means nothing nothing is taken: it only costs a call",
    [
      "responder/request_start.ts",
      'if (name.meaning !== "other") takeParameter(name, parameters, index, start, url);',
      'name.meaning !== "other"',
      "true",
    ],
  ),
  ...because(
    "one that is full, and no more, is taken out when it is looked at",
    [
      "responder/responder_connection.ts",
      "if (input.buffered > this.context.limits.bodyBufferMax) this.#overfull.add(input);",
      ">",
      ">=",
    ],
  ),
  ...because(
    "bytes that are not used a second time only cost others",
    [
      "responder/outlet.ts",
      "this.#server.recycleOutput(bytes);",
      "this.#server.recycleOutput(bytes)",
      "void 0",
    ],
  ),
  ...because(
    "who is among both kinds of workers is stopped once all the same",
    [
      "spawn/application.ts",
      "this.#leaving.delete(fresh);",
      "this.#leaving.delete(fresh)",
      "void 0",
    ],
  ),
  ...because(
    "memory that grows in other steps holds the same",
    [
      "http2/frame_reader.ts",
      "const capacity = Math.min(needed, Math.max(GATHERED_LENGTH_MIN, 2 * rest.length));",
      "2",
      "3",
    ],
    [
      "http2/frame_reader.ts",
      "const larger = new Uint8Array(Math.min(needed, Math.max(wanted, 2 * gathered.length)));",
      "2",
      "3",
    ],
  ),
  ...because(
    "where there is none the map says so as well",
    [
      "http2/priority.ts",
      "if (this.#priorities.size === 0) return undefined;",
      "this.#priorities.size === 0",
      "false",
    ],
  ),
  {
    file: "src/upstream/health_check.ts",
    line: "const params = new ByteBuffer(512);",
    original: "512",
    replacement: "1024",
    reason: "a buffer grows where it is too small",
  },
];
