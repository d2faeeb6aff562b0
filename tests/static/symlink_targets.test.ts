/**
 * Symlinks out of the root: they are followed to directories that are allowed, and nowhere else.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { parseTarget } from "../../src/http/target.ts";
import { type FileLookup, type FileTree, resolveBelowRoot } from "../../src/static/below_root.ts";
import { files } from "./directory.ts";

const FILES: readonly string[] = [
  ...["www/index.html", "www/docs/page.html", "shared/a.txt", "shared/sub/b.txt", "shared/.env"],
  ...["shared/..data/c.txt", "shared-other/secret.txt", "secret.txt", "other/d.txt"],
];

const SYMLINKS: readonly (readonly [target: string, name: string])[] = [
  ["../shared", "www/storage"],
  ["../shared/a.txt", "www/a.txt"],
  ["../shared/..data/c.txt", "www/c.txt"],
  ["../shared/.env", "www/env.txt"],
  ["../shared-other", "www/sibling"],
  ["../secret.txt", "www/secret.txt"],
  ["..", "www/up"],
  ["/", "www/all"],
  ["docs", "www/inside"],
  ["../secret.txt", "shared/secret.txt"],
  ["..", "shared/up"],
  ["../www", "shared/back"],
  ["../other/d.txt", "shared/d.txt"],
  ["../nowhere", "shared/dead"],
  ["shared", "current"],
  ["www", "linked"],
];

interface Place {
  readonly base: string;
  readonly root: string;
  /** What symlinks may lead to, and what they may not. */
  readonly shared: string;
}

