/**
 * Keeps a copy of an application's response as a file (`fastcgi_store` of nginx), so that a `static`
 * route before has it the next time. Only a whole response with 200 to a plain GET is kept, only
 * where everybody may have it, and never under a name that is hidden or a script's. What the client
 * gets is the same whether the copy succeeds or not.
 */
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import { copyNameOf, type FileCopy } from "../runtime/file_copy.ts";
import type { Files } from "../runtime/files.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import { hasRawBytes } from "../runtime/raw_bytes.ts";
import { contentTypeOf, encodingOf } from "../static/content_type.ts";
import type { UpstreamResponse } from "../upstream/request.ts";
import type { RequestContext } from "./request_context.ts";

/** Most copies of one route that are written at a time; beyond it a response is only sent. */
export const COPIES_AT_ONCE_MAX = 64;

export interface StoreOptions {
  /** Absolute path of a directory; left out: the route's root. */
  readonly directory?: string | undefined;
  /** Of the files. */
  readonly mode: number;
}

export interface StoreDeps {
  readonly files: Pick<Files, "createCopy">;
  readonly directory: string;
  /** The beginning of the path that is no directory there. */
  readonly stripPrefix: string;
  /** Names of programs: what lies under one of them would run. */
  readonly never: (path: string) => boolean;
  readonly onError: (error: unknown, context: RequestContext) => void;
}

export class ResponseStore {
  readonly #deps: StoreDeps;
  readonly #mode: number;
  #underWay = 0;

  constructor({ mode }: StoreOptions, deps: StoreDeps) {
    this.#mode = mode;
    this.#deps = deps;
  }

  /** The same response; while it is read, or at once if it is whole, it is copied. */
  keep(
    response: UpstreamResponse,
    request: HttpRequest,
    context: RequestContext,
  ): UpstreamResponse {
    const { head, body } = response;
    if (body === null || this.#underWay >= COPIES_AT_ONCE_MAX) return response;
    if (!isPlainGet(request, context) || !isForAll(head, context.target.path)) return response;
    const copy = this.#begin(context);
    if (copy === undefined) return response;
    if (body instanceof ReadableStream) return { ...response, body: copied(body, head, copy) };
    void copy.append(body).then(() => copy.end());
    return response;
  }

  #begin(context: RequestContext): Copy | undefined {
    const { files, directory, stripPrefix, never, onError } = this.#deps;
    const path = context.target.path.slice(stripPrefix.length);
    if (never(path) || hasRawBytes(path)) return undefined;
    const name = copyNameOf(path);
    if (name === undefined) return undefined;
    try {
      const file = files.createCopy(directory, name, this.#mode);
      this.#underWay++;
      return new Copy(file, (error) => {
        this.#underWay--;
        if (error !== undefined) onError(error, context);
      });
    } catch (error) {
      onError(error, context);
      return undefined;
    }
  }
}

/** A copy that may fail without anybody's noticing but who is told. */
class Copy {
  readonly #file: FileCopy;
  readonly #onEnd: (error: unknown) => void;
  #isOpen = true;

  constructor(file: FileCopy, onEnd: (error: unknown) => void) {
    this.#file = file;
    this.#onEnd = onEnd;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) return;
    try {
      await this.#file.append([bytes]);
    } catch (error) {
      this.drop(error);
    }
  }

  async end(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    let failure: unknown;
    try {
      await this.#file.commit();
    } catch (error) {
      failure = error;
    }
    this.#onEnd(failure);
  }

  drop(error?: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    let failure = error;
    try {
      this.#file.discard();
    } catch (cause) {
      failure ??= cause;
    }
    this.#onEnd(failure);
  }
}

/** The same stream. Each piece is in the copy before it is sent, so its bytes are still what they were. */
function copied(
  source: ReadableStream<Uint8Array>,
  { contentLength }: CgiHeaderSection,
  copy: Copy,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let length = 0;
  return new ReadableStream({
    async pull(controller) {
      let read: Awaited<ReturnType<typeof reader.read>>;
      try {
        read = await reader.read();
      } catch (error) {
        copy.drop();
        throw error;
      }
      if (read.done) {
        controller.close();
        if (contentLength === undefined || contentLength === length) void copy.end();
        else copy.drop();
        return;
      }
      length += read.value.length;
      await copy.append(read.value);
      controller.enqueue(read.value);
    },
    async cancel(reason) {
      copy.drop();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** With a query, or for one who says who he is, there may be another response. */
function isPlainGet({ headers }: HttpRequest, { method, target }: RequestContext): boolean {
  return method === "GET" && (target.query ?? "") === "" && !headers.has("authorization");
}

/**
 * Whether a file of this path would be the same response, for everybody: of its header section a file
 * has no more than the type that its name gives it.
 */
function isForAll({ status, headers, directives }: CgiHeaderSection, path: string): boolean {
  if (status !== 200 || directives?.has("x-accel-redirect") || directives?.has("x-sendfile")) {
    return false;
  }
  const type = contentTypeOf(path);
  if (encodingOf(path, type) !== undefined) return false;
  let hasType = false;
  const isSame = headers.every(([name, value]) => {
    switch (name.toLowerCase()) {
      case "set-cookie":
      case "content-range":
      case "content-disposition":
      case "content-security-policy":
        return false;
      case "content-type":
        hasType = true;
        return isSameType(value, type);
      case "cache-control":
        return !/(?:^|[\s,])(?:private|no-store|no-cache)(?:$|[\s,=])/i.test(value);
      case "content-encoding":
        return /^\s*identity\s*$/i.test(value);
      case "vary":
        return /^\s*accept-encoding\s*$/i.test(value);
      default:
        return true;
    }
  });
  return isSame && hasType;
}

/** In another charset the bytes would be another text. */
function isSameType(told: string, ofName: string): boolean {
  const [type = "", ...parameters] = told.split(";").map((part) => part.trim().toLowerCase());
  const [expected = ""] = ofName.split(";");
  if (type !== expected && !(SCRIPTS.has(type) && SCRIPTS.has(expected))) return false;
  return parameters.every((one) =>
    !one.startsWith("charset") || /^charset\s*=\s*"?utf-8"?$/.test(one)
  );
}

/** Names of one type. */
const SCRIPTS: ReadonlySet<string> = new Set(["text/javascript", "application/javascript"]);
