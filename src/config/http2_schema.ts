/** HTTP/2 and HTTP/3 of a listener, and `limits.http2`: what one connection of HTTP/2 may ask of us. */
import * as v from "valibot";
import { HTTP2_LIMIT_DEFAULTS as DEFAULTS, type Http2Limits } from "../http2/limits.ts";
import { optional, section, size, wholeNumber } from "./schema_parts.ts";
import { formatSize } from "./units.ts";

const KIB = 1024;
const COUNT_MAX = 1_000_000;

/** Of a listener: what it speaks beside HTTP/1.1. */
export const protocolEntries = {
  http2: optional(
    v.boolean("use true or false"),
    "Speaks HTTP/2 as well: by ALPN over TLS, by prior knowledge without TLS (h2c)",
    true,
  ),
  http3: optional(
    v.boolean("use true or false"),
    "Experimental: speaks HTTP/3 as well, on the UDP port of the same number; the others say so " +
      "(Alt-Svc); wants tls, and a runtime that has it (Bun)",
    false,
  ),
};

/** Beyond each but the first two the connection ends with ENHANCE_YOUR_CALM. */
export const http2LimitsSchema = section({
  streams: optional(
    wholeNumber(1, 10_000),
    "Maximum of streams at once; one more is refused",
    DEFAULTS.streamsMax,
  ),
  header_list: optional(
    size(KIB),
    "Maximum size of a request's headers; beyond it: 431; default: as limits.request_header",
  ),
  header_table: optional(
    size(),
    "Size of the table in which a client may index its headers (HPACK)",
    formatSize(DEFAULTS.headerTableMax),
  ),
  continuations: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of CONTINUATION frames of one header section; always as many as header_list takes",
    DEFAULTS.continuationsMax,
  ),
  resets: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of streams reset by the client or because of it, per 30 s; each one that ends well allows another",
    DEFAULTS.resetsMax,
  ),
  settings: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of SETTINGS frames per 30 s",
    DEFAULTS.settingsMax,
  ),
  pings: optional(wholeNumber(1, COUNT_MAX), "Maximum of PING frames per 30 s", DEFAULTS.pingsMax),
  empty_frames: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of frames that bring nothing (empty DATA, PRIORITY, unknown types) per 30 s",
    DEFAULTS.emptyFramesMax,
  ),
  window_updates: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of WINDOW_UPDATE frames, and of DATA frames that a window makes tiny, per 30 s; each larger DATA frame allows four more",
    DEFAULTS.windowUpdatesMax,
  ),
  memory: optional(
    size(64 * KIB),
    "Maximum of headers and bodies in memory that wait for an application; with more of responses a client gets no new ones, and 30 s to read some",
    formatSize(DEFAULTS.memoryMax),
  ),
});

/** Undefined where all of them are the defaults. */
export function http2Limits(
  limits: v.InferOutput<typeof http2LimitsSchema>,
): Http2Limits | undefined {
  const said: Http2Limits = {
    streamsMax: limits.streams,
    headerListMax: limits.header_list,
    headerTableMax: limits.header_table,
    continuationsMax: limits.continuations,
    resetsMax: limits.resets,
    settingsMax: limits.settings,
    pingsMax: limits.pings,
    emptyFramesMax: limits.empty_frames,
    windowUpdatesMax: limits.window_updates,
    memoryMax: limits.memory,
  };
  const names = Object.keys(said) as (keyof Http2Limits)[];
  return names.every((name) => said[name] === DEFAULTS[name]) ? undefined : said;
}
