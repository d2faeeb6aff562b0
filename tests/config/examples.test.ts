/** The files in examples/ can be used as they are. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { formatFault } from "../../src/config/fault.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function faultsOf(text: string, source: string): string[] {
  const { faults } = readConfig(text, {
    source,
    folder: "/etc/afcgi",
    files: memoryFiles({
      "/srv/www/public": null,
      "/etc/afcgi/public": null,
      "/etc/afcgi/storage/app/public": null,
      "/etc/afcgi/wordpress": null,
      "/etc/afcgi/dokuwiki": null,
    }),
    readVariable: (name) => ["APP_ENV", "APP_SECRET", "SECRET"].includes(name) ? "prod" : undefined,
    rootGiven: false,
  });
  return faults.map(formatFault);
}

test("Every example has no faults", () => {
  const names = readdirSync(`${ROOT}examples`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".yaml") && !name.endsWith("compose.yaml"));
  assert.ok(names.length >= 2, "the examples are gone");
  for (const name of names) {
    assert.deepEqual(faultsOf(readFileSync(`${ROOT}examples/${name}`, "utf8"), name), []);
  }
});
