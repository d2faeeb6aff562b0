/** docs/library.md names every export of the library, and names nothing that is not exported. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readText } from "./pages.ts";

const page = readText("docs/library.md");

/** Names of values and types, under the names by which they are exported. */
function exportsOf(source: string): string[] {
  const code = source.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "");
  return [...code.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, names]) => names!.split(","))
    .map((name) => name.replace(/^.* as /s, "").replace(/\btype /, "").trim())
    .filter((name) => name !== "");
}

const names = exportsOf(readText("mod.ts"));

test("docs/library.md names every export of mod.ts", () => {
  assert.ok(names.length > 35, `only ${names.length} exports`);
  const table = page.slice(page.indexOf("## Every export"));
  for (const name of names) {
    assert.ok(table.includes(`\`${name}\``), `"${name}" is missing in "Every export"`);
  }
});

test("The table of docs/library.md names nothing that is not exported", () => {
  const rows = page.slice(page.indexOf("## Every export")).split("\n").slice(4);
  const named = rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)]);
  assert.ok(named.length >= names.length);
  for (const [, name] of named) assert.ok(names.includes(name!), `"${name}" is not exported`);
});

test("What is exported under another name counts by that name", () => {
  assert.deepEqual(exportsOf("export type { A as B, type C } from './x.ts'; // export { D }"), [
    "B",
    "C",
  ]);
});
