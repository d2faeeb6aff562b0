/**
 * Somebody who may write below the root puts a symlink in a directory's place, or in a file's:
 * between two requests, while afcgi still remembers where the way led, or in the moment between the
 * look and the opening. What lies outside is never sent, nor its size, time or tag; as root afcgi
 * could read it all. A script that lies outside never runs, where the symlink was set before the
 * request came.
 *
 * What is left: PHP opens a script by its path once more, and where no system tells where an open file
 * lies, who swaps twice between two calls of the system gets past the look (docs/security.md).
 */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, type Gateway, runtime } from "../support/gateway.ts";
import type { HttpRequest, HttpResponse } from "../support/raw_http.ts";
import { type Swap, swappedFiles } from "../support/swapped_files.ts";

const SMALL = "public";
const LARGE = "public ".repeat(8000);
const SECRET = "a secret that nobody outside may see ".repeat(2000);
/** Long ago, so that small files are kept in memory. */
const PUBLIC_S = 1_000_000_000;
const SECRET_S = 1_234_567_890;

interface Site {
  readonly base: string;
  readonly gateway: Gateway;
  /** Scripts that the application was asked for. */
  readonly ran: string[];
  /**
   * Puts a symlink to the directory of secrets in the place of `www/pub`, and takes it away again.
   */
  swapIn(): void;
  swapOut(): void;
}

async function withSite(
  swap: (site: Pick<Site, "base" | "swapIn" | "swapOut">) => Swap,
  use: (site: Site) => Promise<void>,
): Promise<void> {
  const base = runtime.files.realPath("/tmp") + freshPath().slice("/tmp".length);
  for (const directory of ["www/pub/sub", "secret/sub"]) {
    mkdirSync(join(base, directory), { recursive: true });
  }
  for (const name of ["small.txt", "large.txt", "index.html", "run.php", "404.html", "sub/a.txt"]) {
    const isSmall = name !== "large.txt";
    lay(join(base, "www/pub", name), isSmall ? SMALL : LARGE, PUBLIC_S, 0o644);
    lay(join(base, "secret", name), SECRET, SECRET_S, 0o600);
  }
  const world = {
    base,
    swapIn: () => {
      renameSync(join(base, "www/pub"), join(base, "www/was"));
      symlinkSync(join(base, "secret"), join(base, "www/pub"));
    },
    swapOut: () => {
      rmSync(join(base, "www/pub"));
      renameSync(join(base, "www/was"), join(base, "www/pub"));
    },
  };
  const ran: string[] = [];
  const text = `
${APP_UPSTREAM}
sites:
  - root: ${base}/www
    sendfile: [${base}/www]
    error_pages: { 404: /pub/404.html }
    routes:
      - { path: /app/*, fastcgi: { upstream: app } }
      - { path: /filtered/*, filter: { upstream: app } }
      - { path: "*.php", php: { upstream: app } }
      - static: { listing: true, index: [index.html] }
`;
  const files = swappedFiles(swap(world));
  await withConfig({
    text,
    files,
    application: (_request, { params }) => {
      const [name, value] = params.get("HTTP_X_WANT")?.split(": ") ?? [];
      if (name !== undefined) {
        return new Response(null, { headers: { [name]: value!.replace("WWW", `${base}/www`) } });
      }
      ran.push(params.get("SCRIPT_FILENAME") ?? "");
      return new Response("ran");
    },
  }, async (gateway) => await use({ ...world, gateway, ran }));
  rmSync(base, { recursive: true });
}

function lay(path: string, content: string, seconds: number, mode: number): void {
  writeFileSync(path, content, { mode });
  utimesSync(path, seconds, seconds);
}

