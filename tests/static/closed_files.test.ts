/**
 * Every file that a request opens is closed, however the request ends: sent or not, refused once it was
 * open, broken off, or with any look at a file failing in its turn.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { discardResponse, toResponse } from "../../src/runtime/http_response.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { FileMemory } from "../../src/static/file_memory.ts";
import { isRefusal } from "../../src/static/refusal.ts";
import { serveStatic, type StaticOptions } from "../../src/static/static_files.ts";
import { failEach, failFiles, Operations } from "../support/failing_operations.ts";
import { ManualClock, MemoryFiles } from "../support/memory/memory.ts";

const HOUR_MS = 3_600_000;

interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the system calls a file once it is open, where that is another name. */
  readonly calledAs?: string;
  /** Whether packed forms may be sent; other files are kept in memory. */
  readonly isPacked?: boolean;
  /** Undefined: nobody can tell what is there. */
  readonly status: number | undefined;
}

const ASKS: Readonly<Record<string, Ask>> = {
  "as it is": { status: 200 },
  "for its fields": { method: "HEAD", status: 200 },
  "by a method that it has not": { method: "POST", status: 405 },
  "in part": { headers: { range: "bytes=2-4" }, status: 206 },
  "in parts": { headers: { range: "bytes=0-1,5-6" }, status: 206 },
  "beyond its end": { headers: { range: "bytes=99999-" }, status: 416 },
  "that its client has": { headers: { "if-none-match": "*" }, status: 304 },
  "that must not be there": { headers: { "if-match": '"x"' }, status: 412 },
  "in its packed form": { headers: { "accept-encoding": "gzip" }, isPacked: true, status: 200 },
  "that is empty": { path: "/empty.txt", status: 200 },
  "that is large": { path: "/large.txt", status: 200 },
  "that is a script": { path: "/a.php", status: 403 },
  "that turns out to be a script": { calledAs: "/www/a.php", status: 403 },
  "that turns out to be elsewhere": { calledAs: "/etc/passwd", status: undefined },
};

function world({ calledAs, isPacked = false }: Ask, operations: Operations) {
  const files = new MemoryFiles();
  files.write("/www/a.txt", "0123456789");
  files.write("/www/a.txt.gz", "packed");
  files.write("/www/empty.txt", "");
  files.write("/www/large.txt", new Uint8Array(100_000));
  files.write("/www/a.php", "<?php");
  files.write("/etc/passwd", "root");
  const openNow = files.openNow.bind(files);
  files.openNow = (path) => {
    const file = openNow(path);
    return file && calledAs !== undefined && path.endsWith("/a.txt")
      ? called(file, calledAs)
      : file;
  };
  failFiles(files, operations);
  const clock = new ManualClock();
  const options: StaticOptions = {
    files,
    root: "/www",
    index: [],
    never: (path) => path.endsWith(".php"),
    precompressed: isPacked ? ["gzip"] : [],
    memory: new FileMemory(files, {
      nowMs: () => clock.nowMs(),
      wallMs: () => Date.now() + HOUR_MS,
    }),
  };
  return { files, options };
}

function called(file: OpenFile, path: string): OpenFile {
  return {
    descriptor: file.descriptor,
    info: file.info,
    path,
    read: (bytes, offset) => file.read(bytes, offset),
    stream: (pieces) => file.stream(pieces),
    close: () => file.close(),
  };
}

/** What becomes of a response: it is sent, left in the middle, or never begun. */
const FATES = ["sent", "left", "discarded"] as const;

async function run(
  ask: Ask,
  fate: typeof FATES[number],
  operations: Operations,
): Promise<number | undefined> {
  const { path = "/a.txt", method = "GET", headers = {} } = ask;
  const { files, options } = world(ask, operations);
  const request = { method, headers: new Headers(headers) };
  let status: number | undefined;
  try {
    const response = await serveStatic(options, request, { path, query: "" });
    status = response.status;
    if (!isRefusal(response)) {
      if (fate === "discarded") discardResponse(response);
      else {
        const { body } = toResponse(response);
        const reader = body?.getReader();
        if (fate === "left") await reader?.cancel();
        else while (reader !== undefined && !(await reader.read()).done);
      }
    }
  } catch {
    // Where a look fails there is no response, or half of one.
  }
  assert.equal(files.openCount, 0, `${files.openCount} files are left open`);
  return status;
}

for (const [what, ask] of Object.entries(ASKS)) {
  for (const fate of FATES) {
    test(`A file ${what}, whose response is ${fate}, is closed whatever fails`, async () => {
      assert.equal(await run(ask, fate, new Operations(0)), ask.status);
      await failEach(async (operations) => void await run(ask, fate, operations));
    });
  }
}
