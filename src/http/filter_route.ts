/**
 * The `filter` handler: a file below the root goes through a FastCGI Filter (specification section
 * 6.4) as its second stream, with its length and its time as parameters. Which files it may be, and
 * what is left to the next route, is decided as for files that are sent as they are.
 */
import { Role } from "../protocol/constants.ts";
import { FileError } from "../runtime/file_error.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import { type FileTree, type FoundFile, resolveBelowRoot } from "../static/below_root.ts";
import { type OpenableTree, openFound } from "../static/open_found.ts";
import { refuse, type StaticRefusal } from "../static/refusal.ts";
import type { UpstreamRequest } from "../upstream/request.ts";
import { FileBody } from "../upstream/file_body.ts";
import type { RequestContext } from "./request_context.ts";
import { GatewayRequest, type RequestParameters, type SendableBody } from "./gateway_request.ts";
import type { ScriptTarget } from "./script_target.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

export interface FilterRouteOptions extends FileTree {
  /** Paths whose files are nobody's to see. */
  readonly never: (path: string) => boolean;
}

/** What is to be done with a request; a refusal may be another route's to overrule. */
export type FilterDecision =
  | { readonly kind: "send"; readonly found: FoundFile; readonly script: ScriptTarget }
  | StaticRefusal;

/** Decides by the files that are there now. */
export function decideFilter(options: FilterRouteOptions, path: string): FilterDecision {
  if (options.never(path)) return refuse("script_source");
  const found = resolveBelowRoot(options, path);
  switch (found.kind) {
    case "file": {
      // A symlink of another name may lead to a script.
      if (options.never(found.realPath)) return refuse("script_source");
      const script = { scriptName: path, pathInfo: "", scriptFilename: found.path };
      return { kind: "send", found, script };
    }
    case "forbidden":
      return refuse(found.code);
    case "directory":
    case "missing":
      return refuse("no_such_file");
  }
}

export class FilterRequest extends GatewayRequest implements UpstreamRequest {
  override readonly role: Role = Role.FILTER;
  readonly data: FileBody;

  constructor(
    tree: OpenableTree,
    found: FoundFile,
    route: RequestParameters,
    request: HttpRequest,
    context: RequestContext,
    script: ScriptTarget,
    taken: SendableBody,
  ) {
    const extra = new Map([
      ...context.extra ?? [],
      ["FCGI_DATA_LENGTH", String(found.info.size)],
      ["FCGI_DATA_LAST_MOD", String(Math.floor(found.info.modifiedMs / 1000))],
    ]);
    super(route, request, { ...context, extra }, script, taken);
    this.data = new FileBody(() => openAsFound(tree, found), found.path, found.info.size);
  }
}

/** The application was told of the file that was found, so it gets that one or none. */
function openAsFound(tree: OpenableTree, found: FoundFile): OpenFile {
  const opened = openFound(tree, found);
  if (opened.kind !== "opened") {
    throw new FileError("open", found.path, opened.kind === "unreadable" ? "EACCES" : "ESTALE");
  }
  const { file, found: { info: { inode, device, size } } } = opened;
  const { info } = found;
  if (inode === info.inode && device === info.device && size === info.size) return file;
  file.close();
  throw new FileError("open", found.path, "ESTALE");
}
