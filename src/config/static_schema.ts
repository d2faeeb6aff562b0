/** The schema of the `static` handler: what is said of files, and what stands for a folder. */
import * as v from "valibot";
import { ENCODINGS } from "../compression/accept_encoding.ts";
import {
  described,
  flag,
  items,
  list,
  oneOf,
  PATH_PATTERN,
  section,
  textLike,
} from "./schema_parts.ts";

export const indexNames = (example: string) =>
  items(
    textLike(/^[^/\0]+$/, 'use a file\'s name, without "/"'),
    `use a list of file names, such as [${example}]`,
  );

export const encodings = () => list(oneOf(ENCODINGS), `use a list of ${ENCODINGS.join(", ")}`);

export const staticSchema = section({
  index: v.optional(
    described(
      indexNames("index.html"),
      "Files that stand for a folder; the first that exists is sent",
    ),
    ["index.html"],
  ),
  precompressed: v.optional(
    described(
      encodings(),
      "Compressed siblings (.zst, .br, .gz) to send in a file's place; left out: none",
    ),
  ),
  cache_control: v.optional(
    described(
      v.record(
        textLike(PATH_PATTERN, 'use "/exact", "/prefix/*" or "*.suffix"'),
        textLike(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'use a value such as "max-age=3600"'),
        'use a map of patterns and values, such as { "*.css": "max-age=3600" }',
      ),
      "Cache-Control by pattern of the path, the first that matches; left out: none is sent",
    ),
  ),
  listing: v.optional(
    described(flag(), "Whether a folder without index is listed"),
    false,
  ),
});
