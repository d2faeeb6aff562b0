/**
 * A real directory for tests of files: a root, with secrets beside it and symlinks of every kind in
 * it.
 */
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime } from "../../src/runtime/current.ts";
import type { Files } from "../../src/runtime/files.ts";
import { toResponse } from "../../src/runtime/http_response.ts";
import { isRefusal, type StaticRefusal } from "../../src/static/refusal.ts";
import type { StaticResponse } from "../../src/static/static_files.ts";

/** What the secrets hold, so that a test can tell that none came out. */
export const SECRET = "secret, never to be served";

/** When every file of the directory was modified. */
export const MODIFIED_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** The real files, through the runtime that the tests run on. */
export const files: Files = currentRuntime().files;

export interface Directory {
  /** Holds everything below, the secrets too. */
  readonly base: string;
  /** What may be served from. */
  readonly root: string;
  /** A symlink to the root. */
  readonly symlinkedRoot: string;
}

/** Makes a directory, hands it to `use` and removes it. */
export async function withDirectory(
  use: (directory: Directory) => void | Promise<void>,
): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "afcgi-static-")));
  try {
    await use(fill(base));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

function fill(base: string): Directory {
  const root = join(base, "www");
  for (
    const directory of [
      "docs",
      "empty",
      ".git",
      "a.php",
      "odd ?#\\é%",
      ".well-known/.x",
      "docs/.hidden",
    ]
  ) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  for (const directory of ["www-other", "outside"]) mkdirSync(join(base, directory));
  const contents: Record<string, string> = {
    "www/index.html": "<h1>root</h1>",
    "www/hello.txt": "0123456789",
    "www/empty.txt": "",
    "www/docs/index.html": "<h1>docs</h1>",
    "www/docs/café é.css": "body {}",
    "www/a.php/inner.txt": "inner",
    "www/script.php": SECRET,
    "www/noextension": "bytes",
    "www/odd.constructor": "odd",
    "www/back\\slash.txt": "backslash",
    "www/.well-known/token": "token",
    "www/.well-known/.x/file": SECRET,
    "www/.env": SECRET,
    "www/.git/config": SECRET,
    "www/docs/.hidden/file": SECRET,
    "secret.txt": SECRET,
    "www-other/file.txt": SECRET,
    "outside/index.html": SECRET,
  };
  for (const [name, content] of Object.entries(contents)) {
    writeFileSync(join(base, name), content);
    utimesSync(join(base, name), MODIFIED_MS / 1000, MODIFIED_MS / 1000);
  }
  const symlinks: [target: string, name: string][] = [
    [join(base, "secret.txt"), "www/link-out.txt"],
    ["../secret.txt", "www/link-up.txt"],
    [join(base, "outside"), "www/link-folder"],
    [join(base, "www-other"), "www/link-sibling"],
    ["hello.txt", "www/link-in.txt"],
    ["docs", "www/link-docs"],
    ["script.php", "www/source.txt"],
    ["nowhere", "www/link-dead"],
    ["link-loop", "www/link-loop"],
    ["www", "linked"],
  ];
  for (const [target, name] of symlinks) symlinkSync(target, join(base, name));
  return { base, root, symlinkedRoot: join(base, "linked") };
}

/** What a static route answers, as a Response where it is no refusal. */
export async function fetched(
  response: StaticResponse | Promise<StaticResponse>,
): Promise<Response | StaticRefusal> {
  const settled = await response;
  return isRefusal(settled) ? settled : await toResponse(settled);
}
