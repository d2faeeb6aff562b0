/** The schema of the `static` handler: what is said of files, and what stands for a directory. */
import * as v from "valibot";
import { ENCODINGS } from "../compression/accept_encoding.ts";
import { flag, items, list, oneOf, optional, section, textLike } from "./schema_parts.ts";
import { pathPattern } from "./path_schema.ts";

export const indexNames = (example: string) =>
  items(
    textLike(/^[^/\0]+$/, 'use a file\'s name, without "/"'),
    `use a list of file names, such as [${example}]`,
  );

export const encodings = () => list(oneOf(ENCODINGS), `use a list of ${ENCODINGS.join(", ")}`);

export const staticSchema = section({
  index: optional(
    indexNames("index.html"),
    "Index files of a directory; the first that exists is sent",
    ["index.html"],
  ),
  precompressed: optional(
    encodings(),
    "Precompressed files (.zst, .br, .gz) to send instead of a file; default: none",
  ),
  cache_control: optional(
    v.record(
      pathPattern(),
      textLike(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'use a value such as "max-age=3600"'),
      'use a map of patterns and values, such as { "*.css": "max-age=3600" }',
    ),
    "Cache-Control by pattern of the path, the first that matches; default: none",
  ),
  listing: optional(flag(), "Whether a directory without an index file is listed", false),
});
