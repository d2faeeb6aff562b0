/**
 * The listing of a directory as a page: one table, no script, nothing loaded from elsewhere. Every name is
 * escaped where it is shown and encoded where it is a link.
 */
import { escapeHtml, htmlPage } from "../pages/page.ts";
import {
  LISTED_ENTRIES_MAX,
  type ListedEntry,
  type Listing,
  type ListingOrder,
} from "./listing.ts";

/** The page of the directory at the decoded `path`, which ends with "/". */
export function listingPage(path: string, listing: Listing, order: ListingOrder): string {
  const { entries, hasMore } = listing;
  const rows = entries.map(row);
  if (path !== "/") rows.unshift(`<tr><td><a href="../">../</a><td class="size"><td class="time">`);
  const content = `<h1>${trail(path)}</h1>
<table>
<thead><tr>${heading("name", "Name", "", order)}${heading("size", "Size", "size", order)}${
    heading("modified", "Modified (UTC)", "time", order)
  }</thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
<p class="soft">${summary(entries)}${
    hasMore
      ? `, of a directory with more than ${LISTED_ENTRIES_MAX} names; the others are not shown`
      : ""
  }</p>`;
  return htmlPage({ title: path, content, isWide: true });
}

/** The path with each directory a link to it; the last is this one. */
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

function row({ name, isDirectory, size, modifiedMs }: ListedEntry): string {
  const slash = isDirectory ? "/" : "";
  // "./" before it: a name such as "a:b" would be a scheme, were ":" not encoded as it is.
  const link = `<a href="./${encodeURIComponent(name)}${slash}">${escapeHtml(name)}${slash}</a>`;
  const time = new Date(modifiedMs).toISOString().slice(0, 16).replace("T", " ");
  const sizeText = isDirectory ? "" : readableSize(size);
  return `<tr><td>${link}<td class="size">${sizeText}<td class="time">${time}`;
}

function summary(entries: readonly ListedEntry[]): string {
  const directories = entries.filter(({ isDirectory }) => isDirectory).length;
  const files = entries.length - directories;
  return `${directories} ${directories === 1 ? "directory" : "directories"}, ` +
    `${files} ${files === 1 ? "file" : "files"}`;
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
