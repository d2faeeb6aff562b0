/**
 * Pages of a site's own in the place of error responses: files below its root, or texts. The status
 * stays, and of the response's header section what the status needs; a page that is not there, or
 * cannot be read, leaves the response as it is.
 */
import { openFileBody } from "../runtime/file_body.ts";
import type { Files } from "../runtime/files.ts";
import { type FileLookup, type FileTree, resolveBelowRoot } from "../static/below_root.ts";
import { contentTypeOf } from "../static/content_type.ts";
import { openFound } from "../static/open_found.ts";
import type { ErrorPageOptions } from "./response_options.ts";
import type { RequestContext } from "./request_context.ts";

/** Where pages are looked for; without a root there are none. */
export interface ErrorPageTree extends Pick<FileTree, "symlinkTargets"> {
  readonly files: FileLookup & Pick<Files, "openNow">;
  readonly root: string | undefined;
  /** Whether a file of this name is never sent: the source of a script. */
  readonly never: (path: string) => boolean;
  /** Why a page could not be read, which may yet be there. */
  readonly onError: (error: unknown, context: RequestContext) => void;
}

interface PageBody {
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly length: number;
  readonly type: string;
}

/** Makes the page; undefined where there is none to be had. @throws {FileError} */
type Page = () => PageBody | undefined;

/** Fields that mean something without the body that they came with. */
const KEPT: readonly string[] = [
  "allow",
  "cache-control",
  "content-range",
  "retry-after",
  "www-authenticate",
  "x-request-id",
];

const ERROR_MIN = 400;

export class ErrorPages {
  readonly #pages: ReadonlyMap<string, Page>;

  constructor(options: Readonly<Record<string, ErrorPageOptions>>, tree: ErrorPageTree) {
    this.#pages = new Map(
      Object.entries(options).map(([status, page]) => [status, compilePage(page, tree)]),
    );
  }

  /** Whether a response with this status may get a page. */
  has(status: number): boolean {
    return status >= ERROR_MIN && this.#pageFor(status) !== undefined;
  }

  /**
   * The page with the status and what it needs of the response's header section; undefined: there
   * is none.
   *
   * @throws {FileError}
   */
  replace(method: string, response: Response): Response | undefined {
    const page = this.#pageFor(response.status)?.();
    if (page === undefined) return undefined;
    if (method === "HEAD" && page.body instanceof ReadableStream) void page.body.cancel();
    const headers = new Headers();
    for (const name of KEPT) {
      const value = response.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    headers.set("content-type", page.type);
    headers.set("content-length", String(page.length));
    return new Response(method === "HEAD" ? null : page.body, { status: response.status, headers });
  }

  #pageFor(status: number): Page | undefined {
    return this.#pages.get(String(status)) ?? this.#pages.get(`${Math.floor(status / 100)}xx`);
  }
}

function compilePage(
  options: ErrorPageOptions,
  { files, root, symlinkTargets, never }: ErrorPageTree,
): Page {
  if (options.kind === "text") {
    const body = new TextEncoder().encode(options.body);
    return () => ({ body, length: body.length, type: options.type });
  }
  if (root === undefined) return () => undefined;
  const { path } = options;
  const tree = { files, root, symlinkTargets };
  return () => {
    const found = resolveBelowRoot(tree, path);
    if (found.kind !== "file" || never(found.path) || never(found.realPath)) return undefined;
    const opened = openFound(tree, found);
    if (opened.kind !== "opened") return undefined;
    const { file, found: { realPath, info: { size } } } = opened;
    if (!never(realPath)) {
      return { body: openFileBody(file, 0, size), length: size, type: contentTypeOf(path) };
    }
    file.close();
    return undefined;
  };
}
