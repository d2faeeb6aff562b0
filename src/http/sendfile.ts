/**
 * A file that an application names to be sent in its answer's place (`X-Sendfile`): only below the
 * folders that the site's configuration allows, and by the rules of files of a static route. These
 * folders are a list of their own: where links may lead out of the site's root says nothing of them.
 */
import { toResponse } from "../runtime/http_answer.ts";
import type { Files } from "../runtime/runtime.ts";
import { type Found, resolveBelowRoot } from "../static/below_root.ts";
import { type FileBodies, readyFile, sendFile } from "../static/file_response.ts";
import { isRefusal, refuse, type StaticRefusal } from "../static/refusal.ts";
import type { SendNamedFile } from "./handover.ts";

/** @param folders absolute paths below which files may be named */
export function namedFiles(
  files: Pick<Files, "stat" | "realPath"> & FileBodies,
  folders: readonly string[],
): SendNamedFile {
  const roots = folders.map((folder) => ({ folder, prefix: folder.replace(/\/?$/, "/") }));
  return (path, contentType, request) => {
    const root = roots.find(({ prefix }) => path.startsWith(prefix));
    if (root === undefined) return undefined;
    const found = resolveBelowRoot(
      { files, root: root.folder },
      path.slice(root.prefix.length - 1),
    );
    return send(found, contentType, request);
  };

  async function send(
    found: Found,
    contentType: string | undefined,
    request: Request,
  ): Promise<Response | StaticRefusal> {
    if (found.kind === "forbidden") return refuse(found.code);
    if (found.kind !== "file") return refuse("no_such_file");
    const sent = await sendFile(files, readyFile(found, { contentType }), request);
    return isRefusal(sent) ? sent : await toResponse(sent);
  }
}
