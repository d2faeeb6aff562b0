/**
 * Pages of a site's own in the place of error answers: files below its root, or texts. The status
 * stays, and of the answer's head what the status needs; a page that is not there leaves the answer
 * as it is.
 */
import type { Files } from "../runtime/runtime.ts";
import { type FileTree, resolveBelowRoot } from "../static/below_root.ts";
import { contentTypeOf } from "../static/content_type.ts";
import type { ErrorPageOptions } from "./answer_options.ts";

/** Where pages are looked for; without a root there are none. */
export interface ErrorPageTree extends Pick<FileTree, "linkTargets"> {
  readonly files: Files;
  readonly root: string | undefined;
  /** Whether a file of this name is never sent: the source of a script. */
  readonly never: (path: string) => boolean;
}

/** Makes the page; undefined where there is none to be had. */
type Page = () => Promise<{ body: BodyInit; length: number; type: string } | undefined>;

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

  constructor(
    options: Readonly<Record<string, ErrorPageOptions>>,
    tree: ErrorPageTree,
  ) {
    this.#pages = new Map(
      Object.entries(options).map(([status, page]) => [status, compilePage(page, tree)]),
    );
  }

  /** Whether an answer with this status may get a page. */
  has(status: number): boolean {
    return status >= ERROR_MIN && this.#pageFor(status) !== undefined;
  }

  /** The page with the status and what it needs of the answer's head; undefined: there is none. */
  async replace(method: string, answer: Response): Promise<Response | undefined> {
    const page = await this.#pageFor(answer.status)?.();
    if (page === undefined) return undefined;
    const headers = new Headers();
    for (const name of KEPT) {
      const value = answer.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    headers.set("content-type", page.type);
    headers.set("content-length", String(page.length));
    return new Response(method === "HEAD" ? null : page.body, { status: answer.status, headers });
  }

  #pageFor(status: number): Page | undefined {
    return this.#pages.get(String(status)) ?? this.#pages.get(`${Math.floor(status / 100)}xx`);
  }
}

function compilePage(
  options: ErrorPageOptions,
  { files, root, linkTargets, never }: ErrorPageTree,
): Page {
  if (options.kind === "text") {
    const body = new TextEncoder().encode(options.body);
    return () => Promise.resolve({ body, length: body.length, type: options.type });
  }
  if (root === undefined) return () => Promise.resolve(undefined);
  const { path } = options;
  return async () => {
    const found = resolveBelowRoot({ files, root, linkTargets }, path);
    if (found.kind !== "file" || never(found.path) || never(found.realPath)) return undefined;
    const length = found.info.size;
    try {
      const body = await files.body(found.realPath, 0, length);
      return { body, length, type: contentTypeOf(path) };
    } catch {
      return undefined;
    }
  };
}
