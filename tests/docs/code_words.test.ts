/**
 * The words of code: names, comments, messages and titles of tests use the field's words, as the
 * pages do (`words.test.ts`). A verb may say "answers"; codes of the log, names in JSON, keys of the
 * configuration and what the library exports stay what they are.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readText } from "./pages.ts";

const BEFORE_A_NOUN = "an|such an|the|The|its|their|whose|every|each|of|own|long|short|whole|fixed";

/** What no line says, but for {@link ALLOWED}, and what it says instead. */
const WORDS: readonly [not: RegExp, but: string][] = [
  [new RegExp(`\\b(?:${BEFORE_A_NOUN}) answers?\\b(?!-)`), "response, reply"],
  [/\b(?:const|let) (?:answers?|heads?|fronts?|folders?)\b(?! = \()/, "response, headers"],
  [/\b(?:class|interface|type) \w*(?:Answer|Front|Folder)s?\b/, "Response, WebServer, Directory"],
  [/\b(?:Http|Whole|File|Stream)Answer\b|\bAnswerSender\b/, "HttpResponse, ResponseWriter"],
  [/\b\w*RawSocket\b|\bcoarseMs\b|\bFrontRequest\b/, "CallbackSocket, isFlushed"],
  [/#(?:heads?|answers|fronts?|folders?)\b/, "#headers, #responses, #gateway, #directory"],
  [/\bsymbolic links?\b/i, "symlink"],
  [/\bfolders?\b/i, "directory"],
  [
    /\bfronts?\b(?! controller| page|\.php)(?<!in front|the front|at the front)/,
    "gateway, web server",
  ],
  [/\bagain and again\b/, "repeatedly"],
  [/\b(?:behind|with|without|by|or) (?:a )?blanks?\b/, "space"],
  [/\bwho may (?:ask|come)\b/i, "access control"],
];

/** Where a word is somebody else's, or means something else. */
const ALLOWED: readonly RegExp[] = [
  // A word of the list in `try`, and names of files in trees of tests.
  /\bscript, file, folder\b|"folder"|\bfile\|folder\b|\bfile, folder\b|\bfolder, "=|try folder|"folder: /,
  /[/"-]folder\b|\bfolder\/|folder\.(?:php|sock)/,
  // Directories of tests, and steps that are named after them.
  /(?:\.\.|tests)\/fronts\b|"fronts(?:-deno)?"|\bfronts(?:,| }|:|\))/,
  // Bytes before and behind others.
  /\bfront: (?:string|readonly number\[\])|\bfront, |bytes\(front\)|\.\.\.front\b|withSite\(front\b/,
  // Names of headers.
  /x-\(\?:forwarded\|.*/,
  /name: "front"|\/front\//,
];

const OURSELVES = /^tests\/docs\/(?:code_)?words\.test\.ts$/;

function files(): string[] {
  return ["src", "tests", "bench", "examples"].flatMap((directory) =>
    readdirSync(fileURLToPath(new URL(`../../${directory}`, import.meta.url)), {
      recursive: true,
      encoding: "utf8",
    }).map((name) => `${directory}/${name.replaceAll("\\", "/")}`)
  ).filter((name) => /\.(?:ts|mjs|cjs|js|c|go|pl|php|cgi)$/.test(name) && !OURSELVES.test(name));
}

function breaches(name: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) => {
    const rest = ALLOWED.reduce(
      (left, allowed) => left.replace(new RegExp(allowed, "g"), ""),
      line,
    );
    return WORDS.filter(([not]) => not.test(rest))
      .map(([, but]) => `${name}:${index + 1}: ${line.trim()} (say: ${but})`);
  });
}

test("Code, tests and the benchmark use the field's words", () => {
  const names = files();
  assert.ok(names.length > 900, `only ${names.length} files`);
  assert.deepEqual(names.flatMap((name) => breaches(name, readText(name))), []);
});

test("Each word that is not to be said is found", () => {
  const lines = [
    "// the answer to a request",
    "const heads = [];",
    "interface Front {",
    "new WholeAnswer()",
    "this.#head = head;",
    "// a symbolic link",
    "// in the folder",
    "// a front that waits",
    "// asks again and again",
    'throw new Error("a colon without blank");',
    "// Who may ask",
  ];
  for (const line of lines) assert.equal(breaches("a", line).length, 1, line);
  for (const line of ["it answers a request", "in front of it", "[script, file, folder]"]) {
    assert.deepEqual(breaches("a", line), []);
  }
});
