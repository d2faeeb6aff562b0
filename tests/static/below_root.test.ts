import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { parseTarget } from "../../src/http/target.ts";
import { type FileLookup, resolveBelowRoot } from "../../src/static/below_root.ts";
import { files, withDirectory } from "./directory.ts";

/** `file`, `directory`, `missing`, or the code of what is forbidden. */
function outcome(lookup: FileLookup, root: string, path: string): string {
  const found = resolveBelowRoot({ files: lookup, root }, path);
  return found.kind === "forbidden" ? found.code : found.kind;
}

test("resolveBelowRoot finds files and directories", async () => {
  await withDirectory(({ root }) => {
    const found = resolveBelowRoot({ files, root }, "/docs/café é.css");
    assert.ok(found.kind === "file");
    assert.equal(found.path, `${root}/docs/café é.css`);
    assert.equal(found.realPath, found.path);
    assert.equal(found.info.size, 7);
    for (const path of ["/", "/docs", "/docs/", "/a.php"]) {
      assert.equal(outcome(files, root, path), "directory", path);
    }
    assert.equal(outcome(files, root, "/a.php/inner.txt"), "file");
    assert.equal(outcome(files, root, "/back\\slash.txt"), "file");
  });
});

test("resolveBelowRoot finds nothing where nothing is", async () => {
  await withDirectory(({ base, root }) => {
    const paths = [
      ...["/none", "/hello.txt/", "/hello.txt/x", "/link-dead", "/link-loop", "/link-loop/x"],
      ...[
        "/hello.txt\0",
        "/\0",
        "hello.txt",
        "",
        "/HELLO.TXT.",
        "/hello.txt ",
        "/docs\\index.html",
      ],
      `/${"x".repeat(300)}`,
    ];
    for (const path of paths) assert.equal(outcome(files, root, path), "missing", path);
    assert.equal(outcome(files, `${base}/none`, "/hello.txt"), "missing");
  });
});

test("resolveBelowRoot forbids hidden segments, whether they exist or not", async () => {
  await withDirectory(({ root }) => {
    const paths = [
      ...["/.env", "/.git/config", "/.git/", "/docs/.hidden/file", "/.none", "/docs/.none"],
      ...["/.well-known/.x/file", "/docs/.well-known/token", "/.well-known.txt", "/.", "/.."],
      ...["/../secret.txt", "/docs/../../secret.txt", "/.well-known/../../secret.txt", "/..."],
    ];
    for (const path of paths) assert.equal(outcome(files, root, path), "hidden_file", path);
  });
});

test("resolveBelowRoot finds what is well-known", async () => {
  await withDirectory(({ root }) => {
    assert.equal(outcome(files, root, "/.well-known/token"), "file");
    assert.equal(outcome(files, root, "/.well-known/"), "directory");
  });
});

test("resolveBelowRoot forbids symlinks out of the root", async () => {
  await withDirectory(({ root }) => {
    const paths = [
      ...[
        "/link-out.txt",
        "/link-up.txt",
        "/link-folder",
        "/link-folder/",
        "/link-sibling/file.txt",
      ],
      "/link-folder/index.html",
    ];
    for (const path of paths) assert.equal(outcome(files, root, path), "outside_root", path);
  });
});

test("resolveBelowRoot follows symlinks within the root and says where they end", async () => {
  await withDirectory(({ root }) => {
    const found = resolveBelowRoot({ files, root }, "/link-in.txt");
    assert.ok(found.kind === "file");
    assert.equal(found.path, `${root}/link-in.txt`);
    assert.equal(found.realPath, `${root}/hello.txt`);
    assert.equal(outcome(files, root, "/link-docs/index.html"), "file");
  });
});

test("resolveBelowRoot takes a root that is a symlink, or has a trailing slash", async () => {
  await withDirectory(({ root, symlinkedRoot }) => {
    const found = resolveBelowRoot({ files, root: symlinkedRoot }, "/hello.txt");
    assert.ok(found.kind === "file");
    assert.equal(found.path, `${symlinkedRoot}/hello.txt`);
    assert.equal(found.realPath, `${root}/hello.txt`);
    assert.equal(outcome(files, symlinkedRoot, "/link-out.txt"), "outside_root");
    const slashed = resolveBelowRoot({ files, root: `${root}/` }, "/hello.txt");
    assert.ok(slashed.kind === "file" && slashed.path === `${root}/hello.txt`);
  });
});

