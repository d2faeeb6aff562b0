/** The pages that afcgi makes itself: what stands in them, and what their policy allows. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { errorPage, sentenceFor } from "../../src/pages/error_page.ts";
import { escapeHtml, htmlPage, PAGE_POLICY } from "../../src/pages/page.ts";
import { STATUS_PHRASES } from "../../src/protocol/status_phrases.ts";

/** What an error page may weigh: it is sent when things go badly. */
const LENGTH_MAX = 2_500;

const STATUSES = Object.keys(STATUS_PHRASES).map(Number).filter((status) => status >= 400);

test("The policy of the pages names their one style by its hash, and allows nothing else", () => {
  const style = /<style>(.*?)<\/style>/s.exec(htmlPage({ title: "", content: "" }))![1]!;
  const hash = createHash("sha256").update(style).digest("base64");
  assert.match(PAGE_POLICY, /^default-src 'none'; style-src 'sha256-[^' ]+'; /);
  assert.ok(PAGE_POLICY.includes(`style-src 'sha256-${hash}';`), `The hash is now sha256-${hash}`);
});

test("Every page is for small screens, light and dark", () => {
  const page = htmlPage({ title: "a", content: "<h1>a</h1>" });
  assert.match(page, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
  assert.match(page, /prefers-color-scheme: ?dark/);
  assert.match(page, /^<!doctype html>\n<html lang="en">/);
});

test("Every status has a sentence that a visitor understands", () => {
  assert.ok(STATUSES.length > 30);
  for (const status of [...STATUSES, 499, 599]) {
    const sentence = sentenceFor(status);
    assert.match(sentence, /^[A-Z][^<>&]{15,90}\.$/, String(status));
    assert.doesNotMatch(sentence, /FastCGI|upstream|gateway|request header/i, String(status));
  }
});

test("An error page has status, sentence, code and the request's id, and is small", () => {
  for (const status of STATUSES) {
    const page = errorPage(status, STATUS_PHRASES[status]!, "some_code", "id-1");
    for (const part of [`<title>${status} `, sentenceFor(status), "some_code", "id-1"]) {
      assert.ok(page.includes(part), `${status}: ${part}`);
    }
    assert.match(page, /^[\n -~]*$/, `${status}: ASCII alone`);
    assert.ok(page.length < LENGTH_MAX, `${status}: ${page.length} bytes`);
  }
});

test("No text of a page becomes a part of its HTML", () => {
  const evil = `</title><script>alert("1")</script>'&`;
  const pages = [
    htmlPage({ title: evil, content: escapeHtml(evil) }),
    errorPage(404, evil, evil, evil),
  ];
  for (const page of pages) assert.doesNotMatch(page, /<script|alert\("/);
});
