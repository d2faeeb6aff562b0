/** What nginx's FastCGI module says of one location → options of `fastcgi` and `php`. */
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import type { Scope } from "./scope.ts";

/** Headers that afcgi obeys, and may leave alone. */
const OBEYED: ReadonlySet<string> = new Set([
  "x-accel-redirect",
  "x-accel-buffering",
  "x-accel-charset",
  "x-accel-expires",
  "x-accel-limit-rate",
]);

const NEXT =
  /^(?:error|timeout|invalid_header|http_(?:500|502|503|504|403|404|429)|non_idempotent|off)$/;

export function fastCgiOptions(scope: Scope, notes: Notes): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const isSet = (name: string, value: string): boolean => {
    const directive = scope.one(name);
    notes.take(directive);
    return directive?.args[0] === value;
  };
  const lists = {
    hide_headers: named(scope.all("fastcgi_hide_header"), notes),
    pass_headers: obeyed(scope.all("fastcgi_pass_header"), notes),
    ignore_headers: obeyed(scope.all("fastcgi_ignore_headers"), notes),
  };
  for (const [key, names] of Object.entries(lists)) if (names.length > 0) options[key] = names;
  if (isSet("fastcgi_pass_request_body", "off")) options["pass_request_body"] = false;
  if (isSet("fastcgi_pass_request_headers", "off")) options["pass_request_headers"] = false;
  if (isSet("fastcgi_ignore_client_abort", "on")) options["ignore_client_abort"] = true;
  const next = scope.one("fastcgi_next_upstream");
  if (next !== undefined) {
    notes.take(next);
    const said = next.args.filter((word) => NEXT.test(word));
    if (said.length < next.args.length) notes.add("lost", next, "not all of it is known here");
    if (said.length > 0) options["next_upstream"] = [...new Set(said)];
  }
  const texts = scope.all("fastcgi_catch_stderr");
  notes.take(...texts);
  if (texts.length > 0) options["catch_stderr"] = texts.map(({ args }) => args[0] ?? "");
  return options;
}

function named(directives: readonly Directive[], notes: Notes): string[] {
  notes.take(...directives);
  const names = directives.map(({ args }) => args[0] ?? "");
  return [...new Set(names.filter((name) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)))];
}

function obeyed(directives: readonly Directive[], notes: Notes): string[] {
  const found = new Set<string>();
  for (const directive of directives) {
    notes.take(directive);
    for (const name of directive.args) {
      const lower = name.toLowerCase();
      if (OBEYED.has(lower)) found.add(lower);
      else if (/^(?:expires|cache-control|set-cookie|vary)$/.test(lower)) {
        notes.add("lost", directive, "there is no cache yet that would obey it");
      }
    }
  }
  return [...found];
}
