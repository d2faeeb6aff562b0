import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { isScriptName } from "../../src/cgi/script_path.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import { listDirectory, LISTED_ENTRIES_MAX, readListingOrder } from "../../src/static/listing.ts";
import { serveStatic } from "../../src/static/static_files.ts";
import { type Directory, fetched, files, withDirectory } from "./directory.ts";

async function list(directory: Directory, path: string, query = "", method = "GET") {
  const response = await fetched(serveStatic(
    { files, root: directory.root, index: ["index.html"], never: isScriptName, listing: true },
    new Request("http://h/", { method }),
    { path, query },
  ));
  assert.ok(response instanceof Response);
  const page = await response.text();
  const names = [...page.matchAll(/<tr><td><a href="([^"]*)">/g)].map(([, link]) => link!);
  return { response, page, names };
}

/** A directory `/list/` of three files and a directory. */
function fill(directory: Directory): void {
  const base = join(directory.root, "list");
  mkdirSync(join(base, "zoo"), { recursive: true });
  const sizes = { "b.txt": 1, "a.txt": 3000, "c.txt": 20 };
  Object.entries(sizes).forEach(([name, size], index) => {
    writeFileSync(join(base, name), "x".repeat(size));
    utimesSync(join(base, name), 1_700_000_000 + index, 1_700_000_000 + index);
  });
}

test("A directory without index is listed, directories first, with size and time", async () => {
  await withDirectory(async (directory) => {
    fill(directory);
    const { response, page, names } = await list(directory, "/list/");
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(response.headers.get("content-security-policy") ?? "", /^default-src 'none'/);
    assert.equal(
      response.headers.get("content-length"),
      String(new TextEncoder().encode(page).length),
    );
    assert.deepEqual(names, ["../", "./zoo/", "./a.txt", "./b.txt", "./c.txt"]);
    assert.match(page, /a\.txt<\/a><td class="size">2\.9 KiB<td class="time">2023-11-14 22:13/);
    assert.match(page, /1 directory, 3 files/);
  });
});

test("A listing is sorted as its query asks", async () => {
  await withDirectory(async (directory) => {
    fill(directory);
    const cases: [query: string, order: string][] = [
      ["sort=name&order=desc", "cba"],
      ["sort=size", "bca"],
      ["sort=size&order=desc", "acb"],
      ["sort=modified&order=asc", "bac"],
      ["sort=__proto__&order=x", "abc"],
    ];
    for (const [query, order] of cases) {
      const { names } = await list(directory, "/list/", query);
      const expected = [...order].map((letter) => `./${letter}.txt`);
      assert.deepEqual(names, ["../", "./zoo/", ...expected], query);
    }
  });
});

test("A listing shows what would be served and nothing else", async () => {
  await withDirectory(async (directory) => {
    const { names } = await list(directory, "/empty/");
    assert.deepEqual(names, ["../"]);
    const all = await fetched(serveStatic(
      { files, root: directory.root, index: [], never: isScriptName, listing: true },
      new Request("http://h/"),
      { path: "/", query: "" },
    ));
    assert.ok(all instanceof Response);
    const page = await all.text();
    for (
      const name of [
        "link-out",
        "link-up",
        "link-folder",
        "link-dead",
        "script.php",
        "source",
        ".env",
      ]
    ) {
      assert.ok(!page.includes(name), name);
    }
    for (const name of ["hello.txt", "link-in.txt", "link-docs/", "docs/"]) {
      assert.ok(page.includes(`./${name}`), name);
    }
    assert.ok(!page.includes("../"), "the root has nothing above it");
  });
});

