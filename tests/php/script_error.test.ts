/** Why php-fpm did not run a script, as far as it can be seen from here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isScriptError, scriptError } from "../../src/php/script_error.ts";
import { MemoryFiles } from "../support/memory/memory.ts";

const SCRIPT = "/srv/www/index.php";
const SENT = `php-fpm did not run SCRIPT_FILENAME "${SCRIPT}"`;

function filesWith(changes: (files: MemoryFiles) => void = () => {}): MemoryFiles {
  const files = new MemoryFiles();
  files.write(SCRIPT, "<?php");
  files.write("/srv/www/page.html", "page");
  changes(files);
  return files;
}

const ERRORS = [
  {
    says: "No SCRIPT_FILENAME at all",
    script: undefined,
    why: "php-fpm was sent no SCRIPT_FILENAME (add root to the site, or the parameter)",
  },
  {
    says: "A relative SCRIPT_FILENAME",
    script: "index.php",
    why: 'php-fpm did not run SCRIPT_FILENAME "index.php": it is no absolute path',
  },
  {
    says: "A script that is not here either",
    script: "/srv/www/other.php",
    why:
      'php-fpm did not run SCRIPT_FILENAME "/srv/www/other.php": it does not exist here either ' +
      "(send the path of a script that is there)",
  },
  {
    says: "A directory on the way that is not here either",
    script: "/srv/old/www/index.php",
    why:
      'php-fpm did not run SCRIPT_FILENAME "/srv/old/www/index.php": "/srv/old" does not exist ' +
      "here either (send the path of a script that is there)",
  },
  {
    says: "A directory in the script's place",
    script: "/srv/www",
    why: 'php-fpm did not run SCRIPT_FILENAME "/srv/www": it is no file',
  },
  {
    says: "A script that others may not read",
    changes: (files: MemoryFiles) => files.chmod(SCRIPT, 0o600),
    why: `${SENT}: it exists here, but only some users may read it (mode 0600, user 0, group 0); ` +
      "the pool's user must be one of them",
  },
  {
    says: "A directory that others may not enter",
    changes: (files: MemoryFiles) => files.chmod("/srv", 0o750),
    why: `${SENT}: it exists here, but only some users may enter "/srv" (mode 0750, user 0, ` +
      "group 0); the pool's user must be one of them",
  },
  {
    says: "A file that a pool does not run by default",
    script: "/srv/www/page.html",
    why: 'php-fpm did not run SCRIPT_FILENAME "/srv/www/page.html": it exists here, but a pool ' +
      "runs only what security.limit_extensions names (.php and .phar by default)",
  },
  {
    says: "A script that is here and open to all",
    why: `${SENT}: it exists here and every user may read it, so php-fpm sees other files ` +
      "(another container, a chroot): send the path as php-fpm has it",
  },
];

test("A PATH_TRANSLATED of the site's own is told, and no other container is looked for", () => {
  const why = scriptError(filesWith(), SCRIPT, "/srv/www/admin.php");
  assert.ok(
    why.startsWith(`${SENT}: it was sent PATH_TRANSLATED "/srv/www/admin.php" as well`),
    why,
  );
  assert.ok(!why.includes("container"), why);
  assert.ok(scriptError(filesWith(), SCRIPT, SCRIPT).includes("container"));
});

for (const { says, why, changes, ...others } of ERRORS) {
  test(`${says} is told as the reason`, () => {
    const script = "script" in others ? others.script : SCRIPT;
    assert.equal(scriptError(filesWith(changes), script), why);
  });
}

test("Only php-fpm's own words with 403 and 404 are its response to a script that it did not run", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  for (const words of ["File not found.\n", "Access denied.\n", "No input file specified.\n"]) {
    assert.ok(isScriptError(404, bytes(words)));
    assert.ok(isScriptError(403, bytes(words)));
    assert.ok(!isScriptError(200, bytes(words)));
  }
  assert.ok(!isScriptError(404, bytes("File not found.\nby the application")));
  assert.ok(!isScriptError(404, null));
});
