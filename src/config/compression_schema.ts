/** The schema of `compression`, of a site or of a route: on, off, or how. */
import * as v from "valibot";
import {
  COMPRESSION_DEFAULTS as DEFAULTS,
  COMPRESSION_LEVELS,
  type CompressionOptions,
} from "../compression/options.ts";
import {
  described,
  flag,
  list,
  oneOf,
  section,
  size,
  textLike,
  wholeNumber,
} from "./schema_parts.ts";
import { encodings } from "./static_schema.ts";
import { formatSize } from "./units.ts";

const TYPE = /^[a-z0-9][a-z0-9.+-]*\/(?:\*|[a-z0-9][a-z0-9.+-]*)$|^\*\+[a-z0-9.-]+$/;

const settings = section({
  encodings: v.optional(
    described(
      encodings(),
      "Codings to offer; of those that a client wants alike, the first is taken",
    ),
    [...DEFAULTS.encodings],
  ),
  min_size: v.optional(
    described(size(), "Smallest body that is compressed; one of unknown length always is"),
    formatSize(DEFAULTS.minSize),
  ),
  types: v.optional(
    described(
      list(
        textLike(TYPE, "use a media type in lower case, such as text/html, text/* or *+json"),
        'use a list of media types, such as [text/html, "*+json"]',
      ),
      "Media types of bodies that are compressed: exact, text/* or *+suffix",
    ),
    [...DEFAULTS.types],
  ),
  level: v.optional(
    described(oneOf(COMPRESSION_LEVELS), "How much time is spent to make answers smaller"),
    DEFAULTS.level,
  ),
  max_concurrent: v.optional(
    described(
      wholeNumber(1, 65_536),
      "Most answers compressed at a time, of the routes that share this; one more goes out as it is",
    ),
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