test("A name in a listing is text and a link, whatever it holds", async () => {
  await withDirectory(async (directory) => {
    const base = join(directory.root, "<b>&'\"");
    mkdirSync(base);
    const odd = ["<script>alert(1)<", "a&b", 'q"uote', "javascript:alert(1)", "?x#y", "100%", "é"];
    for (const name of odd) writeFileSync(join(base, name.replaceAll("/", "")), "");
    const { page, names } = await list(directory, "/<b>&'\"/");
    assert.ok(!page.includes("<script"));
    assert.ok(!page.includes("<b>"));
    assert.deepEqual(
      names.slice(1).map((link) => decodeURIComponent(link.slice(2))).sort(),
      [...odd].sort(),
    );
    for (const link of names) assert.match(link, /^(?:\.\.\/|\.\/[\w%.!~*'()-]+)$/);
  });
});

test("A listing says that there are more entries than it shows", async () => {
  await withDirectory(async (directory) => {
    const base = join(directory.root, "many");
    mkdirSync(base);
    for (let index = 0; index < LISTED_ENTRIES_MAX; index++) {
      writeFileSync(join(base, `${index}`), "");
    }
    const full = await list(directory, "/many/");
    assert.equal(full.names.length, LISTED_ENTRIES_MAX + 1);
    assert.doesNotMatch(full.page, /not shown/);
    writeFileSync(join(base, "more"), "");
    const over = await list(directory, "/many/");
    assert.equal(over.names.length, LISTED_ENTRIES_MAX + 1);
    assert.match(over.page, /more than 1000 names; the others are not shown/);
  });
});

test("A listing answers HEAD without a body, and a directory without its slash with a redirect", async () => {
  await withDirectory(async (directory) => {
    fill(directory);
    const headers = await list(directory, "/list/", "", "HEAD");
    const get = await list(directory, "/list/");
    assert.equal(headers.page, "");
    assert.deepEqual([...headers.response.headers], [...get.response.headers]);
    const { response } = await list(directory, "/list");
    assert.deepEqual([response.status, response.headers.get("location")], [308, "/list/"]);
    assert.match((await list(directory, "/docs/")).page, /<h1>docs<\/h1>/);
  });
});

test("readListingOrder reads nothing else than a column and a direction", () => {
  assert.deepEqual(readListingOrder(""), { column: "name", descending: false });
  assert.deepEqual(readListingOrder("order=desc"), { column: "name", descending: true });
  assert.deepEqual(readListingOrder("%zz&sort"), { column: "name", descending: false });
});

test("An entry that may not be looked at is left out; any other failure is that of the listing", async () => {
  const files = (code: string) => ({
    list: () => Promise.resolve({ names: ["a", "b"], hasMore: false }),
    realPath: (path: string) => path,
    stat: (path: string): FileInfo => {
      if (path.endsWith("b")) throw new FileError("look at", path, code);
      return { kind: "file", size: 7, modifiedMs: 5, changedMs: 0, inode: 0, device: 0 };
    },
  });
  const list = (code: string) =>
    listDirectory(
      { files: files(code), root: "/www", never: () => false },
      "/",
      readListingOrder(""),
    );
  const entries = [{ name: "a", isDirectory: false, size: 7, modifiedMs: 5 }];
  assert.deepEqual(await list("EACCES"), { entries, hasMore: false });
  await assert.rejects(list("EIO"), FileError);
});

test("A directory has no size of its own, and directories and files are each in the order", async () => {
  const sizes: Readonly<Record<string, number>> = { da: 9, db: 4096, fa: 30, fb: 20, fc: 30 };
  const files = {
    list: () => Promise.resolve({ names: Object.keys(sizes).reverse(), hasMore: false }),
    realPath: (path: string) => path,
    stat: (path: string): FileInfo => {
      const name = path.slice("/www/".length);
      const kind = name.startsWith("d") ? "directory" : "file";
      const times = { modifiedMs: sizes[name]!, changedMs: 0 };
      return { kind, size: sizes[name]!, ...times, inode: 0, device: 0 };
    },
  };
  const cases: [query: string, names: string][] = [
    ["", "da db fa fb fc"],
    ["order=desc", "db da fc fb fa"],
    ["sort=size", "da db fb fa fc"],
    ["sort=size&order=desc", "da db fa fc fb"],
    ["sort=modified", "da db fb fa fc"],
    ["sort=modified&order=desc", "db da fa fc fb"],
  ];
  for (const [query, names] of cases) {
    const tree = { files, root: "/www", never: () => false };
    const { entries } = await listDirectory(tree, "/", readListingOrder(query));
    assert.equal(entries.map(({ name }) => name).join(" "), names, query);
    for (const { isDirectory, size } of entries) if (isDirectory) assert.equal(size, 0);
  }
});
