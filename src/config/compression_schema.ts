/** The schema of `compression`, of a site or of a route: on, off, or how. */
import * as v from "valibot";
import {
  COMPRESSION_DEFAULTS as DEFAULTS,
  COMPRESSION_LEVELS,
  type CompressionOptions,
} from "../compression/options.ts";
import {
  flag,
  list,
  oneOf,
  optional,
  section,
  size,
  textLike,
  wholeNumber,
} from "./schema_parts.ts";
import { encodings } from "./static_schema.ts";
import { formatSize } from "./units.ts";

const TYPE = /^[a-z0-9][a-z0-9.+-]*\/(?:\*|[a-z0-9][a-z0-9.+-]*)$|^\*\+[a-z0-9.-]+$/;

const settings = section({
  encodings: optional(encodings(), "Codings to offer, the preferred first", [
    ...DEFAULTS.encodings,
  ]),
  min_size: optional(
    size(),
    "Minimum size of a body to compress; a body of unknown length is always compressed",
    formatSize(DEFAULTS.minSize),
  ),
  types: optional(
    list(
      textLike(TYPE, "use a media type in lower case, such as text/html, text/* or *+json"),
      'use a list of media types, such as [text/html, "*+json"]',
    ),
    "Media types to compress: exact, text/* or *+suffix",
    [...DEFAULTS.types],
  ),
  level: optional(oneOf(COMPRESSION_LEVELS), "Compression level", DEFAULTS.level),
  max_concurrent: optional(
    wholeNumber(1, 65_536),
    "Maximum of responses that are compressed at the same time; others are sent as they are",
    DEFAULTS.concurrentMax,
  ),
});

/** `false` is off; so is a site without the key. */
export function compressionSchema() {
  return v.pipe(
    v.union([flag(), settings], "use true, false, or a map such as { level: fast }"),
    v.transform((value): CompressionOptions | false => {
      if (typeof value === "boolean") return value && DEFAULTS;
      const { encodings, min_size: minSize, types, level, max_concurrent: concurrentMax } = value;
      return { encodings, minSize, types, level, concurrentMax };
    }),
  );
}
