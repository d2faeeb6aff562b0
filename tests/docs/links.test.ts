/** Links of the pages to each other, and to files of the repository, lead somewhere. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { allPages, anchorsOf, type Page } from "./pages.ts";

const ROOT = new URL("../../", import.meta.url);
const pages = new Map(allPages().map((page) => [new URL(page.name, ROOT).href, page]));

/** Code is no link, and neither is what leads out of the repository. */
function linksOf({ text }: Page): string[] {
  const prose = text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`(?!\])/g, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

test("Every link leads to a file, and to a heading where it names one", () => {
  let count = 0;
  for (const [href, page] of pages) {
    for (const link of linksOf(page)) {
      count++;
      const { hash, href: target } = new URL(link, href);
      const file = target.slice(0, target.length - hash.length);
      assert.ok(existsSync(fileURLToPath(file)), `${page.name}: "${link}" leads to no file`);
      const there = pages.get(file);
      if (hash === "" || there === undefined) continue;
      assert.ok(
        anchorsOf(there).includes(hash.slice(1)),
        `${page.name}: "${link}" leads to no heading`,
      );
    }
  }
  assert.ok(count > 100, `only ${count} links`);
});
