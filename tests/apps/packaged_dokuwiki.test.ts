/**
 * DokuWiki where Debian's package has it, by the configuration of `docs/php.md`: parts of it are in
 * /var/lib, behind links out of the root. PHP is asked for no page, for it would write there.
 */
import assert from "node:assert/strict";
import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allPages, blocksOf } from "../docs/pages.ts";
import { Afcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const ROOT = "/usr/share/dokuwiki";

// Only root may start php-fpm as another user, as the page does.
const skip = missingPeer("dokuwiki") || (process.getuid?.() !== 0 && "takes root");

let afcgi: Afcgi | undefined;

before(async () => {
  if (skip) return;
  const block = allPages().filter(({ name }) => name === "docs/php.md")
    .flatMap((page) => blocksOf(page, "yaml")).find((text) => text.includes(`root: ${ROOT}\n`));
  const config = join(temporaryDirectory(), "afcgi.yaml");
  writeFileSync(config, `listen: ["127.0.0.1:0"]\n${block}`);
  afcgi = await Afcgi.start({ args: ["--config", config] });
});

after(() => afcgi?.stop());

test(
  "Files that a package keeps behind symlinks out of the root are served",
  { skip },
  async () => {
    for (const path of ["/lib/tpl/dokuwiki/images/logo.png", "/lib/plugins/acl/style.css"]) {
      assert.ok(realpathSync(ROOT + path).startsWith("/var/lib/dokuwiki/lib/"), path);
      const response = await httpRequest(afcgi!.port, { target: path });
      assert.equal(response.status, 200, path);
      assert.ok(response.body.length > 0, path);
    }
  },
);

test("Scripts behind these links do not run, and nothing else is shown", { skip }, async () => {
  const { port } = afcgi!;
  for (const target of ["/lib/plugins/acl/admin.php", "/lib/tpl/dokuwiki/main.php/x"]) {
    assert.equal((await httpRequest(port, { target })).status, 403, target);
    const path = target.replace(/\/x$/, "");
    const line = await afcgi!.waitForAccess((entry) => String(entry["path"]).startsWith(path));
    assert.equal(line["code"], "outside_root");
  }
  for (
    const target of ["/.htaccess", "/inc/init.php", "/vendor/autoload.php", "/bin/wantedpages.php"]
  ) {
    assert.equal((await httpRequest(port, { target })).status, 403, target);
  }
});
