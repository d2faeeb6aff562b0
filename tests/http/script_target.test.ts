/** What `strip`, `script_name`, `split_path` and `index` make of a path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileScriptTarget, isBelowFile } from "../../src/http/script_target.ts";
import { stripPath } from "../../src/http/strip_path.ts";

type Options = Parameters<typeof compileScriptTarget>[0];

/** `SCRIPT_NAME PATH_INFO` of each path. */
function targets(options: Partial<Options>, paths: readonly string[]): string[] {
  const target = compileScriptTarget({ scriptName: "", ...options }, undefined);
  return paths.map((path) => `${target(path).scriptName} ${target(path).pathInfo}`);
}

test("strip takes whole segments off the beginning, and leaves a slash", () => {
  const seen = ["/a/b/c", "/a/b", "/a/b/", "/a/bc", "/other"].map((path) =>
    stripPath("/a/b", path)
  );
  assert.deepEqual(seen, ["/c", "/", "/", "/a/bc", "/other"]);
});

test("script_name is looked for behind what is stripped", () => {
  const options = { strip: "/v1", scriptName: "/api" };
  assert.deepEqual(targets(options, ["/v1/api/x", "/v1/api", "/v1/x"]), [
    "/api /x",
    "/api ",
    " /x",
  ]);
});

test("split_path cuts at the first ending that ends a segment", () => {
  const paths = ["/a.cgi", "/a.cgi/b", "/a.cgi/b.cgi/c", "/a.cgix/b.pl/c", "/a", "/x.PL/y"];
  assert.deepEqual(targets({ splitPath: [".cgi", ".pl"] }, paths), [
    "/a.cgi ",
    "/a.cgi /b",
    "/a.cgi /b.cgi/c",
    "/a.cgix/b.pl /c",
    " /a",
    "/x.PL /y",
  ]);
});

test("split_path takes no letter of Unicode for one of ASCII", () => {
  // U+017F lower-cases and U+212A upper-cases to ASCII's s and k.
  const paths = ["/x.ſh/a", "/x.\u212amk/a", "/x.pſl/a", "/x.KMK/a", "/x.SH/a"];
  assert.deepEqual(targets({ splitPath: [".sh", ".kmk", ".psl"] }, paths), [
    " /x.ſh/a",
    " /x.\u212amk/a",
    " /x.pſl/a",
    "/x.KMK /a",
    "/x.SH /a",
  ]);
});

test("index stands for a directory, and is its script", () => {
  assert.deepEqual(targets({ index: "index.cgi" }, ["/", "/a/", "/a"]), [
    "/index.cgi ",
    "/a/index.cgi ",
    " /a",
  ]);
  assert.deepEqual(targets({ index: "main", splitPath: [".cgi"] }, ["/a/", "/a.cgi/"]), [
    "/a/main ",
    "/a.cgi /",
  ]);
});

test("SCRIPT_FILENAME is the root and the script, without what follows it", () => {
  const target = compileScriptTarget(
    { scriptName: "", strip: "/cgi-bin", splitPath: [".cgi"] },
    "/srv",
  );
  assert.equal(target("/cgi-bin/a.cgi/b").scriptFilename, "/srv/a.cgi");
  assert.equal(target("/cgi-bin/b").scriptFilename, "/srv/b");
});

test("SCRIPT_FILENAME of a script_name is that script, whatever follows it", () => {
  const target = compileScriptTarget({ scriptName: "/bin/a.cgi" }, "/srv");
  for (const path of ["/bin/a.cgi", "/bin/a.cgi/", "/bin/a.cgi/b/c.php"]) {
    assert.equal(target(path).scriptFilename, "/srv/bin/a.cgi");
  }
  assert.equal(target("/bin/a.cgix/b").scriptFilename, "/srv/bin/a.cgix/b");
  const stripped = compileScriptTarget({ scriptName: "/a.cgi", strip: "/v1" }, "/srv");
  assert.equal(stripped("/v1/a.cgi/x").scriptFilename, "/srv/a.cgi");
});

test("isBelowFile goes back to what is there, as PHP does", () => {
  const looked: string[] = [];
  const kinds: Record<string, string> = {
    "/srv/v1.2": "directory",
    "/srv/v1.2/a": "directory",
    "/srv/cat.gif": "file",
    "/srv/v1.2/a/avatar": "file",
  };
  const files = {
    stat: (path: string) => {
      looked.push(path);
      return kinds[path] && { kind: kinds[path], size: 0, modifiedMs: 0 } as never;
    },
  } as Parameters<typeof isBelowFile>[0];
  const isBelow = (script: string) => isBelowFile(files, "/srv", script);
  assert.ok(isBelow("/cat.gif/x.php"));
  assert.ok(isBelow("/cat.gif/a/b/x.php"));
  assert.ok(isBelow("/v1.2/a/avatar/x.php"));
  assert.ok(!isBelow("/v1.2/none/x.php"));
  assert.ok(!isBelow("/none/x.php"));
  looked.length = 0;
  assert.ok(!isBelow("/v1.2/a/x.php"));
  assert.ok(!isBelow("/x.php"));
  assert.ok(!isBelow(""));
  assert.deepEqual(looked, ["/srv/v1.2/a"]);
});
