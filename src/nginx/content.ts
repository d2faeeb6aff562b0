/** What a location does with a request that it has not turned away: run, pass on, or send files. */
import type { FixedContent } from "./content_kinds.ts";
import { type Tried, triedOf } from "./fallback.ts";
import { type FilePlace, placeOf } from "./file_place.ts";
import { unsayableOf } from "./location_errors.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { type HttpPass, toHttpPass } from "./proxy_pass.ts";
import { isOwn, type Run, runOf } from "./run.ts";
import { isNamedScript } from "./script_file.ts";
import type { ServerContext } from "./server_context.ts";

export type Content =
  | Extract<FixedContent, { kind: "refused" }>
  /** `tried` is undefined where no file is looked for. */
  | { readonly kind: "run"; readonly run: Run; readonly tried: Tried | undefined }
  | { readonly kind: "pass"; readonly pass: HttpPass; readonly tried: Tried | undefined }
  | { readonly kind: "files"; readonly tried: Tried };

export interface PlacedContent {
  readonly content: Content;
  readonly place: FilePlace;
}

const NO_ROOT = "there is no root for its files, and a variable is none";
const NOWHERE: FilePlace = { root: undefined, keys: {} };

export function contentOf(
  location: Location,
  context: ServerContext,
  rewritten?: Tried,
): PlacedContent {
  const { scope, directive } = location;
  const refused = (by: Directive, reason: string): PlacedContent => ({
    content: { kind: "refused", directive: by, reason },
    place: NOWHERE,
  });
  const unsayable = unsayableOf(location, context);
  if (unsayable !== undefined) return refused(unsayable, "it has no counterpart");
  const [pass] = scope.all("proxy_pass").slice(-1);
  const place = placeOf(location, context);
  if (pass !== undefined && isOwn(location, "proxy_pass")) {
    const target = toHttpPass(pass, location, context);
    if (target === undefined) return refused(pass, "no upstream says where it leads");
    const where = "refused" in place ? NOWHERE : place;
    const tried = scope.own("try_files").length > 0 ? triedOf(location, where, context) : undefined;
    return { content: { kind: "pass", pass: target, tried }, place: where };
  }
  if ("refused" in place) return refused(place.refused, place.reason);
  if (isOwn(location, "fastcgi_pass")) {
    const run = runOf(location, place, context);
    if (run === undefined) {
      return refused(scope.all("fastcgi_pass").at(-1) ?? directive, "what it runs cannot be said");
    }
    if (run.isPhp && run.place.root === undefined) return refused(directive, NO_ROOT);
    return { content: ranContent(location, run, context), place: run.place };
  }
  if (rewritten === undefined && place.root === undefined) {
    return refused(scope.one("root") ?? directive, NO_ROOT);
  }
  const tried = rewritten ?? triedOf(location, place, context);
  return { content: { kind: "files", tried }, place };
}

function ranContent(location: Location, run: Run, context: ServerContext): Content {
  const own = location.scope.own("try_files").at(-1);
  if (own === undefined) return { kind: "run", run, tried: undefined };
  const words = own.args.slice(0, -1);
  const isPlain = words.every((name) =>
    /^\$(?:uri|fastcgi_script_name|document_uri)$/.test(name) ||
    isNamedScript(name.slice(1), location, context.values)
  );
  if (run.isPhp && own.args.at(-1) === "=404" && isPlain) {
    // That a script must exist is so here anyway. Where the whole path is tried, it is its name.
    context.notes.take(own);
    const isWhole = words.includes("$uri") || words.includes("$document_uri");
    return { kind: "run", run: { ...run, isWhole }, tried: undefined };
  }
  return { kind: "run", run, tried: triedOf(location, run.place, context) };
}
