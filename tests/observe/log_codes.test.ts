/**
 * Every code that a line of the log or a response of ours can carry, and the text of every warning
 * and error without one, is asserted by some test. The lists come from the source, so a new one
 * without a test is found; what cannot be tested is named here with its reason.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url);
const OURSELVES = "observe/log_codes.test.ts";

/** Codes that no test asserts, and why. */
const NOT_ASSERTED: Readonly<Record<string, string>> = {
  client_certificate_required: "tests/certificates shows the status of each refusal",
  client_certificate_refused: "tests/certificates shows the status of each refusal",
  worker_not_replaced: "tests/spawn shows when it is told; the line only names it",
};

function filesOf(directory: string): { readonly name: string; readonly text: string }[] {
  const where = new URL(directory, ROOT);
  return readdirSync(where, { recursive: true }).map(String).filter((name) => name.endsWith(".ts"))
    .map((name) => ({ name, text: readFileSync(new URL(name, where), "utf8") }));
}

/** What stands behind `code:` in lines of the log and in responses, and the codes of our errors. */
function codesOf(text: string): string[] {
  const patterns = [
    /\bcode: "([a-z][a-z0-9_]+)"/g,
    /new (?:UpstreamError|OwnError)\(\s*"([a-z][a-z0-9_]+)"/g,
    /\bcode = "([a-z][a-z0-9_]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, code]) => code!));
}

/** The constant beginning of what is warned of or told as an error. */
function messagesOf(text: string): string[] {
  const pattern = /\b(?:log|logger)\.(?:warn|error)\(\s*["`]([^"`$]{8,})/gi;
  return [...text.matchAll(pattern)].map(([, message]) => message!.replace(/[\s:,]+$/, ""));
}

const tests = filesOf("tests/").filter(({ name }) =>
  name.endsWith(".ts") && !name.endsWith(OURSELVES)
).map(({ text }) => text).join("\n");

test("Every code of the log and of our own responses is asserted somewhere", () => {
  const codes = new Set(filesOf("src/").flatMap(({ text }) => codesOf(text)));
  assert.ok(codes.size > 40, "the codes are found");
  const missing = [...codes].filter((code) =>
    !new RegExp(`["'\`]${code}\\b|\\b${code}["'\`]`).test(tests) && !(code in NOT_ASSERTED)
  );
  assert.deepEqual(missing.toSorted(), []);
  const needless = Object.keys(NOT_ASSERTED).filter((code) => !codes.has(code));
  assert.deepEqual(needless, [], "codes that are gone");
});

test("Every warning and error without a code is asserted by its text", () => {
  const missing: string[] = [];
  let count = 0;
  for (const { name, text } of filesOf("src/")) {
    for (const message of messagesOf(text)) {
      count++;
      const at = text.indexOf(message);
      if (/^[^;]{0,200}\bcode[:,]/s.test(text.slice(at + message.length))) continue;
      if (!tests.includes(message.slice(0, 24))) missing.push(`${name}: ${message}`);
    }
  }
  assert.ok(count > 5, "messages are found");
  assert.deepEqual(missing, []);
});
