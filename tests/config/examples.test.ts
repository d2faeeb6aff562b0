/** The files in examples/ can be used as they are. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the files ask of the environment. */
const VARIABLES = ["APP_ENV", "APP_SECRET", "SECRET", "GIT_PASSWORD", "PWD"];

function errorsOf(text: string, source: string): string[] {
  const { errors: errors } = readConfig(text, {
    source,
    directory: "/etc/afcgi",
    files: memoryFiles({
      "/srv/www/public": null,
      "/etc/afcgi/public": null,
      "/etc/afcgi/storage/app/public": null,
      "/etc/afcgi/wordpress": null,
      "/etc/afcgi/dokuwiki": null,
      "/usr/share/mediawiki": null,
      "/var/lib/mediawiki/extensions": null,
      "/srv/wiki-files": null,
      "/usr/share/icingaweb2/public": null,
      "/usr/share/phpmyadmin": null,
      "/var/lib/roundcube/public_html": null,
      "/usr/share/roundcube/skins": null,
      "/usr/share/roundcube/plugins": null,
      "/usr/share/roundcube/program/js": null,
      "/usr/share/roundcube/program/resources": null,
      "/usr/share/javascript": null,
      "/usr/share/nodejs/bootstrap/dist": null,
    }),
    readVariable: (name) => VARIABLES.includes(name) ? "prod" : undefined,
    rootGiven: false,
  });
  return errors.map(formatError);
}

test("Every example has no errors", () => {
  const names = readdirSync(`${ROOT}examples`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".yaml") && !name.endsWith("compose.yaml"))
    // Kubernetes' own files, with configurations in them (tests/examples/production.test.ts).
    .filter((name) => !name.startsWith("kubernetes"));
  assert.ok(names.length >= 2, "the examples are gone");
  for (const name of names) {
    assert.deepEqual(errorsOf(readFileSync(`${ROOT}examples/${name}`, "utf8"), name), []);
  }
});
