/** Content types by a file's extension. A text is declared to be UTF-8; what is not known is bytes. */
import { lookup } from "mrmime";

const SVG = "image/svg+xml";
const UNKNOWN = "application/octet-stream";

/** What mrmime leaves out, which has no names of vendors (`vnd.`) and none that begin with `x-`. */
const MORE_TYPES: ReadonlyMap<string, string> = new Map([
  ["ico", "image/x-icon"],
  ["eot", "application/vnd.ms-fontobject"],
  ["m3u8", "application/vnd.apple.mpegurl"],
  ["m4v", "video/x-m4v"],
  ["mkv", "video/x-matroska"],
  ["avi", "video/x-msvideo"],
  ["flv", "video/x-flv"],
  ["wmv", "video/x-ms-wmv"],
  ["flac", "audio/flac"],
  ["xls", "application/vnd.ms-excel"],
  ["ppt", "application/vnd.ms-powerpoint"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  ["pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
  ["odt", "application/vnd.oasis.opendocument.text"],
  ["ods", "application/vnd.oasis.opendocument.spreadsheet"],
  ["odp", "application/vnd.oasis.opendocument.presentation"],
  ["odg", "application/vnd.oasis.opendocument.graphics"],
  ["kml", "application/vnd.google-earth.kml+xml"],
  ["kmz", "application/vnd.google-earth.kmz"],
  ["vcf", "text/vcard"],
  ["apk", "application/vnd.android.package-archive"],
  ["7z", "application/x-7z-compressed"],
  ["rar", "application/vnd.rar"],
  ["tar", "application/x-tar"],
  ["bz2", "application/x-bzip2"],
  ["xz", "application/x-xz"],
  ["zst", "application/zstd"],
  ["svgz", SVG],
]);

/**
 * The coding of a file that is only kept in it, not of that type: `.svgz` is an SVG picture that
 * browsers show when they are told that it is packed.
 */
export function encodingOf(path: string, contentType: string): "gzip" | undefined {
  return contentType === SVG && /\.svgz$/i.test(path) ? "gzip" : undefined;
}

export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (dot < 0) return UNKNOWN;
  const extension = name.slice(dot + 1);
  // The table is a plain object, so that `constructor` finds what is no text.
  const found: unknown = lookup(extension);
  const type = typeof found === "string" ? found : MORE_TYPES.get(extension.toLowerCase());
  if (type === undefined) return UNKNOWN;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
