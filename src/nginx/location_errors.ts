/** What in a location cannot be said here, so that it has to be refused. */
import { mayGuard } from "./known_directives.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { ServerContext } from "./server_context.ts";

/** Without them a location would let in whom nginx does not, or would answer otherwise. */
const UNSAYABLE =
  /^(?:secure_link\w*|(?:uwsgi|scgi|grpc|memcached)_pass|proxy_pass_request_(?:body|headers)|perl|js_content|content_by_lua\w*|access_by_lua\w*|stub_status|dav_methods|empty_gif|random_index)$/;

/** Of a location around another one these hold in the inner one, too. */
const INHERITED = /^(?:secure_link\w*|access_by_lua\w*|perl)$/;

/** As everything is where it is not there; it may end what an outer block says. */
export function isOff({ name, args }: Directive): boolean {
  return ["auth_basic", "auth_request", "autoindex", "satisfy", "gzip", "ssi"].includes(name) &&
    ["off", "all"].includes(args[0] ?? "");
}

/** The directive that nothing was made of and that cannot be left out. */
export function unsayableOf({ scope }: Location, context: ServerContext): Directive | undefined {
  const own = scope.directives.find((directive) =>
    UNSAYABLE.test(directive.name) && !context.notes.isTaken(directive) &&
    !(directive.name.startsWith("proxy_pass_") && directive.args[0] === "on")
  );
  const inherited = scope.ofAll((directive) =>
    directive.block === undefined &&
    (INHERITED.test(directive.name) || mayGuard(directive)) && !isOff(directive)
  );
  return own ?? inherited;
}