test("resolveBelowRoot looks at a way without symlinks once, and not at the root", async () => {
  await withDirectory(({ root, symlinkedRoot }) => {
    const looks: string[] = [];
    const counting: FileLookup = {
      stat: (path) => (looks.push(`stat ${path}`), files.stat(path)),
      realPath: (path) => (looks.push(`realPath ${path}`), files.realPath(path)),
    };
    assert.equal(outcome(counting, root, "/hello.txt"), "file");
    assert.deepEqual(looks, [`realPath ${root}/hello.txt`, `stat ${root}/hello.txt`]);
    assert.equal(outcome(counting, symlinkedRoot, "/"), "directory");
    assert.equal(outcome(counting, symlinkedRoot, "/docs"), "directory");
  });
});

test("resolveBelowRoot looks no further where the memory of ways has found nothing", () => {
  const nothing: FileLookup = {
    locate: () => undefined,
    realPath: () => assert.fail("looked again"),
    stat: () => assert.fail("looked again"),
  };
  assert.equal(outcome(nothing, "/www", "/a.txt"), "missing");
});

test("resolveBelowRoot finds nothing below a root that is gone by the time it is looked at", () => {
  const gone: FileLookup = {
    realPath: (path) => path === "/www" ? undefined : "/elsewhere/a.txt",
    stat: () => ({ kind: "file", size: 1, modifiedMs: 0, changedMs: 0, inode: 0, device: 0 }),
  };
  assert.equal(outcome(gone, "/www", "/a.txt"), "missing");
});

test("resolveBelowRoot takes the top of the file system for a root", async () => {
  await withDirectory(({ root }) => {
    assert.equal(outcome(files, "/", `${root}/hello.txt`), "file");
    assert.equal(outcome(files, "/", "/"), "directory");
  });
});

test("resolveBelowRoot finds no sockets, pipes or devices", () => {
  assert.equal(outcome(files, "/dev", "/null"), "missing");
});

test("resolveBelowRoot asks for no path with a NUL", () => {
  const careless: FileLookup = {
    realPath: (path) => path.replace(/\0.*/, ""),
    stat: () => ({ kind: "file", size: 1, modifiedMs: 0, changedMs: 0, inode: 0, device: 0 }),
  };
  assert.equal(outcome(careless, "/www", "/a.php"), "file");
  assert.equal(outcome(careless, "/www", "/a.php\0.txt"), "missing");
});

test("resolveBelowRoot finds no file by another name that Windows knows for it", () => {
  const windows: FileLookup = {
    realPath: (path) => path.replaceAll("/", "\\"),
    stat: () => ({ kind: "file", size: 1, modifiedMs: 0, changedMs: 0, inode: 0, device: 0 }),
  };
  const root = "C:\\www";
  assert.equal(outcome(windows, root, "/docs/a.txt"), "file");
  const aliases = [
    ...[
      "/a.php::$DATA",
      "/a.php.",
      "/a.php ",
      "/docs./a",
      "/docs\\a",
      "/a\\.git\\config",
      "/GIT~1/x",
    ],
    "/C:/secret",
  ];
  for (const path of aliases) assert.equal(outcome(windows, root, path), "missing", path);
  const elsewhere: FileLookup = {
    ...windows,
    realPath: (path) => path === root ? root : "C:\\www-other\\a",
  };
  assert.equal(outcome(elsewhere, root, "/a"), "outside_root");
});

test("resolveBelowRoot finds nothing outside the root for any target, however encoded", async () => {
  const piece = fc.oneof(
    fc.constantFrom("/", "/", "%2f", "//", "/../", "..%2F", "%2e%2e/", "/./", "\\", "%5c", "%252f"),
    fc.constantFrom("www", "www-other", "secret.txt", "outside", "index.html", ".git", ".env"),
    fc.constantFrom("link-out.txt", "link-up.txt", "link-folder", "link-docs", "docs", "config"),
    fc.constantFrom(
      ".well-known",
      "%2egit",
      "hello.txt",
      "link-sibling",
      "file.txt",
      "%00",
      "a.php",
    ),
  );
  const targets = fc.array(piece, { maxLength: 8 }).map((parts) => `/${parts.join("")}`);
  await withDirectory(({ root }) => {
    fc.assert(
      fc.property(targets, (raw) => {
        const target = parseTarget(`http://h${raw}`);
        if (target.kind === "refused") return;
        const found = resolveBelowRoot({ files, root }, target.path);
        if (found.kind !== "file" && found.kind !== "directory") return;
        assert.ok(found.realPath === root || found.realPath.startsWith(`${root}/`), raw);
        assert.ok(!/\/\.(?!well-known)/.test(found.path.slice(root.length)), raw);
      }),
      { numRuns: 3000 },
    );
  });
});
