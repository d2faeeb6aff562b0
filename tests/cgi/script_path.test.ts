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

test("cutScriptPath takes the endings of a route, in any case where it says so, or the whole path", () => {
  const any = { texts: [".php", ".cgi"], anyCase: true };
  const exact = { texts: [".php", ".cgi"], anyCase: false };
  const whole = { ...exact, whole: true };
  const cases: [path: string, endings: typeof whole | typeof any, cut: string[] | undefined][] = [
    ["/a.cgi/b.php", exact, ["/a.cgi", "/b.php"]],
    ["/a.Cgi/b.php", exact, ["/a.Cgi/b.php", ""]],
    ["/a.Cgi/b.php", any, ["/a.Cgi", "/b.php"]],
    ["/a.PHP", any, ["/a.PHP", ""]],
    ["/a.pHp/x", any, ["/a.pHp", "/x"]],
    // The letters beside A and Z, and those that only Unicode holds for the same.
    ["/a.@gi/b", { texts: [".`gi"], anyCase: true }, undefined],
    ["/a.[gi/b", { texts: [".{gi"], anyCase: true }, undefined],
    ["/a.Z/b", { texts: [".z"], anyCase: true }, ["/a.Z", "/b"]],
    ["/a.A/b", { texts: [".a"], anyCase: true }, ["/a.A", "/b"]],
    ["/a.\u212a/b", { texts: [".k"], anyCase: true }, undefined],
    ["/a.cgi/b.php", whole, ["/a.cgi/b.php", ""]],
    ["/a.cgi/b", whole, undefined],
    ["/a.php/", whole, undefined],
    [".php", exact, [".php", ""]],
    ["/a", { texts: [], anyCase: true }, undefined],
  ];
  for (const [path, endings, cut] of cases) {
    const [script, pathInfo] = cut ?? [];
    assert.deepEqual(
      cutScriptPath(path, 0, endings),
      cut === undefined ? undefined : { script, pathInfo },
      path,
    );
  }
});

test("cutScriptPath looks behind a place alone: an ending that begins before it is none", () => {
  assert.deepEqual(cutScriptPath("/a.php/b.php/c", 6), { script: "/a.php/b.php", pathInfo: "/c" });
  assert.deepEqual(cutScriptPath("/a.php/b.php/c", 8), { script: "/a.php/b.php", pathInfo: "/c" });
  assert.equal(cutScriptPath("/a.php/b.php/c", 9), undefined);
  assert.equal(cutScriptPath("/a.php", 3), undefined);
  assert.deepEqual(cutScriptPath("/a.php", 2), { script: "/a.php", pathInfo: "" });
  assert.deepEqual(cutScriptPath("/a.PHP", 2, { texts: [".php"], anyCase: true }), {
    script: "/a.PHP",
    pathInfo: "",
  });
  assert.equal(cutScriptPath("/a.PHP", 3, { texts: [".php"], anyCase: true }), undefined);
});
