import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { cutScriptPath, findScript, isScriptName } from "../../src/cgi/script_path.ts";

type Kind = "file" | "directory" | "missing";

/** Looks into a table of kinds, and writes down what it was asked for. */
function looker(kinds: Readonly<Record<string, Kind>>, asked: string[] = []) {
  return (script: string): { kind: Kind } => {
    asked.push(script);
    return { kind: kinds[script] ?? "missing" };
  };
}

test("cutScriptPath cuts behind the first name that ends with .php", () => {
  const cases: [path: string, script: string, pathInfo: string][] = [
    ["/index.php", "/index.php", ""],
    ["/index.php/", "/index.php", "/"],
    ["/a/index.php/b/c", "/a/index.php", "/b/c"],
    ["/a.php/b.php", "/a.php", "/b.php"],
    ["/a.phpx/b.php/c", "/a.phpx/b.php", "/c"],
    ["/a.php.php", "/a.php.php", ""],
    ["/a.php\n/x", "", ""],
    ["/a.php%0a", "", ""],
    ["/a.PHP", "", ""],
    ["/a.phtml", "", ""],
    ["/", "", ""],
    ["/php", "", ""],
    ["/a.php ", "", ""],
    ["/\n.php/x\ny", "/\n.php", "/x\ny"],
  ];
  for (const [path, script, pathInfo] of cases) {
    assert.deepEqual(cutScriptPath(path), script === "" ? undefined : { script, pathInfo }, path);
  }
});

test("cutScriptPath gives back the whole path in two parts", () => {
  const path = fc.array(fc.constantFrom("/", ".php", "a", ".", "\n", ".ph"), { maxLength: 10 });
  fc.assert(fc.property(path, (parts) => {
    const whole = parts.join("");
    const cut = cutScriptPath(whole);
    if (cut === undefined) return;
    assert.equal(cut.script + cut.pathInfo, whole);
    assert.ok(cut.script.endsWith(".php"));
    assert.ok(cut.pathInfo === "" || cut.pathInfo.startsWith("/"));
  }));
});

test("findScript finds the first script that is a file", () => {
  assert.deepEqual(findScript("/a.php/b.php/c", looker({ "/a.php": "file" })), {
    script: "/a.php",
    pathInfo: "/b.php/c",
    found: { kind: "file" },
  });
});

test("findScript looks below a directory whose name ends with .php", () => {
  const look = looker({ "/a.php": "directory", "/a.php/b.php": "file" });
  assert.deepEqual(findScript("/a.php/b.php/c", look), {
    script: "/a.php/b.php",
    pathInfo: "/c",
    found: { kind: "file" },
  });
});

test("findScript says what is missing where a path names a script that is not there", () => {
  assert.deepEqual(findScript("/upload/image.jpg/x.php", looker({ "/upload/image.jpg": "file" })), {
    script: "/upload/image.jpg/x.php",
    pathInfo: "",
    found: { kind: "missing" },
  });
});

test("findScript finds nothing where a path names no script, or a directory alone", () => {
  assert.equal(findScript("/a/b", looker({})), undefined);
  assert.equal(findScript("/a.php", looker({ "/a.php": "directory" })), undefined);
});

test("findScript looks once however many names a path has", () => {
  const asked: string[] = [];
  findScript("/x.php".repeat(2000), looker({}, asked));
  assert.deepEqual(asked, ["/x.php"]);
});

test("isScriptName knows what a PHP server would run, in any case", () => {
  for (const name of ["/a.php", "/a.PHP", "/a.pHp5", "/a.phtml", "/a.phar", "/a.phps", "/a.pht"]) {
    assert.equal(isScriptName(name), true, name);
  }
  for (const name of ["/a.html", "/php", "/a.php.txt", "/a.php/b", "/aphp", "/"]) {
    assert.equal(isScriptName(name), false, name);
  }
});
