/** `handle_errors` → `error_pages`: a file of the root for a status, or a text. */
import type { Directive } from "../import/directive.ts";
import { flatten } from "../import/directive.ts";
import type { SiteContext } from "./site_state.ts";

type Pages = Record<string, unknown>;

const STATUSES = [400, 401, 403, 404, 405, 410, 413, 429, 500, 502, 503, 504];

export function errorPagesOf(
  blocks: readonly Directive[],
  root: string | undefined,
  context: SiteContext,
): Readonly<Record<string, unknown>> {
  const pages: Pages = {};
  for (const block of blocks) {
    const codes = block.args.length > 0 ? block.args : undefined;
    context.notes.take(block);
    readBlock(block.block ?? [], codes, root, context, pages);
  }
  return Object.keys(pages).length > 0 ? { error_pages: pages } : {};
}

function readBlock(
  directives: readonly Directive[],
  codes: readonly string[] | undefined,
  root: string | undefined,
  context: SiteContext,
  pages: Pages,
): void {
  const { notes } = context;
  const matchers = new Map(
    directives.filter(({ name }) => name.startsWith("@")).map((it) => [it.name, it]),
  );
  for (const directive of directives) {
    const matcher = matchers.get(directive.args[0] ?? "");
    const own = matcher === undefined ? codes : codesOf(matcher) ?? [];
    const args = directive.args.filter((arg) => !arg.startsWith("@") && arg !== "*");
    if (directive.name === "handle" || directive.name === "route") {
      notes.take(directive, matcher);
      readBlock(directive.block ?? [], own, root, context, pages);
    } else if (directive.name === "rewrite") {
      notes.take(directive, matcher);
      addFile(args[0] ?? "", own, root, directive, context, pages);
    } else if (directive.name === "respond" && !args[0]?.includes("{")) {
      notes.take(directive, matcher, ...flatten(directive.block ?? []));
      for (const code of own ?? ["4xx", "5xx"]) {
        pages[code] ??= { body: args[0] ?? "", type: "text/plain; charset=utf-8" };
      }
    } else if (directive.name === "file_server" || directive.name === "root") notes.take(directive);
    else if (!directive.name.startsWith("@")) {
      notes.add("lost", directive, "a page of an error is a file or a text");
    }
  }
}

/** Statuses that an expression such as `{err.status_code} == 404` is for. */
function codesOf(matcher: Directive): readonly string[] | undefined {
  const text = [...matcher.args, ...(matcher.block ?? []).flatMap((it) => [it.name, ...it.args])]
    .join(" ");
  const said = /status_code\}?\s*(?:==|in)\s*\[?([\d,\s'"]+)\]?/.exec(text)?.[1];
  if (said !== undefined) return said.match(/\d{3}/g) ?? undefined;
  if (/status_code\}?\s*>=\s*500/.test(text)) return ["5xx"];
  if (/status_code\}?\s*>=\s*400/.test(text)) {
    return /<\s*500/.test(text) ? ["4xx"] : ["4xx", "5xx"];
  }
  return undefined;
}

function addFile(
  path: string,
  codes: readonly string[] | undefined,
  root: string | undefined,
  directive: Directive,
  { notes, isFile }: SiteContext,
  pages: Pages,
): void {
  const byStatus = /\{(?:http\.error\.status_code|err\.status_code)\}/;
  const named = path.startsWith("/") ? path : `/${path}`;
  const wanted = byStatus.test(named)
    ? (codes?.filter((code) => /^\d+$/.test(code)) ?? STATUSES.map(String))
      .map((code) => [code, named.replace(byStatus, code)] as const)
    : (codes ?? ["4xx", "5xx"]).map((code) => [code, named] as const);
  const found = wanted.filter(([, page]) =>
    root !== undefined && !/[{?]|\.php$/.test(page) && isFile(root + page)
  );
  if (found.length === 0) notes.add("lost", directive, "there is no such file in the root");
  for (const [code, page] of found) pages[code] ??= page;
}
