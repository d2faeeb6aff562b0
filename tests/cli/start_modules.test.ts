/**
 * What a start loads: the modules that the program, a thread and `serve` import in so many words, and
 * what those import. What only some commands or few configurations need is loaded when it is asked for.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../src/cli/commands.ts";

const SOURCES = new URL("../../src/", import.meta.url);
const IMPORT = /^(?:import|export)\s+(?!type\b)(?:([^;"]*?)\s*from\s+)?"([^"]+)";?$/gm;

/** All that a module imports when it is loaded, by URL or, of a package, by name. */
function importsOf(module: string): readonly string[] {
  if (!module.startsWith(SOURCES.href)) return [];
  const text = readFileSync(new URL(module), "utf8");
  return [...text.matchAll(IMPORT)].flatMap(([, names = "", specifier]) => {
    const areTypes = /^\{/.test(names) &&
      names.replace(/[{}]/g, "").split(",").every((name) => /^\s*(?:type\s|$)/.test(name));
    if (areTypes) return [];
    return [specifier!.startsWith(".") ? new URL(specifier!, module).href : specifier!];
  });
}

function loadedWith(...entries: readonly string[]): readonly string[] {
  const modules = new Set(entries.map((entry) => new URL(entry, SOURCES).href));
  for (const module of modules) for (const one of importsOf(module)) modules.add(one);
  return [...modules].map((module) => module.replace(SOURCES.href, ""));
}

/** Packages, and directories of ours, that no start needs. */
const LATE: readonly RegExp[] = [
  /^(?:yaml|jose|bcryptjs|apache-md5|unixcrypt|@valibot\/to-json-schema)$/,
  /^(?:nginx|caddy|apache|import|responder)\//,
  /^acme\/(?!options\.ts$)/,
];

const STARTS: readonly (readonly [name: string, entries: readonly string[]])[] = [
  ["The program", ["main.ts"]],
  ["serve", ["main.ts", "cli/serve.ts"]],
  ["check", ["main.ts", "cli/check.ts"]],
  ["A thread", ["thread.ts"]],
];

for (const [name, entries] of STARTS) {
  test(`${name} loads nothing that only others need`, () => {
    const modules = loadedWith(...entries);
    assert.ok(modules.length > 20, `${modules.length} modules`);
    const late = modules.filter((module) => LATE.some((pattern) => pattern.test(module)));
    assert.deepEqual(late, []);
  });
}

test("The program loads no command before it knows which", () => {
  const files = COMMANDS.map(({ name }) => `cli/${name.replace("-", "_")}.ts`);
  // Its line stands in the help as well.
  const expected = ["cli/version.ts"];
  assert.deepEqual(loadedWith("main.ts").filter((module) => files.includes(module)), expected);
});

test("A command that is named is loaded under its name", async () => {
  for (const { name, load } of COMMANDS) {
    const { declare, run } = await load();
    assert.deepEqual([typeof declare, typeof run], ["function", "function"], name);
  }
});
