import assert from "node:assert/strict";
import { test } from "node:test";
import { directoryOf, resolvePath } from "../../src/config/paths.ts";

test("A path is made absolute and without dots", () => {
  assert.equal(resolvePath("/etc/afcgi", "www"), "/etc/afcgi/www");
  assert.equal(resolvePath("/etc/afcgi", "./a//b/../c/"), "/etc/afcgi/a/c");
  assert.equal(resolvePath("/etc/afcgi", "/srv/./www"), "/srv/www");
  assert.equal(resolvePath("/etc", "../../../x"), "/x");
  assert.equal(resolvePath("/", "."), "/");
  assert.equal(resolvePath("C:\\afcgi", "www\\public"), "C:/afcgi/www/public");
  assert.equal(resolvePath("/etc", "D:\\www"), "D:/www");
});

test("A file's directory is the path without its last part", () => {
  assert.equal(directoryOf("/etc/afcgi/afcgi.yaml"), "/etc/afcgi");
  assert.equal(directoryOf("/afcgi.yaml"), "/");
});