const REQUESTS: Readonly<Record<string, HttpRequest>> = {
  "a small file": { target: "/pub/small.txt" },
  "a large file": { target: "/pub/large.txt" },
  "the header section of a file": { target: "/pub/large.txt", method: "HEAD" },
  "a range": { target: "/pub/large.txt", headers: { Range: "bytes=0-9" } },
  "two ranges": { target: "/pub/large.txt", headers: { Range: "bytes=0-9,20-29" } },
  "a file if it has changed": {
    target: "/pub/large.txt",
    headers: { "If-Modified-Since": new Date((SECRET_S - 1) * 1000).toUTCString() },
  },
  "an index": { target: "/pub/" },
  "a directory below": { target: "/pub/sub/a.txt" },
  "a listing": { target: "/pub/sub/" },
  "a file that an application names": {
    target: "/app/x",
    headers: { "X-Want": "X-Sendfile: WWW/pub/large.txt" },
  },
  "a path that an application names": {
    target: "/app/x",
    headers: { "X-Want": "X-Accel-Redirect: /pub/large.txt" },
  },
  "an error page": { target: "/none" },
};

function assertNothingSecret(response: HttpResponse): void {
  assert.doesNotMatch(response.body.toString(), /secret/);
  const length = String(SECRET.length);
  const time = new Date(SECRET_S * 1000).toUTCString();
  for (const [name, value] of response.headers) {
    assert.equal(value.includes(length) || value.includes(time), false, `${name}: ${value}`);
    assert.equal(value.includes(`-${SECRET.length.toString(16)}"`), false, `${name}: ${value}`);
  }
}

for (const [what, request] of Object.entries(REQUESTS)) {
  test(`A directory that became a symlink between two requests does not give away ${what}`, async () => {
    await withSite(() => ({}), async ({ gateway, swapIn, swapOut }) => {
      const before = await gateway.send(request);
      assertNothingSecret(before);
      swapIn();
      // At once, and again: nothing that was remembered leads there.
      for (let times = 0; times < 3; times++) assertNothingSecret(await gateway.send(request));
      swapOut();
      assert.equal((await gateway.send(request)).status, before.status);
    });
  });

  for (const knowsNoPaths of [false, true]) {
    const system = knowsNoPaths ? "where no system tells where it lies" : "by its descriptor";
    for (const [when, staysMoved] of [["and stays one", true], ["for a moment", false]] as const) {
      test(`A symlink at the moment of opening, ${when}, is seen ${system}: ${what}`, async () => {
        let isIn = false;
        let times = 0;
        const swap = ({ swapIn, swapOut }: Pick<Site, "swapIn" | "swapOut">): Swap => ({
          knowsNoPaths,
          before: () => {
            if (times++ > 0) return;
            swapIn();
            isIn = true;
          },
          behind: () => {
            if (!isIn || staysMoved) return;
            swapOut();
            isIn = false;
          },
        });
        await withSite(swap, async ({ gateway }) => {
          const response = await gateway.send(request);
          assertNothingSecret(response);
          if (times > 0 && !staysMoved && response.status < 300 && request.method !== "HEAD") {
            assert.match(response.body.toString(), /public/);
          }
        });
      });
    }
  }
}

test("A file that became a symlink is not sent, whether a request was there before or not", async () => {
  for (const isWarm of [true, false]) {
    await withSite(() => ({}), async ({ base, gateway }) => {
      const request = { target: "/pub/large.txt" };
      if (isWarm) assert.equal((await gateway.send(request)).status, 200);
      rmSync(join(base, "www/pub/large.txt"));
      symlinkSync(join(base, "secret/large.txt"), join(base, "www/pub/large.txt"));
      const response = await gateway.send(request);
      assertNothingSecret(response);
      assert.equal(response.status, 403);
    });
  }
});

test("A script whose directory became a symlink out of the root does not run with the next request", async () => {
  await withSite(() => ({}), async ({ base, gateway, ran, swapIn }) => {
    assert.equal((await gateway.send({ target: "/pub/run.php" })).status, 200);
    swapIn();
    const response = await gateway.send({ target: "/pub/run.php" });
    assert.equal(response.status, 403);
    assert.deepEqual(ran, [join(base, "www/pub/run.php")]);
  });
});

test("A symlink that leads elsewhere within the root is followed as ever", async () => {
  await withSite(() => ({}), async ({ base, gateway }) => {
    symlinkSync("pub", join(base, "www/link"));
    const response = await gateway.send({ target: "/link/large.txt" });
    assert.deepEqual([response.status, response.body.toString()], [200, LARGE]);
  });
});