async function withPlace(use: (place: Place) => void | Promise<void>): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "afcgi-links-")));
  try {
    for (const name of FILES) {
      mkdirSync(join(base, name, ".."), { recursive: true });
      writeFileSync(join(base, name), name);
    }
    for (const [target, name] of SYMLINKS) symlinkSync(target, join(base, name));
    await use({ base, root: join(base, "www"), shared: join(base, "shared") });
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** `file inside`, `directory outside`, `missing`, or the code of what is forbidden. */
function outcome(tree: Omit<FileTree, "files">, path: string, lookup: FileLookup = files): string {
  const found = resolveBelowRoot({ files: lookup, ...tree }, path);
  if (found.kind === "forbidden") return found.code;
  if (found.kind === "missing") return found.kind;
  return `${found.kind} ${found.isOutside ? "outside" : "inside"}`;
}

test("A symlink out of the root is followed to a directory that is allowed", async () => {
  await withPlace(({ root, shared }) => {
    const tree = { root, symlinkTargets: ["/nowhere", shared] };
    for (const path of ["/storage/a.txt", "/storage/sub/b.txt", "/a.txt"]) {
      assert.equal(outcome(tree, path), "file outside", path);
      assert.equal(outcome({ root }, path), "outside_root", path);
    }
    for (const path of ["/storage", "/storage/", "/storage/sub/"]) {
      assert.equal(outcome(tree, path), "directory outside", path);
    }
    const found = resolveBelowRoot({ files, ...tree }, "/storage/a.txt");
    assert.ok(found.kind === "file");
    assert.equal(found.path, join(root, "storage/a.txt"));
    assert.equal(found.realPath, join(shared, "a.txt"));
    assert.equal(outcome(tree, "/storage/none"), "missing");
    assert.equal(outcome(tree, "/storage/dead"), "missing");
  });
});

test("A symlink out of the root is followed nowhere else, from a directory that is allowed neither", async () => {
  await withPlace(({ root, shared }) => {
    const paths = [
      ...["/secret.txt", "/up", "/up/secret.txt", "/up/other/d.txt", "/all/etc/passwd"],
      ...["/sibling", "/sibling/secret.txt", "/storage/secret.txt", "/storage/d.txt"],
      ...["/storage/up", "/storage/up/secret.txt", "/storage/up/shared-other/secret.txt"],
    ];
    for (const path of paths) {
      assert.equal(outcome({ root, symlinkTargets: [shared] }, path), "outside_root", path);
    }
  });
});

test("What is reached through an allowed directory and lies below the root is inside", async () => {
  await withPlace(({ root, shared }) => {
    const tree = { root, symlinkTargets: [shared] };
    for (const path of ["/storage/back/index.html", "/inside/page.html", "/up/www/index.html"]) {
      assert.equal(outcome(tree, path), "file inside", path);
    }
    assert.equal(outcome(tree, "/storage/back/storage/a.txt"), "file outside");
  });
});

test("Hidden names stay hidden behind a symlink, which itself may lead to one", async () => {
  await withPlace(({ root, shared }) => {
    const tree = { root, symlinkTargets: [shared] };
    for (const path of ["/storage/.env", "/storage/..data/c.txt", "/storage/.none"]) {
      assert.equal(outcome(tree, path), "hidden_file", path);
    }
    for (const path of ["/c.txt", "/env.txt"]) assert.equal(outcome(tree, path), "file outside");
  });
});

test("An allowed directory may be a symlink, end with a slash, be a file or not be there", async () => {
  await withPlace(({ base, root, shared }) => {
    const same = [join(base, "current"), `${shared}/`, join(root, "storage")];
    for (const directory of same) {
      const tree = { root, symlinkTargets: [directory] };
      assert.equal(outcome(tree, "/storage/a.txt"), "file outside", directory);
      assert.equal(outcome(tree, "/sibling/secret.txt"), "outside_root", directory);
    }
    const file = { root, symlinkTargets: [join(shared, "a.txt")] };
    assert.equal(outcome(file, "/storage/a.txt"), "file outside");
    assert.equal(outcome(file, "/storage/sub/b.txt"), "outside_root");
    assert.equal(outcome({ root, symlinkTargets: [join(base, "none")] }, "/a.txt"), "outside_root");
    assert.equal(outcome({ root, symlinkTargets: [] }, "/a.txt"), "outside_root");
    assert.equal(outcome({ root, symlinkTargets: ["/"] }, "/secret.txt"), "file outside");
    const linked = { root: join(base, "linked"), symlinkTargets: [shared] };
    assert.equal(outcome(linked, "/storage/a.txt"), "file outside");
    assert.equal(outcome(linked, "/index.html"), "file inside");
  });
});

test("A path without symlinks costs the same looks with directories that are allowed", async () => {
  await withPlace(({ root, shared }) => {
    const looksFor = (symlinkTargets: readonly string[] | undefined, path: string): string[] => {
      const looks: string[] = [];
      const counting: FileLookup = {
        stat: (path) => (looks.push(`stat ${path}`), files.stat(path)),
        realPath: (path) => (looks.push(`realPath ${path}`), files.realPath(path)),
      };
      outcome({ root, symlinkTargets }, path, counting);
      return looks;
    };
    for (const path of ["/index.html", "/docs/", "/none", "/inside/page.html"]) {
      assert.deepEqual(looksFor([shared], path), looksFor(undefined, path), path);
    }
    assert.ok(looksFor([shared], "/a.txt").includes(`realPath ${shared}`));
  });
});

test("On Windows a directory of which an allowed one's name is the beginning is another", () => {
  const windows: FileLookup = {
    realPath: (path) =>
      path.replaceAll("/", "\\").replace("C:\\www\\storage", "D:\\shared")
        .replace("C:\\www\\sibling", "D:\\shared-other"),
    stat: () => ({ kind: "file", size: 1, modifiedMs: 0, changedMs: 0, inode: 0, device: 0 }),
  };
  const tree = { root: "C:/www", symlinkTargets: ["D:/shared"] };
  assert.equal(outcome(tree, "/storage/a.txt", windows), "file outside");
  assert.equal(outcome(tree, "/sibling/a.txt", windows), "outside_root");
  assert.equal(outcome(tree, "/storage/GIT~1", windows), "missing");
  assert.equal(outcome({ root: "C:/www" }, "/storage/a.txt", windows), "outside_root");
});

test("No target leaves the root and the directory that is allowed, and it is known which it is in", async () => {
  const piece = fc.oneof(
    fc.constantFrom("/", "/", "/", "%2f", "//", "/../", "..%2F", "%2e%2e/", "/./", "\\", "%5c"),
    fc.constantFrom(
      "storage",
      "storage/",
      "up",
      "back",
      "back/",
      "all",
      "sibling",
      "inside",
      "sub",
    ),
    fc.constantFrom("a.txt", "b.txt", "c.txt", "d.txt", "secret.txt", "index.html", "page.html"),
    fc.constantFrom("www", "shared", "shared-other", "other", ".env", "..data", "%2eenv", "dead"),
  );
  const targets = fc.array(piece, { maxLength: 9 }).map((parts) => `/${parts.join("")}`);
  await withPlace(({ root, shared }) => {
    const isBelow = (path: string, directory: string) =>
      path === directory || path.startsWith(`${directory}/`);
    fc.assert(
      fc.property(targets, (raw) => {
        const target = parseTarget(`http://h${raw}`);
        if (target.kind === "refused") return;
        const found = resolveBelowRoot({ files, root, symlinkTargets: [shared] }, target.path);
        if (found.kind !== "file" && found.kind !== "directory") return;
        assert.equal(found.realPath, realpathSync(found.path), raw);
        assert.equal(isBelow(found.realPath, root), !found.isOutside, raw);
        assert.ok(!found.isOutside || isBelow(found.realPath, shared), raw);
        assert.doesNotMatch(found.path.slice(root.length), /\/\./, raw);
      }),
      { numRuns: 3000 },
    );
  });
});
