/** What a location does with a request, before it is known how its paths are said here. */
import { type Tried, triedOf } from "./fallback.ts";
import { rootError, unsayableOf } from "./location_errors.ts";
import type { Location } from "./locations.ts";
import { type Directive, flatten } from "./parser.ts";
import { type Run, runOf } from "./run.ts";
import type { ServerContext } from "./server_context.ts";
import { toTemplate } from "./variables.ts";

export type Content =
  | { readonly kind: "refused"; readonly directive: Directive; readonly reason: string }
  | { readonly kind: "respond"; readonly status: number; readonly body: string }
  | { readonly kind: "redirect"; readonly status: number; readonly to: string }
  | { readonly kind: "run"; readonly run: Run }
  | { readonly kind: "files"; readonly tried: Tried };

export function contentOf(location: Location, context: ServerContext): Content {
  const { scope, directive } = location;
  const { notes } = context;
  const refused = (by: Directive, reason: string): Content => ({
    kind: "refused",
    directive: by,
    reason,
  });
  const returned = scope.own("return")[0];
  if (returned !== undefined) return readReturn(returned, context) ?? refused(returned, VARIABLES);
  if (location.kind === "regex" && scope.own("location").length > 0) {
    context.notes.take(...flatten(directive.block ?? []));
    return refused(directive, "what stands in an expression cannot be said");
  }
  const [internal] = scope.all("internal");
  const run = runOf(location, context);
  if (run === undefined && internal !== undefined) {
    notes.take(internal);
    return { kind: "respond", status: 404, body: "" };
  }
  if (context.root === undefined && scope.one("alias") === undefined) {
    const reason = "there is no root for its files, and a variable is none";
    return refused(scope.one("root") ?? directive, reason);
  }
  const root = rootError(location, context);
  if (root !== undefined) {
    return refused(root, "its files are in another directory than the site's");
  }
  if (run !== undefined) {
    const tried = scope.own("try_files", "if", "rewrite");
    const own = scope.own("try_files").at(0);
    // That a script must exist is so here anyway.
    if (own !== undefined && own.args.at(-1) === "=404") {
      notes.take(own);
    } else if (tried.length > 0) return refused(tried[0]!, "it cannot be said for scripts");
  }
  const tried = run === undefined ? triedOf(location, context) : undefined;
  const unsayable = unsayableOf(location, context);
  if (unsayable !== undefined) {
    const isPassword = unsayable.name === "auth_basic";
    if (isPassword) notes.take(scope.one("auth_basic_user_file"));
    return refused(unsayable, isPassword ? PASSWORDS : "it has no counterpart");
  }
  notes.take(directive);
  // Where the whole path is tried as a file, it is the script's name.
  const isWhole = scope.own("try_files").at(0)?.args.includes("$uri") ?? false;
  if (run !== undefined) return { kind: "run", run: { ...run, isWhole } };
  return tried === undefined
    ? refused(directive, "what it does with a path without a file cannot be said")
    : { kind: "files", tried };
}

const PASSWORDS = "access control is not carried over (write basic_auth: { file: FILE } yourself)";
const VARIABLES = "a variable in it has no counterpart";

/** Undefined where it cannot be said. */
export function readReturn(
  directive: Directive,
  { notes, values }: ServerContext,
): Content | undefined {
  const [code = "", text = ""] = directive.args;
  const status = Number(code);
  const target = /^\d+$/.test(code) ? text : code;
  notes.take(directive);
  if (status === 444) {
    notes.add("differs", directive, "the client gets 403, its connection is not cut");
    return { kind: "respond", status: 403, body: "" };
  }
  const isRedirect = Number.isNaN(status) || [301, 302, 303, 307, 308].includes(status);
  if (!isRedirect && target.includes("$")) return undefined;
  if (!isRedirect) {
    return { kind: "respond", status, body: [204, 304].includes(status) ? "" : text };
  }
  const to = toTemplate(target, values);
  // A variable at the beginning could be another host.
  if (to === undefined || !/^(?=[\x21-\x7e]+$)(?:\/|https?:\/\/|[^$]*$)/.test(to)) return undefined;
  return { kind: "redirect", to, status: Number.isNaN(status) ? 302 : status };
}
