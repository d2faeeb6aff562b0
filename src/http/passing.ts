/** Which requests a route that serves files leaves to the next one, and whose source it never shows. */
import { cutScriptPath, isScriptName } from "../cgi/script_path.ts";
import type { StaticRefusal } from "../static/refusal.ts";
import { ownResponse } from "./own_responses.ts";
import type { ErrorCode, OwnResponse, RequestContext, RoutingPart } from "./request_context.ts";
import type { RouteOptions } from "./options.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** Refusals after which another route may know better. */
const PASSED_ON: ReadonlySet<ErrorCode> = new Set([
  "no_such_file",
  "script_source",
  "method_not_allowed",
]);

/** Leaves the request to the next route where that may know better (undefined), else refuses it. */
export function passOrRefuse(
  request: HttpRequest,
  context: RequestContext,
  refusal: StaticRefusal,
  isInternal = false,
): Response | undefined {
  // An internal route is named by an application for what it has, and by nobody for what others have.
  if (!PASSED_ON.has(refusal.code) || isInternal) {
    return ownResponse(context, request.headers.get("accept"), refusal);
  }
  notePassed(context, refusal);
  return undefined;
}

/** Of several routes that pass, the first that had more to say than that there is no file. */
export function notePassed(part: RoutingPart, own: OwnResponse): void {
  if (part.passed === undefined || part.passed.code === "no_such_file") {
    part.passed = own;
  }
}

/**
 * The response to a request that every route has left. `allowed` are the methods of routes that
 * match its path, but not its method: that no file is there is the reason only where files are
 * read.
 */
export function responseToUnmatched(
  { method, passed }: RequestContext,
  allowed: readonly string[] | undefined,
): OwnResponse {
  if (allowed === undefined) return passed ?? { status: 404, code: "no_such_route" };
  const wantsFile = method === "GET" || method === "HEAD";
  if (passed !== undefined && passed.code !== "method_not_allowed") {
    if (passed.code !== "no_such_file" || wantsFile) return passed;
  }
  const alsoAllowed = passed?.headers?.["allow"]?.split(", ") ?? [];
  const allow = [...new Set([...alsoAllowed, ...allowed])].join(", ");
  return { status: 405, code: "method_not_allowed", headers: { allow } };
}

/** Which names are those of programs on this site: their source is nobody's. */
export function sourceNames(routes: readonly RouteOptions[]): (path: string) => boolean {
  const texts = routes.flatMap(({ path, handler }) => {
    if (handler.kind !== "php" && handler.kind !== "fastcgi") return [];
    return [...handler.splitPath ?? [], ...programEndings(path)];
  });
  const runsPhp = routes.some(runsScripts);
  if (texts.length === 0) return runsPhp ? isScriptName : () => false;
  return (path) => {
    const name = path.slice(path.lastIndexOf("/"));
    if (runsPhp && isScriptName(name)) return true;
    return cutScriptPath(name, 0, { texts, anyCase: true }) !== undefined;
  };
}

/** Whether the route may run PHP: of an application behind FastCGI nobody knows what it is. */
function runsScripts({ handler }: RouteOptions): boolean {
  return handler.kind === "php" || handler.kind === "fastcgi";
}

const PROGRAMS: ReadonlySet<string> = new Set(
  ["cgi", "fcgi", "pl", "py", "rb", "lua", "tcl", "sh"],
);

/** The endings that a route's pattern gives to the programs that it runs: `*.cgi`, `~ \.(pl|py)$`. */
function programEndings(path = ""): readonly string[] {
  const names = path.startsWith("~")
    ? [...path.matchAll(/\\\.(?:\((?:\?:)?)?(\w+(?:\|\w+)*)/g)].flatMap(([, text]) =>
      text!.split("|")
    )
    : [/\*[^/*]*\.(\w+)$/.exec(path)?.[1] ?? ""];
  return names.map((name) => name.toLowerCase()).filter((name) => PROGRAMS.has(name))
    .map((name) => `.${name}`);
}
