import assert from "node:assert/strict";
import { test } from "node:test";
import { htmlPage } from "../../src/pages/page.ts";
import type { ListedEntry, Listing, ListingOrder } from "../../src/static/listing.ts";
import { listingPage } from "../../src/static/listing_page.ts";

const BY_NAME: ListingOrder = { column: "name", descending: false };
const MODIFIED_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

function file(name: string, size: number): ListedEntry {
  return { name, isDirectory: false, size, modifiedMs: MODIFIED_MS };
}

function directory(name: string): ListedEntry {
  return { name, isDirectory: true, size: 0, modifiedMs: MODIFIED_MS };
}

function page(path: string, entries: readonly ListedEntry[], more: Partial<Listing> = {}): string {
  return listingPage(path, { entries, hasMore: false, ...more }, BY_NAME);
}

/** What stands between two texts, without them. */
function between(text: string, start: string, end: string): string {
  return text.split(start)[1]!.split(end)[0]!;
}

test("A listing is one page, character by character", () => {
  const content =
    `<h1><a href="../../">Files</a> <span>/</span> <a href="../">a</a> <span>/</span> b &amp; c</h1>
<table>
<thead><tr><th scope="col" aria-sort="ascending"><a href="?sort=name&amp;order=desc">Name ↑</a>` +
    `<th scope="col" class="size"><a href="?sort=size&amp;order=asc">Size</a>` +
    `<th scope="col" class="time"><a href="?sort=modified&amp;order=asc">Modified (UTC)</a></thead>
<tbody>
<tr><td><a href="../">../</a><td class="size"><td class="time">
<tr><td><a href="./d%3A/">d:/</a><td class="size"><td class="time">2026-01-02 03:04
<tr><td><a href="./e.txt">e.txt</a><td class="size">1.5 KiB<td class="time">2026-01-02 03:04
</tbody>
</table>
<p class="soft">1 directory, 1 file</p>`;
  const title = "/a/b & c/";
  assert.equal(
    page(title, [directory("d:"), file("e.txt", 1536)]),
    htmlPage({ title, content, isWide: true }),
  );
});

test("The root of a listing has no way up and one name", () => {
  const root = page("/", []);
  assert.equal(between(root, "<h1>", "</h1>"), "Files");
  assert.equal(between(root, "<tbody>\n", "\n</tbody>"), "");
  assert.equal(
    between(page("/a/", []), "<h1>", "</h1>"),
    `<a href="../">Files</a> <span>/</span> a`,
  );
});

test("A heading names the order that is, and the one that its link asks for", () => {
  const cases: [ListingOrder, column: string, heading: string][] = [
    [
      { column: "size", descending: false },
      "Size",
      ` aria-sort="ascending" class="size"><a href="?sort=size&amp;order=desc">Size ↑`,
    ],
    [
      { column: "size", descending: true },
      "Size",
      ` aria-sort="descending" class="size"><a href="?sort=size&amp;order=asc">Size ↓`,
    ],
    [
      { column: "modified", descending: true },
      "Modified (UTC)",
      ` aria-sort="descending" class="time"><a href="?sort=modified&amp;order=asc">Modified (UTC) ↓`,
    ],
    [{ column: "size", descending: true }, "Name", `><a href="?sort=name&amp;order=asc">Name`],
  ];
  for (const [order, column, expected] of cases) {
    const text = listingPage("/", { entries: [], hasMore: false }, order);
    const headings = between(text, "<tr>", "</thead>").split(`<th scope="col"`).slice(1);
    const heading = headings.find((one) => one.includes(`>${column}`));
    assert.equal(heading, `${expected}</a>`);
  }
});

test("A size is short, in units of 1024, with a digit behind the point below ten", () => {
  const cases: [bytes: number, shown: string][] = [
    [0, "0 B"],
    [9, "9 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024 - 1, "10.0 KiB"],
    [10 * 1024, "10 KiB"],
    [10.5 * 1024, "11 KiB"],
    [1024 ** 2 - 1024, "1023 KiB"],
    [1024 ** 2, "1.0 MiB"],
    [3 * 1024 ** 3, "3.0 GiB"],
    [50 * 1024 ** 4, "50 TiB"],
    [2048 * 1024 ** 4, "2048 TiB"],
  ];
  for (const [bytes, shown] of cases) {
    const rows = page("/", [file("a", bytes)]);
    assert.equal(between(rows, `<td class="size">`, "<td"), shown, String(bytes));
  }
});

test("What a listing counts is one of a kind, none or many, and told where there is more", () => {
  const summary = (entries: readonly ListedEntry[], hasMore = false) =>
    between(page("/", entries, { hasMore }), `<p class="soft">`, "</p>");
  const [one, other] = [directory("d"), directory("e")];
  assert.equal(summary([]), "0 directories, 0 files");
  assert.equal(summary([one, file("a", 1)]), "1 directory, 1 file");
  assert.equal(summary([one, other, file("a", 1), file("b", 1)]), "2 directories, 2 files");
  assert.equal(
    summary([file("a", 1)], true),
    "0 directories, 1 file, of a directory with more than 1000 names; the others are not shown",
  );
});
