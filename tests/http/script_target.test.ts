/** What `strip`, `script_name`, `split_path` and `index` make of a path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileScriptTarget, stripPath } from "../../src/http/script_target.ts";

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

test("index stands for a folder, and is its script", () => {
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
