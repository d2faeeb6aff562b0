/** What in a location cannot be said here, so that it has to be refused. */
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { ServerContext } from "./server_context.ts";

/** Without them a location would let in whom nginx does not, or would answer otherwise. */
const UNSAYABLE =
  /^(?:auth_\w+|limit_except|satisfy|secure_link\w*|valid_referers|(?:proxy|uwsgi|scgi|grpc|memcached)_pass|perl|js_content|content_by_lua\w*|access_by_lua\w*|stub_status|dav_methods|mirror|empty_gif|sub_filter|mp4|flv|rewrite|if|return|try_files|alias|internal)$/;

/** The directive that leads out of the site's root. */
export function rootFault(
  { scope, text, kind }: Location,
  context: ServerContext,
): Directive | undefined {
  const alias = scope.all("alias")[0];
  const root = scope.one("root");
  const plain = (path: string) => path.replace(/\/+$/, "");
  if (alias !== undefined) {
    const same = kind !== "regex" && context.root !== undefined &&
      plain(alias.args[0] ?? "") === plain(plain(context.root) + text);
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

/** The directive that nothing was made of and that cannot be left out. */
export function unsayableOf({ scope }: Location, context: ServerContext): Directive | undefined {
  const own = scope.directives.find((directive) =>
    UNSAYABLE.test(directive.name) && !context.notes.isTaken(directive)
  );
  const auth = scope.all("auth_basic", "auth_request")
    .find(({ args }) => args[0] !== "off");
  return own ?? auth;
}
