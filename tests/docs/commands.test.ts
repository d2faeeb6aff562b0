/**
 * Commands in the pages exist as they are written: afcgi's commands with their flags, scripts of
 * npm, and the files that they name. What they do is tried by `tests/e2e/documented_commands.test.ts`.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "../cli/run_program.ts";
import { allPages, blocksOf, readText } from "./pages.ts";

const ROOT = new URL("../../", import.meta.url);

interface Line {
  readonly page: string;
  readonly text: string;
}

/** Lines of shell in the pages, without prompts and comments. */
function shellLines(): Line[] {
  return allPages().flatMap((page) => {
    const sh = blocksOf(page, "sh").flatMap((block) => block.split("\n"));
    const console = blocksOf(page, "console").flatMap((block) => block.split("\n"))
      .filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
    return [...sh, ...console].map((line) => line.replace(/(?:^|\s)#\s.*$/, "").trim())
      .filter((line) => line !== "").map((text) => ({ page: page.name, text }));
  });
}

const lines = shellLines();

/** Words of a simple command; quotes are taken off. */
function words(text: string): string[] {
  return (text.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^['"]|['"]$/g, ""));
}

/** `afcgi …` in each line, up to a pipe, a redirection or its end. */
const invocations = lines.flatMap(({ page, text }) =>
  text.split(/\s[|>&]|\s2>/).flatMap((part) => {
    const all = words(part);
    const at = all.findIndex((word) => /^(?:dist\/|\/usr\/local\/bin\/)?afcgi$/.test(word));
    return at < 0 || /^(?:docker|install)$/.test(all[0]!)
      ? []
      : [{ page, text, args: all.slice(at + 1) }];
  })
);

test("Every command of afcgi in the pages exists, with every flag that it is given", async () => {
  assert.ok(invocations.length > 30, `only ${invocations.length} invocations`);
  const helps = new Map<string, string>();
  for (const { page, text, args } of invocations) {
    const [name = ""] = args;
    if (!helps.has(name)) helps.set(name, (await runCommand(`${name} --help`)).stdout);
    const help = helps.get(name)!;
    assert.match(help, new RegExp(`^Usage: afcgi ${name}`), `${page}: ${text}`);
    for (const flag of args.slice(1).filter((word) => /^-{1,2}[a-zA-Z]/.test(word))) {
      const known = new RegExp(`^\\s+(?:-\\w, )?${flag.replace(/=.*/, "")}\\b`, "m");
      const short = new RegExp(`^\\s+${flag},`, "m");
      assert.ok(known.test(help) || short.test(help), `${page}: "${flag}" of "${text}"`);
    }
  }
});

test("Every script of npm in the pages exists, and every file that it is given", () => {
  const { scripts } = JSON.parse(readText("package.json"));
  let count = 0;
  for (const { page, text } of lines) {
    const script = /\bnpm (?:run )?(test|demo|build\S*|bench|docs|simulate|mutate|format)\b/.exec(
      text,
    );
    if (script) {
      count++;
      assert.ok(script[1]! in scripts, `${page}: ${text}`);
    }
    for (const [path] of text.matchAll(/\b(?:tests|examples|src|bench)\/[\w./-]+/g)) {
      assert.ok(existsSync(fileURLToPath(new URL(path, ROOT))), `${page}: ${text}`);
    }
  }
  assert.ok(count > 8);
});

test("docs/configuration.md has every flag of serve with its variable", async () => {
  const page = readText("docs/configuration.md");
  const help = (await runCommand("serve --help")).stdout;
  const variables = [...help.matchAll(/\[(AFCGI_\w+)\]/g)].map(([, name]) => name!);
  assert.ok(variables.length > 12);
  for (const name of variables) {
    assert.match(page, new RegExp(`^\\| .*--.*\`${name}\``, "m"), `"${name}" is missing`);
  }
});
