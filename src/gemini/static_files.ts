/**
 * A static route: files below the root by their path, the index of a directory or its listing as
 * gemtext, a redirect to a directory's path with its slash. What may be seen is decided by
 * `static/below_root.ts`: nothing hidden, nothing outside the root but where symlinks may lead.
 */
import { openFileBody } from "../runtime/file_body.ts";
import type { Files } from "../runtime/files.ts";
import {
  type FileTree,
  type Found,
  type FoundFile,
  resolveBelowRoot,
} from "../static/below_root.ts";
import { contentTypeOf, encodingOf } from "../static/content_type.ts";
import { listDirectory } from "../static/listing.ts";
import { openFound } from "../static/open_found.ts";
import { ownReply, plainHeader } from "./own_replies.ts";
import type { GeminiStaticOptions } from "./options.ts";
import type { GeminiReply, GeminiRequest } from "./request.ts";

const GEMTEXT = "text/gemini; charset=utf-8";

const BY_NAME = { column: "name", descending: false } as const;

export interface GeminiStaticDeps extends Omit<GeminiStaticOptions, "kind">, FileTree {
  readonly files: Files;
}

/** The response; undefined where there is nothing, so that another route may know better. */
export async function serveStatic(
  deps: GeminiStaticDeps,
  request: GeminiRequest,
): Promise<GeminiReply | undefined> {
  const { index } = deps;
  const { path } = request.uri;
  const found = resolveBelowRoot(deps, path);
  if (found.kind !== "directory") return serveFound(deps, request, found);
  if (!path.endsWith("/")) return redirectToSlash(request);
  for (const name of index) {
    const page = resolveBelowRoot(deps, path + name);
    if (page.kind === "file") return serveFile(deps, request, page);
  }
  if (!deps.listing) return undefined;
  const text = await listingText(deps, path);
  const meta = withLanguage(GEMTEXT, deps.lang);
  return { header: { code: 20, meta }, body: new TextEncoder().encode(text) };
}

function serveFound(
  deps: GeminiStaticDeps,
  request: GeminiRequest,
  found: Exclude<Found, { kind: "directory" }>,
): GeminiReply | undefined {
  if (found.kind === "missing") return undefined;
  // That something is there is nobody's business.
  if (found.kind === "forbidden") return ownReply(request, found.code, plainHeader(51));
  return serveFile(deps, request, found);
}

function serveFile(
  deps: GeminiStaticDeps,
  request: GeminiRequest,
  found: FoundFile,
): GeminiReply | undefined {
  const opened = openFound(deps, found);
  switch (opened.kind) {
    case "opened": {
      const { file, found: { path, info } } = opened;
      const body = openFileBody(file, 0, info.size);
      return { header: { code: 20, meta: geminiTypeOf(path, deps.lang) }, body };
    }
    case "unreadable":
      return ownReply(request, "unreadable_file", plainHeader(51));
    case "forbidden":
      return ownReply(request, opened.code, plainHeader(51));
    case "directory":
    case "missing":
      return undefined;
  }
}

/** The type of a file of this name, with the language where it is a text. */
export function geminiTypeOf(path: string, lang: string | undefined): string {
  // Gemini has no word for a coding.
  if (encodingOf(path, contentTypeOf(path)) !== undefined) return "application/gzip";
  const type = /\.(?:gmi|gemini)$/i.test(path) ? GEMTEXT : contentTypeOf(path);
  return type.startsWith("text/") ? withLanguage(type, lang) : type;
}

function withLanguage(type: string, lang: string | undefined): string {
  return lang === undefined ? type : `${type}; lang=${lang}`;
}

function redirectToSlash(request: GeminiRequest): GeminiReply {
  const { uri } = request;
  const query = uri.query === undefined ? "" : `?${uri.query}`;
  const start = uri.url.slice(0, uri.url.length - uri.encodedPath.length - query.length);
  return { header: { code: 31, meta: `${start}${uri.encodedPath}/${query}` }, body: null };
}

/** A line for each entry, its name as it would be written in a path. */
async function listingText(deps: GeminiStaticDeps, path: string): Promise<string> {
  const tree = { ...deps, never: () => false };
  const { entries, hasMore } = await listDirectory(tree, path, BY_NAME);
  const lines = [`# ${oneLine(path)}`, ""];
  if (path !== "/") lines.push("=> ../ ..");
  for (const { name, isDirectory } of entries) {
    const slash = isDirectory ? "/" : "";
    // "./" keeps a name with a colon from being a scheme.
    lines.push(`=> ./${encodeURIComponent(name)}${slash} ${oneLine(name)}${slash}`);
  }
  if (hasMore) lines.push("", "There is more that is not listed.");
  return lines.join("\n") + "\n";
}

/** A name may have a line end in it, and then what would be a line of ours. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, "\ufffd");
}
