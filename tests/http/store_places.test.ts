/**
 * Copies of responses that are in the making have a bound, and each gives its place back, however it
 * ends: kept, failed at any step, or left by its client.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../../src/http/request_context.ts";
import { COPIES_AT_ONCE_MAX, ResponseStore } from "../../src/http/response_store.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryFiles } from "../support/memory/memory.ts";

type Body = Uint8Array | ReadableStream<Uint8Array>;

interface End {
  readonly before?: (files: MemoryFiles) => void;
  readonly body?: (text: Uint8Array) => Body;
  readonly contentLength?: number;
  readonly take?: (body: Body) => Promise<unknown>;
  readonly isKept: boolean;
}

const streamOf = (bytes: Uint8Array): ReadableStream<Uint8Array> =>
  new Blob([bytes.slice()]).stream();

const readAll = async (body: Body): Promise<void> => {
  if (body instanceof ReadableStream) await new Response(body).arrayBuffer().catch(() => {});
};

const ENDS: Readonly<Record<string, End>> = {
  "at once": { body: (text) => text, isKept: true },
  "as a stream": { isKept: true },
  "as a stream that its client leaves": {
    take: async (body) => await (body as ReadableStream).cancel(),
    isKept: false,
  },
  "as a stream that breaks off": {
    body: () => new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) }),
    isKept: false,
  },
  "as a stream that is too short": { contentLength: 99, isKept: false },
  "where none can be made": { before: (files) => void (files.copyError = "ENOSPC"), isKept: false },
  "where nothing can be added": {
    before: (files) => void (files.appendError = "ENOSPC"),
    isKept: false,
  },
  "at once, where nothing can be added": {
    before: (files) => void (files.appendError = "ENOSPC"),
    body: (text) => text,
    isKept: false,
  },
  "where it cannot take its place": {
    before(files) {
      const createCopy = files.createCopy.bind(files);
      files.createCopy = (...given) => ({
        ...createCopy(...given),
        commit: () => Promise.reject(new Error("EROFS")),
      });
    },
    isKept: false,
  },
};

for (const [name, end] of Object.entries(ENDS)) {
  test(`A copy that ends ${name} gives its place back`, async () => {
    const { before, body = streamOf, contentLength, take = readAll, isKept } = end;
    const text = new TextEncoder().encode("a {}");
    const files = new MemoryFiles();
    const working = { createCopy: files.createCopy.bind(files) };
    let errors = 0;
    const store = new ResponseStore({ mode: 0o600 }, {
      files: { createCopy: (...given) => files.createCopy(...given) },
      directory: "/copies",
      stripPrefix: "",
      never: () => false,
      onError: () => void errors++,
    });
    const keep = async (path: string, given: Body, length?: number): Promise<void> => {
      const response = {
        head: { status: 200, headers: [["content-type", "text/css"]], contentLength: length },
        body: given,
      } as unknown as UpstreamResponse;
      const context = { method: "GET", target: { path, query: "" } } as RequestContext;
      const kept = store.keep(response, new Request("http://a.test/"), context);
      await take(kept.body as Body);
      await untilIdle();
    };
    before?.(files);
    for (let count = 0; count <= COPIES_AT_ONCE_MAX; count++) {
      await keep(`/${count}.css`, body(text), contentLength);
    }
    assert.equal(files.stat("/copies/0.css") !== undefined, isKept);
    // By now all works.
    files.copyError = files.appendError = undefined;
    files.createCopy = working.createCopy;
    const before2 = errors;
    const good = store.keep(
      {
        head: { status: 200, headers: [["content-type", "text/css"]], contentLength: undefined },
        body: text,
      } as unknown as UpstreamResponse,
      new Request("http://a.test/"),
      { method: "GET", target: { path: "/last.css", query: "" } } as RequestContext,
    );
    assert.equal(good.body, text);
    await untilIdle();
    assert.ok(files.stat("/copies/last.css") !== undefined, "there is no place for another one");
    assert.equal(errors, before2);
  });
}
