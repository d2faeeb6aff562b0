/**
 * A static route: from a decoded path to the file, the index of a directory, or a redirect to the
 * directory's path with its slash, without which relative links in the index would go wrong. Source
 * code of scripts is never sent, whether the path names it or a link leads to it.
 */
import {
  type FileLookup,
  type Found,
  type FoundDirectory,
  resolveBelowRoot,
} from "./below_root.ts";
import { type FileBodies, type FileRequest, serveFile } from "./file_response.ts";
import { refuse, type StaticRefusal } from "./refusal.ts";

export interface StaticOptions {
  readonly files: FileLookup & FileBodies;
  /** Absolute path. */
  readonly root: string;
  /** Names to try in a directory, in this order. */
  readonly index: readonly string[];
  /** Whether a file of this name is never sent, such as a script on a site that runs scripts. */
  readonly never: (path: string) => boolean;
}

/** Where a request points: a decoded path, and its undecoded query without "?". */
export interface StaticTarget {
  readonly path: string;
  readonly query: string;
}

/** Answers a request with what its target names below the root. */
export async function serveStatic(
  options: StaticOptions,
  request: FileRequest,
  target: StaticTarget,
): Promise<Response | StaticRefusal> {
  const found = resolveBelowRoot(options.files, options.root, target.path);
  if (found.kind === "directory") return serveDirectory(options, request, target);
  return serveFound(options, request, found);
}

async function serveDirectory(
  options: StaticOptions,
  request: FileRequest,
  target: StaticTarget,
): Promise<Response | StaticRefusal> {
  if (request.method !== "GET" && request.method !== "HEAD") return refuse("method_not_allowed");
  if (!target.path.endsWith("/")) return redirectToSlash(target);
  for (const name of options.index) {
    const found = resolveBelowRoot(options.files, options.root, target.path + name);
    if (found.kind === "missing" || found.kind === "directory") continue;
    return serveFound(options, request, found);
  }
  return refuse("no_such_file");
}

async function serveFound(
  options: StaticOptions,
  request: FileRequest,
  found: Exclude<Found, FoundDirectory>,
): Promise<Response | StaticRefusal> {
  if (found.kind === "missing") return refuse("no_such_file");
  if (found.kind === "forbidden") return refuse(found.code);
  if (options.never(found.path) || options.never(found.realPath)) return refuse("script_source");
  return serveFile(options.files, found, request);
}

/**
 * The path is encoded anew from its decoded form, in which slashes are merged: sent back as it
 * came, `//evil.example/%2e%2e/folder` would lead to another host.
 */
function redirectToSlash(target: StaticTarget): Response {
  const path = target.path.split("/").map(encodeURIComponent).join("/");
  const location = `${path}/${target.query === "" ? "" : `?${target.query}`}`;
  return new Response(null, { status: 308, headers: { location } });
}
