/**
 * A static route: from a decoded path to the file, the index of a directory, its listing, or a
 * redirect to the directory's path with its slash, without which relative links in the index would
 * go wrong. Source code of scripts is never sent, whether the path names it or a symlink leads to
 * it.
 */
import type { Encoding } from "../compression/accept_encoding.ts";
import { FileError } from "../runtime/file_error.ts";
import type { HttpResponse } from "../runtime/http_response.ts";
import { encodePath } from "../runtime/raw_bytes.ts";
import type { Files } from "../runtime/files.ts";
import {
  type FileLookup,
  type FileTree,
  type Found,
  type FoundDirectory,
  type FoundFile,
  resolveBelowRoot,
} from "./below_root.ts";
import { contentTypeOf, encodingOf } from "./content_type.ts";
import type { FileMemory } from "./file_memory.ts";
import { type FileFields, type FileRequest, readyFile, sendFile } from "./file_response.ts";
import { listDirectory, readListingOrder } from "./listing.ts";
import { PAGE_POLICY } from "../pages/page.ts";
import { listingPage } from "./listing_page.ts";
import { type NotOpened, type OpenedFile, openFound } from "./open_found.ts";
import { chooseSibling, type ChosenFile } from "./precompressed.ts";
import { refuse, type StaticRefusal } from "./refusal.ts";

export interface StaticOptions extends FileTree {
  readonly files: FileLookup & Pick<Files, "openNow" | "list">;
  /** What stands before a target's path in the client's; left out: nothing. */
  readonly prefix?: string;
  /** Names to try in a directory, in this order. */
  readonly index: readonly string[];
  /** Whether a file of this name is never sent, such as a script on a site that runs scripts. */
  readonly never: (path: string) => boolean;
  /** Codings of which a compressed sibling may be sent in a file's place. */
  readonly precompressed?: readonly Encoding[];
  /** The Cache-Control of a file, by its path below the root. */
  readonly cacheControl?: (path: string) => string | undefined;
  /** Whether a directory without index is listed. */
  readonly listing?: boolean;
  /** Keeps small files; left out: none are kept. */
  readonly memory?: FileMemory;
}

/**
 * Where a request points: a decoded path, and its undecoded query without "?". The path of the root
 * itself is empty where the client left out its slash.
 */
export interface StaticTarget {
  readonly path: string;
  readonly query: string;
}

export type StaticResponse = HttpResponse | StaticRefusal;

/** The response with a small file that is kept, and still what it was; else undefined. */
export function serveKept(
  { memory }: StaticOptions,
  request: FileRequest,
  path: string,
): StaticResponse | undefined {
  const kept = memory?.find(path);
  return kept && sendFile(kept, request);
}

/**
 * Answers a request with what its target names below the root; at once where it can.
 *
 * @throws {FileError} where nobody can tell what is there
 */
export function serveStatic(
  options: StaticOptions,
  request: FileRequest,
  target: StaticTarget,
  said: Pick<FileFields, "contentType"> = {},
): StaticResponse | Promise<StaticResponse> {
  // What was kept under this path had a type of its own name.
  const kept = said.contentType === undefined
    ? serveKept(options, request, target.path)
    : undefined;
  if (kept !== undefined) return kept;
  const found = resolveBelowRoot(options, target.path || "/");
  if (found.kind === "directory") return serveDirectory(options, request, target);
  return serveFound(options, request, found, target.path, said);
}

function serveDirectory(
  options: StaticOptions,
  request: FileRequest,
  target: StaticTarget,
): StaticResponse | Promise<StaticResponse> {
  if (request.method !== "GET" && request.method !== "HEAD") return refuse("method_not_allowed");
  if (!target.path.endsWith("/")) return redirectToSlash(options, target);
  for (const name of options.index) {
    const kept = serveKept(options, request, target.path + name);
    if (kept !== undefined) return kept;
    const found = resolveBelowRoot(options, target.path + name);
    if (found.kind === "missing" || found.kind === "directory") continue;
    return serveFound(options, request, found, target.path + name, {});
  }
  return options.listing ? serveListing(options, request, target) : refuse("no_such_file");
}

