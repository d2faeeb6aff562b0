/** What `fastcgi_pass` of a location says: the upstream, the script, and the parameters. */
import { bodyMaxOf } from "./body_limits.ts";
import type { Location } from "./locations.ts";
import type { ServerContext } from "./server_context.ts";
import type { Directive } from "./parser.ts";
import { toTemplate } from "./variables.ts";

export interface Run {
  readonly upstream: string;
  /** Null for what is never sent. */
  readonly params: Readonly<Record<string, string | null>>;
  /** Whether what stands behind a script's name is PATH_INFO. */
  readonly splitsPath: boolean;
  /** Whether nothing is, as the whole path is looked for. */
  readonly isWhole?: boolean;
  /** The one script that the location runs, a path below the root. */
  readonly script: string | undefined;
  /** A client does not get there. */
  readonly isInternal: boolean;
  /** Most bytes of a body; infinity where its location is not asked for it. */
  readonly bodyMax: number;
  /** What says that symlinks in the root are followed (`$realpath_root`). */
  readonly realPath: Directive | undefined;
  /** Its access control, where another location leads to it (`reached_run.ts`). */
  readonly restriction?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** The values of nginx's own lists: what these parameters are here as well. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  QUERY_STRING: ["$query_string", "$args"],
  REQUEST_METHOD: ["$request_method"],
  CONTENT_TYPE: ["$content_type"],
  CONTENT_LENGTH: ["$content_length"],
  SCRIPT_NAME: ["$fastcgi_script_name"],
  SCRIPT_FILENAME: ["$document_root$fastcgi_script_name", "$request_filename"],
  PATH_INFO: ["$fastcgi_path_info", "$path_info"],
  PATH_TRANSLATED: ["$document_root$fastcgi_path_info", "$document_root$path_info"],
  REQUEST_URI: ["$request_uri"],
  DOCUMENT_URI: ["$document_uri"],
  DOCUMENT_ROOT: ["$document_root"],
  SERVER_PROTOCOL: ["$server_protocol"],
  REQUEST_SCHEME: ["$scheme"],
  HTTPS: ["$https", "$fastcgi_https"],
  GATEWAY_INTERFACE: ["CGI/1.1"],
  SERVER_SOFTWARE: ["nginx/$nginx_version"],
  REMOTE_ADDR: ["$remote_addr"],
  REMOTE_PORT: ["$remote_port"],
  REMOTE_USER: ["$remote_user"],
  SERVER_ADDR: ["$server_addr"],
  SERVER_PORT: ["$server_port"],
  SERVER_NAME: ["$server_name", "$host"],
  REDIRECT_STATUS: ["200"],
  // Debian's list has it; what a client sends there has been looked at.
  HTTP_HOST: ["$host", "$http_host"],
  // A client's field of that name never goes on.
  HTTP_PROXY: [""],
};

/** Undefined where the location runs nothing, or where it cannot be said. */
export function runOf(location: Location, context: ServerContext): Run | undefined {
  const { scope } = location;
  const [pass] = scope.own("fastcgi_pass");
  if (pass === undefined) return undefined;
  const upstream = context.upstreams.nameOf(pass, scope);
  if (upstream === undefined) return undefined;
  const params: Record<string, string | null> = {};
  let script: string | undefined;
  let realPath: Directive | undefined;
  for (const directive of scope.all("fastcgi_param")) {
    const [name = "", value = ""] = directive.args;
    if (USUAL[name]?.includes(value)) {
      context.notes.take(directive);
      continue;
    }
    if (isRealPath(directive)) realPath = directive;
    if (name === "SCRIPT_FILENAME") script = readScript(directive, context) ?? script;
    else readParam(name, value, directive, params, context);
  }
  const split = scope.one("fastcgi_split_path_info");
  const internal = scope.all("internal")[0];
  // Debian's snippet keeps PATH_INFO over its try_files so.
  const kept = scope.own("set").filter(({ args }) =>
    args.join(" ") === "$path_info $fastcgi_path_info"
  );
  context.notes.take(split, internal, ...kept);
  return {
    upstream,
    params,
    splitsPath: split !== undefined,
    script,
    isInternal: internal !== undefined,
    // nginx looks at it where it finds a location by the path.
    bodyMax: location.kind === "named" ? Infinity : bodyMaxOf(scope, context.notes),
    realPath,
  };
}

function isRealPath({ args: [name = "", value = ""] }: Directive): boolean {
  return (name === "SCRIPT_FILENAME" || name === "DOCUMENT_ROOT") &&
    value.startsWith("$realpath_root");
}

function readScript(directive: Directive, { notes }: ServerContext): string | undefined {
  const value = directive.args[1] ?? "";
  const path = /^\$(?:document_root|realpath_root)(.*)$/.exec(value)?.[1];
  if (path === "$fastcgi_script_name") {
    notes.take(directive);
    return undefined;
  }
  if (path !== undefined && /^(\/[^/$]+)+$/.test(path)) {
    notes.take(directive);
    return path;
  }
  notes.add("lost", directive, "the script's file is the root and the script's name");
  return undefined;
}

function readParam(
  name: string,
  value: string,
  directive: Directive,
  params: Record<string, string | null>,
  { notes, values }: ServerContext,
): void {
  if (name === "DOCUMENT_ROOT" && value === "$realpath_root") {
    notes.take(directive);
    return;
  }
  if (name === "SCRIPT_NAME" || name === "PATH_INFO" || name === "CONTENT_LENGTH") {
    notes.add("lost", directive, "afcgi makes it of the path");
    return;
  }
  const template = toTemplate(value, values);
  if (template === undefined) {
    notes.add("lost", directive, "a variable in it has no counterpart");
    // nginx would send its own word there and never the client's.
    if (name.startsWith("HTTP_")) params[name] = null;
    return;
  }
  notes.take(directive);
  params[name] = template;
  if (directive.args[2] === "if_not_empty" && template.includes("${")) {
    notes.add("differs", directive, "sent when it is empty, too");
  }
}
