/** What in a location cannot be said here, so that it has to be refused. */
import { mayGuard } from "./known_directives.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { ServerContext } from "./server_context.ts";

/** Without them a location would let in whom nginx does not, or would answer otherwise. */
const UNSAYABLE =
  /^(?:auth_\w+|limit_except|satisfy|secure_link\w*|valid_referers|(?:proxy|uwsgi|scgi|grpc|memcached)_pass|perl|js_content|content_by_lua\w*|access_by_lua\w*|stub_status|dav_methods|mirror|empty_gif|sub_filter|mp4|flv|rewrite|if|return|try_files|alias|internal)$/;

/** Of a location around another one these hold in the inner one, too. */
const INHERITED = /^(?:limit_except|satisfy|secure_link\w*|access_by_lua\w*|perl)$/;

/** The directive that leads out of the site's root. */
export function rootError(
  location: Location,
  context: ServerContext,
): Directive | undefined {
  const { scope, text, kind } = location;
  const alias = scope.all("alias")[0];
  const root = scope.one("root");
  const plain = (path: string) => path.replace(/\/+$/, "");
  if (alias !== undefined) {
    // To the slash: `/a/` with `…/a` is `…/ax` in nginx. An inner location has the outer one's, of
    // whose name the alias takes the place.
    const same = kind !== "regex" && scope.own("alias").length > 0 && context.root !== undefined &&
      alias.args[0] === plain(context.root) + text;
    if (same) context.notes.take(alias);
    return same ? undefined : alias;
  }
  if (root === undefined) return undefined;
  if (context.root !== undefined && plain(root.args[0] ?? "") === plain(context.root)) {
    context.notes.take(root);
    return undefined;
  }
  return root;
}

/** As everything is where it is not there; it may end what an outer block says. */
export function isOff({ name, args }: Directive): boolean {
  return ["auth_basic", "auth_request", "autoindex", "satisfy"].includes(name) &&
    ["off", "all"].includes(args[0] ?? "");
}

/** The directive that nothing was made of and that cannot be left out. */
export function unsayableOf({ scope }: Location, context: ServerContext): Directive | undefined {
  const own = scope.directives.find((directive) =>
    UNSAYABLE.test(directive.name) && !context.notes.isTaken(directive) && !isOff(directive)
  );
  const inherited = scope.ofAll((directive) =>
    (directive.block === undefined || directive.name === "limit_except") &&
    (INHERITED.test(directive.name) || mayGuard(directive)) && !isOff(directive)
  );
  const asked = [scope.one("auth_basic"), scope.one("auth_request")];
  return own ?? inherited ?? asked.find((it) => it !== undefined && !isOff(it));
}
