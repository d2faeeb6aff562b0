/** Where a script that is named by its file stands in a URL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { placeScript } from "../../src/cli/script_place.ts";

const PLACES = [
  {
    says:
      "A path that is the end of the file's path names the script, and what is left is the root",
    file: "/srv/www/admin/tool.php",
    path: "/admin/tool.php",
    place: { scriptName: "/admin/tool.php", pathInfo: "", documentRoot: "/srv/www" },
  },
  {
    says: "What is behind the script's name is for the script to read",
    file: "/srv/www/tool.php",
    path: "/tool.php/extra/path",
    place: { scriptName: "/tool.php", pathInfo: "/extra/path", documentRoot: "/srv/www" },
  },
  {
    says: "A path that does not name the file goes to a front controller at the root's top",
    file: "/srv/www/index.php",
    path: "/blog/1",
    place: { scriptName: "/index.php", pathInfo: "", documentRoot: "/srv/www" },
  },
  {
    says: "A name that only ends like the file's is not the script",
    file: "/srv/www/index.php",
    path: "/dex.php",
    place: { scriptName: "/index.php", pathInfo: "", documentRoot: "/srv/www" },
  },
  {
    says: "A script at the top of the file system has the root /",
    file: "/tool.php",
    path: "/tool.php",
    place: { scriptName: "/tool.php", pathInfo: "", documentRoot: "/" },
  },
];

for (const { says, file, path, place } of PLACES) {
  test(says, () => {
    assert.deepEqual(placeScript(file, path), place);
  });
}
