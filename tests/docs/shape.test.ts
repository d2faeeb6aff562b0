/**
 * The shape of the documentation: every page begins with what its reader can do afterwards, every
 * page is in the index, and every code and status of the program is explained.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { allPages, readText } from "./pages.ts";

const pages = allPages().filter(({ name }) => name.startsWith("docs/"));
const FIRST = /^# .+\n\n(?:After|With) this page you (?:can|know)\s[^.!?]*(?:\.[\w.]+[^.!?]*)*\./;

for (const { name, text } of [...pages, page("CONTRIBUTING.md")]) {
  test(`${name} says first what its reader can do after it`, () => {
    assert.match(text, FIRST, 'Begin with "After this page you can …"');
  });
}

test("docs/README.md is an index of every page", () => {
  const index = readText("docs/README.md");
  for (const { name } of pages) {
    const file = name.slice("docs/".length);
    if (file === "README.md") continue;
    assert.ok(index.includes(`(${file})`), `docs/README.md does not name ${file}`);
  }
  assert.match(readText("README.md"), /\(docs\/README\.md\)/);
});

/** What is written into the log or a body as `code`, by file. */
function codesOf(path: string, source: string): string[] {
  const values = [...source.matchAll(/\bcode\??(?::| =)\s*([^,;}\n]+)/g)].map(([, text]) => text!);
  const types = [...source.matchAll(/type \w*(?:Code|Trait)\s*=([^;]*);/g)].map(([, text]) =>
    text!
  );
  const found = [...values, ...types].flatMap((text) =>
    [...text.matchAll(/"([a-z]+(?:_[a-z]+)+|forbidden|unauthorized|overloaded|draining)"/g)]
      .map(([, code]) => code!)
  );
  return path.startsWith("src/gemini/") ? [] : found;
}

/** Directories whose codes are those of the library, of the wire, or of another program. */
const ELSEWHERE = /^src\/(?:protocol|import|nginx|caddy|apache|cli|config|responder)\//;

function sources(): { path: string; source: string }[] {
  const root = fileURLToPath(new URL("../../src/", import.meta.url));
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts") && !ELSEWHERE.test(`src/${name}`))
    .map((name) => ({ path: `src/${name}`, source: readFileSync(`${root}${name}`, "utf8") }));
}

const troubleshooting = readText("docs/troubleshooting.md");

/** Codes of errors that are the cause of another code. */
const INNER = new Set<string>([]);

test("docs/troubleshooting.md explains every code of the log", () => {
  const codes = new Map(
    sources().flatMap(({ path, source }) => codesOf(path, source).map((code) => [code, path])),
  );
  assert.ok(codes.size > 70, `only ${codes.size} codes`);
  const missing = [...codes].filter(([code]) =>
    !INNER.has(code) && !new RegExp(`^\\|[^\\n]*\`${code}\``, "m").test(troubleshooting)
  );
  assert.deepEqual(missing, [], "Add a row for each to docs/troubleshooting.md");
});

test("docs/troubleshooting.md explains every status that afcgi gives itself", () => {
  const statuses = new Set(
    sources().filter(({ path }) => /^src\/(?:http|http1|static)\//.test(path))
      .flatMap(({ source }) => [...source.matchAll(/(?::|\() ?([45]\d\d)\b/g)])
      .map(([, status]) => status!).filter((status) => status !== "443"),
  );
  assert.ok(statuses.size > 15);
  for (const status of statuses) {
    assert.match(troubleshooting, new RegExp(`^\\| ${status} `, "m"), `There is no row ${status}`);
  }
});

function page(name: string) {
  return { name, text: readText(name) };
}
