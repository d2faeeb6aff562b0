/** Which scripts may run, by their names alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileScriptRule } from "../../src/http/script_rules.ts";

test("Without rules there is nothing to ask", () => {
  assert.equal(compileScriptRule({}), undefined);
});

test("A star is part of one name, two with a slash are any directories", () => {
  const mayRun = compileScriptRule({ scripts: ["/a.b/*.php", "/x/**/run.php", "/*.php"] })!;
  for (const script of ["/a.b/c.php", "/x/run.php", "/x/y/z/run.php", "/any.php"]) {
    assert.equal(mayRun(script), true, script);
  }
  for (const script of ["/a.b/c/d.php", "/aXb/c.php", "/y/run.php", "/x/yrun.php", "/any.php5"]) {
    assert.equal(mayRun(script), false, script);
  }
});

test("A closed directory closes what is below it, and no other", () => {
  const mayRun = compileScriptRule({ scripts: ["/**/*.php"], noScripts: ["/up"] })!;
  assert.deepEqual(["/up/a.php", "/up/b/a.php", "/upper/a.php", "/a.php"].map(mayRun), [
    false,
    false,
    true,
    true,
  ]);
});
