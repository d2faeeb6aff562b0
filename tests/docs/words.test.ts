/**
 * The pages use the field's words, by which people search: what they must not say, and what they say
 * instead. Code and the targets of links are not looked at, nor is the history of CHANGELOG.md.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { type Schema, schemaKeys } from "../config/mini_json_schema.ts";
import { allPages, type Page, readText } from "./pages.ts";

/** What is not said, and what is said instead. */
const WORDS: readonly [not: RegExp, but: string][] = [
  [/\banswer(?:s|ed|ing)?\b/i, "response, respond, reply"],
  [/\bheads?\b/, "headers, header section"],
  [/\bfolders?\b/i, "directory"],
  [/\bfault(?:s|y)?\b/i, "error"],
  [/(?<!in )\bfronts?\b(?! controller)/i, "gateway, web server"],
  [/(?<!relative |hard )\blinks?\b(?!, config)/, "symlink"],
  [/\brest(?:s|ing)\b/, "ejected, idle"],
  [/\b(?:left|leaves?) out\b/i, "optional, default: …, omitted"],
  [/\bblanks?\b/, "space"],
  [/\bwants? quotes\b/, "must be quoted"],
  [/\bWho (?:comes|may|asks|wants)\b/, "the field's name of it"],
  [/\bwho may (?:ask|come in)\b/, "access control"],
  [/\bsaid of it\b/, "response headers"],
  [/\banswers of our own\b/i, "error codes"],
  [/\bgoes? out as\b/, "is sent as"],
  [/\bagain and again\b/, "repeatedly, active health checks"],
  [/\bLongest wait|\bMost (?:of|bytes|requests|connections)\b/, "Timeout, Maximum"],
  [/\bwhat a URL meets\b/i, "how a URL is routed"],
  [/\bsecond door\b/i, "also serves"],
];

/** Where a word means something else, or is somebody else's. */
const ALLOWED: readonly [page: string, phrase: string][] = [
  // What mutation testing puts into a program is called so.
  ["CONTRIBUTING.md", "notice an error"],
  ["CONTRIBUTING.md", "Each error goes by itself"],
  ["CONTRIBUTING.md", "puts errors into a copy"],
  // The word in the list of `try`.
  ["docs/config-reference.md", "script, file, folder and the front controller"],
  ["sites.routes.php.try", "script, file, folder and the front controller"],
];

/** Prose alone: no code, no targets of links. */
function proseOf(text: string): string {
  return text.replace(/^```.*?^```$/gms, "").replace(/`[^`]*`/g, "`").replace(
    /\]\([^)]*\)/g,
    "]",
  );
}

function breaches(name: string, prose: string): string[] {
  let text = prose.replace(/\s+/g, " ");
  for (const [page, phrase] of ALLOWED) if (page === name) text = text.replaceAll(phrase, "");
  return WORDS.flatMap(([not, but]) => {
    const found = not.exec(text);
    if (found === null) return [];
    const around = text.slice(Math.max(0, found.index - 30), found.index + 40);
    return [`${name}: "…${around}…" (say: ${but})`];
  });
}

const more: Page[] = ["bench/README.md"].map((name) => ({ name, text: readText(name) }));

for (const { name, text } of [...allPages(), ...more]) {
  test(`${name} uses the field's words`, () => {
    assert.deepEqual(breaches(name, proseOf(text)), []);
  });
}

test("The descriptions of the configuration's keys use the field's words", () => {
  const keys = schemaKeys(configJsonSchema() as Schema);
  const found = keys.flatMap(({ key, schema }) =>
    breaches(key, String((schema as { description?: string }).description ?? ""))
  );
  assert.deepEqual(found, []);
});

test("A breach is found, and code is none", () => {
  assert.equal(breaches("a", proseOf("The `answer` of ```x``` is [here](answers.md).")).length, 0);
  assert.equal(breaches("a", proseOf("An\nanswer of a folder")).length, 2);
});

/** What people search for, each with a page that has it as a heading. */
const HEADINGS: readonly [heading: string, page: string][] = [
  ["Authentication", "docs/sites.md"],
  ["access control", "docs/sites.md"],
  ["Response headers", "docs/sites.md"],
  ["Response headers", "docs/static-files.md"],
  ["Trusted proxies", "docs/sites.md"],
  ["Virtual hosts", "docs/sites.md"],
  ["CORS", "docs/sites.md"],
  ["Error pages", "docs/sites.md"],
  ["Redirects", "docs/sites.md"],
  ["Timeouts", "docs/multiplexing.md"],
  ["Retries", "docs/multiplexing.md"],
  ["Health checks", "docs/multiplexing.md"],
  ["Load balancing", "docs/multiplexing.md"],
  ["Negotiation", "docs/multiplexing.md"],
  ["DNS", "docs/multiplexing.md"],
  ["Health checks", "docs/operations.md"],
  ["Metrics", "docs/operations.md"],
  ["Error codes", "docs/operations.md"],
  ["Compression", "docs/responses.md"],
  ["X-Accel-Redirect and X-Sendfile", "docs/responses.md"],
  ["Precompressed files", "docs/static-files.md"],
  ["Directory listings", "docs/static-files.md"],
  ["Request smuggling", "docs/security.md"],
  ["Host validation", "docs/security.md"],
  ["Precedence: flags, environment, file", "docs/configuration.md"],
];

test("What people search for stands as a heading", () => {
  const pages = new Map(allPages().map(({ name, text }) => [name, text]));
  for (const [heading, name] of HEADINGS) {
    const headings = pages.get(name)!.match(/^#+ .*$/gm) ?? [];
    assert.ok(headings.some((one) => one.includes(heading)), `${name} has no "${heading}"`);
  }
  assert.match(pages.get("README.md")!, /reverse proxy/);
});
