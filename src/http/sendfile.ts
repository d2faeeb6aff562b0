/**
 * A file that an application names to be sent in its response's place (`X-Sendfile`): only below
 * the directories that the site's configuration allows, and by the rules of files of a static
 * route. These directories are a list of their own: where symlinks may lead out of the site's root
 * says nothing of them.
 */
import { toResponse } from "../runtime/http_response.ts";
import type { Files } from "../runtime/files.ts";
import { type FileLookup, resolveBelowRoot } from "../static/below_root.ts";
import { readyFile, sendFile } from "../static/file_response.ts";
import { openFound } from "../static/open_found.ts";
import { isRefusal, refuse, type StaticRefusal } from "../static/refusal.ts";
import type { SendNamedFile } from "./handover.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** @param directories absolute paths below which files may be named */
export function namedFiles(
  files: FileLookup & Pick<Files, "openNow">,
  directories: readonly string[],
): SendNamedFile {
  const roots = directories.map((directory) => ({
    directory,
    prefix: directory.replace(/\/?$/, "/"),
  }));
  return (path, contentType, request) => {
    const root = roots.find(({ prefix }) => path.startsWith(prefix));
    if (root === undefined) return undefined;
    return send(root.directory, path.slice(root.prefix.length - 1), contentType, request);
  };

  function send(
    root: string,
    path: string,
    contentType: string | undefined,
    request: HttpRequest,
  ): Response | StaticRefusal {
    const tree = { files, root };
    const found = resolveBelowRoot(tree, path);
    const opened = found.kind === "file" ? openFound(tree, found) : found;
    if (opened.kind === "unreadable") return refuse("unreadable_file");
    if (opened.kind !== "opened") {
      return refuse(opened.kind === "forbidden" ? opened.code : "no_such_file");
    }
    const sent = sendFile(readyFile(opened.found, { contentType }), request, opened.file);
    return isRefusal(sent) ? sent : toResponse(sent);
  }
}
