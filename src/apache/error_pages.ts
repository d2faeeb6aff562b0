/** `ErrorDocument` → `error_pages`: a file of the root, or a text. */
import type { Notes } from "../import/notes.ts";
import type { ApacheDirective } from "./parser.ts";

export function errorPagesOf(
  directives: readonly ApacheDirective[],
  root: string | undefined,
  { notes, isFile }: { readonly notes: Notes; readonly isFile: (path: string) => boolean },
): Readonly<Record<string, unknown>> {
  const pages: Record<string, unknown> = {};
  for (const directive of directives) {
    if (directive.key !== "errordocument") continue;
    const [code = "", page = ""] = directive.args;
    if (/^default$/i.test(page)) notes.take(directive);
    else if (!/^[45]\d\d$/.test(code)) notes.add("lost", directive, "it is no status of an error");
    else if (/^(?:https?:)?\/\//.test(page) || /\.\w*(?:php|cgi)|[?#]/.test(page)) {
      notes.add(
        "lost",
        directive,
        "only a file of the root, with the response's status, is a page",
      );
    } else if (page.startsWith("/")) {
      if (root === undefined || !isFile(root + page)) {
        notes.add("lost", directive, "there is no such file in the root");
      } else {
        notes.take(directive);
        pages[code] = page;
      }
    } else {
      notes.take(directive);
      pages[code] = { body: directive.args.slice(1).join(" ") };
    }
  }
  return Object.keys(pages).length > 0 ? { error_pages: pages } : {};
}
