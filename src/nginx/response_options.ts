/** `add_header`, `error_page` and `gzip` → what our sites and routes say of their responses. */
import { findLocation, type Location } from "./locations.ts";
import type { Notes } from "../import/notes.ts";
import type { Scope } from "./scope.ts";
import { nginxSize } from "./units.ts";
import { toTemplate, type VariableValues } from "./variables.ts";

export interface SiteOptionParts {
  readonly notes: Notes;
  readonly root: string | undefined;
  readonly isFile: (path: string) => boolean;
  readonly locations: readonly Location[];
}

/** nginx's default of `gzip_min_length`. */
const COMPRESSED_MIN = 20;
const FRAMING = /^(?:connection|content-length|keep-alive|transfer-encoding|trailer|upgrade|te)$/i;

/** Headers stand at each route, because a location's own hide its server's. */
export function responseOptions(
  scope: Scope,
  notes: Notes,
  values: VariableValues,
): Record<string, unknown> {
  const add: Record<string, string> = {};
  for (const directive of scope.all("add_header")) {
    const [name = "", value = "", always] = directive.args;
    const text = toTemplate(value, values);
    if (text === undefined || !/^[\x20-\x7e]*$/.test(text) || FRAMING.test(name) || name in add) {
      notes.add("lost", directive, "it has no counterpart");
      continue;
    }
    notes.take(directive);
    if (always === undefined) notes.add("differs", directive, "errors have it, too");
    add[name] = text;
  }
  return Object.keys(add).length > 0 ? { headers: { add } } : {};
}

export function siteOptions(scope: Scope, parts: SiteOptionParts): Record<string, unknown> {
  const pages = errorPages(scope, parts);
  const intercept = scope.one("fastcgi_intercept_errors");
  parts.notes.take(intercept);
  const compression = compressionOf(scope, parts.notes);
  return {
    ...(Object.keys(pages).length > 0 && { error_pages: pages }),
    ...(intercept?.args[0] === "on" && { intercept_errors: true }),
    ...(compression && { compression }),
  };
}

/** Pages are files below the site's root; what leads elsewhere is the locations' (`fallback.ts`). */
function errorPages(
  scope: Scope,
  { notes, root, isFile, locations }: SiteOptionParts,
): Record<string, string> {
  const pages: Record<string, string> = {};
  for (const directive of scope.all("error_page")) {
    const codes = directive.args.slice(0, -1);
    const page = directive.args.at(-1) ?? "";
    const isPath = /^(\/[^/$]+)+$/.test(page) && !page.endsWith(".php");
    if (!isPath || codes.some((code) => !/^[45]\d\d$/.test(code))) {
      if (notes.isTaken(directive)) continue;
      notes.add("lost", directive, FILES);
      continue;
    }
    const own = findLocation(locations, page)?.scope.one("root")?.args[0] ?? root;
    if (own !== root) notes.add("lost", directive, "its file is not below the site's root");
    else if (root === undefined || !isFile(root + page)) {
      notes.add("lost", directive, "there is no such file in the root");
    } else {
      notes.take(directive);
      for (const code of codes) pages[code] = page;
    }
  }
  return pages;
}

const FILES = "only a file of the root, with the response's status, is a page";

function compressionOf(scope: Scope, notes: Notes): Record<string, unknown> | undefined {
  const gzip = scope.one("gzip");
  const types = scope.one("gzip_types");
  const length = scope.one("gzip_min_length");
  notes.take(gzip, types, length);
  if (gzip?.args[0] !== "on") return undefined;
  const named = types?.args.map((type) => type.toLowerCase()) ?? [];
  return {
    encodings: ["gzip"],
    min_size: nginxSize(length?.args[0] ?? "") ?? COMPRESSED_MIN,
    types: [...new Set(named.includes("*") ? ["text/*"] : ["text/html", ...named])],
  };
}
