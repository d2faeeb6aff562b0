/**
 * Where a file was a moment ago somebody has put what is none: a FIFO, at which an open waits for ever
 * on the only thread, a socket, a device, a directory, nothing. Nothing waits, and nothing but a
 * regular file is sent; where the file is back by then, it is.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, runtime } from "../support/gateway.ts";
import type { HttpRequest } from "../support/raw_http.ts";
import { type Swap, swappedFiles } from "../support/swapped_files.ts";

/** More than any file that is kept in memory. */
const CONTENT = "content ".repeat(4000);

/** What is sent where the other file is none any more. */
const SHORT: Readonly<Record<string, string>> = {
  "www/404.html": "our page",
  "www/b.txt": "not packed",
};

type Put = (path: string) => void;

/** What may lie in a file's place. */
const KINDS: Readonly<Record<string, Put>> = {
  "a FIFO": (path) => void execFileSync("mkfifo", [path]),
  "a socket": (path) => void sockets.push(createServer().listen(path)),
  "a directory": (path) => mkdirSync(path),
  "nothing": () => {},
  ...(process.getuid?.() === 0 && {
    "a device": (path: string) => void execFileSync("mknod", [path, "c", "1", "5"]),
  }),
};

const sockets: Server[] = [];

interface Place {
  /** Below the directory of the test. */
  readonly file: string;
  readonly request: HttpRequest;
  readonly status: number;
  /** Where the file is none any more. */
  readonly statusWithout: number;
}

const PLACES: Readonly<Record<string, Place>> = {
  "a file": { file: "www/a.txt", request: { target: "/a.txt" }, status: 200, statusWithout: 404 },
  "a range of a file": {
    file: "www/a.txt",
    request: { target: "/a.txt", headers: { Range: "bytes=0-10" } },
    status: 206,
    statusWithout: 404,
  },
  "two ranges of a file": {
    file: "www/a.txt",
    request: { target: "/a.txt", headers: { Range: "bytes=0-10,20-30" } },
    status: 206,
    statusWithout: 404,
  },
  "the header section of a file": {
    file: "www/a.txt",
    request: { target: "/a.txt", method: "HEAD" },
    status: 200,
    statusWithout: 404,
  },
  "a directory's index": {
    file: "www/docs/index.html",
    request: { target: "/docs/" },
    status: 200,
    statusWithout: 404,
  },
  "a compressed sibling": {
    file: "www/b.txt.gz",
    request: { target: "/b.txt", headers: { "Accept-Encoding": "gzip" } },
    status: 200,
    // The file itself is there.
    statusWithout: 200,
  },
  "a file that an application names": {
    file: "shared/c.txt",
    request: { target: "/app/x", headers: { "X-Want": "X-Sendfile: SHARED/c.txt" } },
    status: 200,
    statusWithout: 404,
  },
  "a file of an internal route": {
    file: "www/a.txt",
    request: { target: "/app/x", headers: { "X-Want": "X-Accel-Redirect: /a.txt" } },
    status: 200,
    statusWithout: 404,
  },
  "a file for a filter": {
    file: "www/filtered/f.txt",
    request: { target: "/filtered/f.txt" },
    status: 200,
    statusWithout: 500,
  },
  "an error page": {
    file: "www/404.html",
    request: { target: "/missing" },
    status: 404,
    statusWithout: 404,
  },
};

async function withSite(
  place: Place,
  { before, behind }: Pick<Swap, "before" | "behind">,
  use: (send: () => Promise<{ status: number; body: string }>) => Promise<void>,
): Promise<void> {
  const base = runtime.files.realPath("/tmp") + freshPath().slice("/tmp".length);
  mkdirSync(join(base, "www/docs"), { recursive: true });
  mkdirSync(join(base, "www/filtered"));
  mkdirSync(join(base, "shared"));
  for (
    const name of [
      "www/a.txt",
      "www/docs/index.html",
      "www/b.txt",
      "www/b.txt.gz",
      "www/404.html",
      "www/filtered/f.txt",
      "shared/c.txt",
    ]
  ) writeFileSync(join(base, name), SHORT[name] ?? CONTENT);
  const target = join(base, place.file);
  writeFileSync(target, CONTENT);
  const text = `
${APP_UPSTREAM}
sites:
  - root: ${base}/www
    sendfile: [${base}/shared]
    error_pages: { 404: /404.html }
    routes:
      - { path: /app/*, fastcgi: { upstream: app } }
      - { path: /filtered/*, filter: { upstream: app } }
      - static: { precompressed: [gzip] }
`;
  const files = swappedFiles({
    before: (path) => path === target && before?.(path),
    behind: (path) => path === target && behind?.(path),
  });
  await withConfig({
    text,
    files,
    application: async (_request, { params, data }) => {
      const [name, value] = params.get("HTTP_X_WANT")?.split(": ") ?? [];
      if (name === undefined) return new Response(await new Response(data).text());
      return new Response(null, {
        headers: { [name]: value!.replace("SHARED", `${base}/shared`) },
      });
    },
  }, async (gateway) => {
    await use(async () => {
      const { status, body } = await gateway.send(place.request);
      return { status, body: body.toString() };
    });
  });
  rmSync(base, { recursive: true });
  for (const server of sockets.splice(0)) server.close();
}

for (const [where, place] of Object.entries(PLACES)) {
  for (const [what, put] of Object.entries(KINDS)) {
    test(`${what} in the place of ${where} is not waited for, and not sent`, async () => {
      let swaps = 0;
      const before = (path: string): void => {
        if (swaps++ > 0) return;
        renameSync(path, `${path}.kept`);
        put(path);
      };
      await withSite(place, { before }, async (send) => {
        const response = await send();
        assert.equal(swaps > 0, true);
        // Of a directory the client is told that it is one.
        const status = what === "a directory" && response.status === 308
          ? 308
          : place.statusWithout;
        assert.equal(response.status, status);
        assert.doesNotMatch(response.body, /content con/);
      });
    });
  }

  test(`${where} is sent where a FIFO was in its place for a moment`, async () => {
    let swaps = 0;
    const before = (path: string): void => {
      if (swaps++ > 0) return;
      renameSync(path, `${path}.kept`);
      KINDS["a FIFO"]!(path);
    };
    const behind = (path: string): void => {
      if (swaps++ === 1) renameSync(`${path}.kept`, path);
    };
    await withSite(place, { before, behind }, async (send) => {
      const { status, body } = await send();
      assert.equal(status, place.status);
      if (place.request.method !== "HEAD") assert.match(body, /content con/);
    });
  });
}