function serveFound(
  options: StaticOptions,
  request: FileRequest,
  found: Exclude<Found, FoundDirectory>,
  path: string,
  said: FileFields,
): StaticResponse {
  if (found.kind === "missing") return refuse("no_such_file");
  if (found.kind === "forbidden") return refuse(found.code);
  if (isSource(options, found)) return refuse("script_source");
  if (request.method !== "GET" && request.method !== "HEAD") return refuse("method_not_allowed");
  const sibling = siblingFor(options, request, found);
  // One that is gone by now leaves the file itself.
  const opened = (sibling && openedOf(openFound(options, sibling.found))) ??
    openFound(options, found);
  if (opened.kind === "unreadable") return refuse("unreadable_file");
  if (opened.kind !== "opened") {
    return refuse(opened.kind === "forbidden" ? opened.code : "no_such_file");
  }
  const isSibling = opened.found.path !== found.path;
  const fields = {
    ...said,
    cacheControl: options.cacheControl?.(path),
    ...(sibling && {
      // The sibling's name tells how it is packed, not what it is.
      contentType: said.contentType ?? contentTypeOf(found.path),
      encoding: isSibling ? sibling.encoding : undefined,
      varies: sibling.varies,
    }),
  };
  const isKept = sibling === undefined && said.contentType === undefined;
  return serveOpened(options, request, opened, fields, isKept ? path : undefined);
}

function siblingFor(
  options: StaticOptions,
  request: FileRequest,
  found: FoundFile,
): ChosenFile | undefined {
  const { precompressed } = options;
  if (precompressed === undefined || precompressed.length === 0) return undefined;
  if (encodingOf(found.path, contentTypeOf(found.path)) !== undefined) return undefined;
  return chooseSibling(options, found, precompressed, request.headers.get("accept-encoding"));
}

function openedOf(opened: OpenedFile | NotOpened): OpenedFile | undefined {
  return opened.kind === "opened" ? opened : undefined;
}

/** `keptAs` is the path under which a small file is kept; undefined: it is not. */
function serveOpened(
  options: StaticOptions,
  request: FileRequest,
  { found, file }: OpenedFile,
  fields: FileFields,
  keptAs: string | undefined,
): StaticResponse {
  try {
    if (isSource(options, found)) {
      file.close();
      return refuse("script_source");
    }
    const ready = readyFile(found, fields);
    const { memory } = options;
    const kept = keptAs === undefined || memory === undefined
      ? ready
      : memory.keep(keptAs, ready, file);
    return sendFile(kept, request, file);
  } catch (error) {
    file.close();
    throw error;
  }
}

function isSource({ never }: StaticOptions, { path, realPath }: FoundFile): boolean {
  return never(path) || never(realPath);
}

async function serveListing(
  options: StaticOptions,
  request: FileRequest,
  target: StaticTarget,
): Promise<StaticResponse> {
  const order = readListingOrder(target.query);
  let page: string;
  try {
    const shown = (options.prefix ?? "") + target.path;
    page = listingPage(shown, await listDirectory(options, target.path, order), order);
  } catch (error) {
    if (error instanceof FileError && error.isDenied) return refuse("unreadable_file");
    if (error instanceof FileError && error.code === "ENOENT") return refuse("no_such_file");
    throw error;
  }
  const bytes = new TextEncoder().encode(page);
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-length": String(bytes.length),
    "content-security-policy": PAGE_POLICY,
    "cache-control": "no-cache",
  };
  return new Response(request.method === "HEAD" ? null : bytes, { headers });
}

/**
 * The path is encoded anew from its decoded form, in which slashes are merged: sent back as it
 * came, `//evil.example/%2e%2e/folder` would lead to another host.
 */
function redirectToSlash({ prefix = "" }: StaticOptions, target: StaticTarget): Response {
  const path = encodePath(prefix + target.path);
  const location = `${path}/${target.query === "" ? "" : `?${target.query}`}`;
  return new Response(null, { status: 308, headers: { location } });
}
