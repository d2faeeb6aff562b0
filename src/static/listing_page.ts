/**
 * A folder's listing as a page: one table, no script, nothing loaded from elsewhere. Every name is
 * escaped where it is shown and encoded where it is a link.
 */
import {
  LISTED_ENTRIES_MAX,
  type ListedEntry,
  type Listing,
  type ListingOrder,
} from "./listing.ts";

/** Nothing may run or load, whatever a file's name does to the page. */
export const LISTING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'self'";

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#e4e4e7, #3f3f46);
  --soft: light-dark(#71717a, #a1a1aa); --link: light-dark(#1d4ed8, #93c5fd);
  --hover: light-dark(#f4f4f5, #27272a); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2.5rem auto; padding: 0 1rem;
  background: light-dark(#fff, #18181b); color: light-dark(#18181b, #f4f4f5); }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
h1 span { color: var(--soft); font-weight: 400; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
th { font-weight: 500; font-size: .85rem; }
th a { color: var(--soft); }
tbody tr:hover { background: var(--hover); }
td:first-child { overflow-wrap: anywhere; }
.size, .time { text-align: right; white-space: nowrap; color: var(--soft); width: 1%; }
p { color: var(--soft); }
@media (max-width: 32rem) { .time { display: none; } }
`;

/** The page of the folder at the decoded `path`, which ends with "/". */
export function listingPage(path: string, listing: Listing, order: ListingOrder): string {
  const { entries, hasMore } = listing;
  const rows = entries.map(row);
  if (path !== "/") rows.unshift(`<tr><td><a href="../">../</a><td class="size"><td class="time">`);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(path)}</title>
<style>${STYLE}</style>
<h1>${trail(path)}</h1>
<table>
<thead><tr>${heading("name", "Name", "", order)}${heading("size", "Size", "size", order)}${
    heading("modified", "Modified (UTC)", "time", order)
  }</thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
<p>${summary(entries)}${
    hasMore
      ? `, of a folder with more than ${LISTED_ENTRIES_MAX} names; the others are not shown`
      : ""
  }</p>
</html>
`;
}

/** The path with each folder a link to it; the last is this one. */
function trail(path: string): string {
  const names = path.split("/").slice(1, -1);
  const parts = ["", ...names].map((name, index) => {
    const label = index === 0 ? "Files" : escapeHtml(name);
    const up = "../".repeat(names.length - index);
    return up === "" ? label : `<a href="${up}">${label}</a>`;
  });
  return parts.join(" <span>/</span> ");
}

function heading(
  column: ListingOrder["column"],
  label: string,
  className: string,
  order: ListingOrder,
): string {
  const isCurrent = order.column === column;
  const next = isCurrent && !order.descending ? "desc" : "asc";
  const arrow = isCurrent ? order.descending ? " ↓" : " ↑" : "";
  const sort = isCurrent ? ` aria-sort="${order.descending ? "descending" : "ascending"}"` : "";
  const link = `<a href="?sort=${column}&amp;order=${next}">${label}${arrow}</a>`;
  return `<th scope="col"${sort}${className && ` class="${className}"`}>${link}`;
}

function row({ name, isFolder, size, modifiedMs }: ListedEntry): string {
  const slash = isFolder ? "/" : "";
  // "./" before it: a name such as "a:b" would be a scheme, were ":" not encoded as it is.
  const link = `<a href="./${encodeURIComponent(name)}${slash}">${escapeHtml(name)}${slash}</a>`;
  const time = new Date(modifiedMs).toISOString().slice(0, 16).replace("T", " ");
  const sizeText = isFolder ? "" : readableSize(size);
  return `<tr><td>${link}<td class="size">${sizeText}<td class="time">${time}`;
}

function summary(entries: readonly ListedEntry[]): string {
  const folders = entries.filter(({ isFolder }) => isFolder).length;
  return `${count(folders, "folder")}, ${count(entries.length - folders, "file")}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** `512 B`, `1.5 KiB`, `20 MiB` */
function readableSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
