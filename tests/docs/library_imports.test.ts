/**
 * What a program loads that imports the library: the gateway's own parts, its file server and its
 * command line, are no part of it. Follows the imports of values as bundlers do; those of types
 * are gone before a program runs.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ENTRY = new URL("../../mod.ts", import.meta.url);
const ROOT = new URL("../../", import.meta.url);

/** `import … from "x"` and `export … from "x"`, but for those of types alone. */
const IMPORT = /^(?:import|export) (?!type\b)(?:[^"';]*? from )?"([^"]+)";/gm;

/** Directories of src/ that make up the gateway around the library. */
const GATEWAY_ALONE = ["app", "cli", "compression", "config", "gemini", "static"];

test("A program that imports mod.ts loads no file server, no command line and no package", () => {
  const { files, packages } = loadedBy(ENTRY);
  assert.ok(files.has("src/responder/serve_fastcgi.ts"));
  assert.ok(files.has("src/http/fastcgi_handler.ts"));
  const more = [...files].filter((path) => GATEWAY_ALONE.includes(path.split("/")[1]!));
  assert.deepEqual(more, []);
  assert.deepEqual([...packages], []);
});

/** Files below src/ and packages, but for those of the runtimes. */
function loadedBy(entry: URL): { files: Set<string>; packages: Set<string> } {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const left = [entry];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (seen.has(file.href)) continue;
    seen.add(file.href);
    for (const [, from] of readFileSync(file, "utf8").matchAll(IMPORT)) {
      if (from!.startsWith(".")) left.push(new URL(from!, file));
      else if (!from!.startsWith("node:")) packages.add(from!);
    }
  }
  seen.delete(entry.href);
  return { files: new Set([...seen].map((href) => href.slice(ROOT.href.length))), packages };
}
