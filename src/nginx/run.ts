/** What `fastcgi_pass` of a location says: the upstream, the script, and the parameters. */
import { bodyMaxOf } from "./body_limits.ts";
import type { Guards } from "./guards.ts";
import { copiedFields } from "./forward_auth.ts";
import { fastCgiOptions } from "./fastcgi_options.ts";
import type { FilePlace } from "./file_place.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { isScriptFile, type ScriptFile, scriptFileOf } from "./script_file.ts";
import type { ServerContext } from "./server_context.ts";
import { toConstant, toTemplate, variablesIn, type VariableValues } from "./variables.ts";

export interface Run {
  readonly upstream: string;
  /** Null for what is never sent. */
  readonly params: Readonly<Record<string, string | null>>;
  /** Whether what stands behind a script's name is PATH_INFO. */
  readonly splitsPath: boolean;
  /** Where an application's own split ends its script's name. */
  readonly split?: { readonly split_path: readonly string[] } | { readonly script_name: string };
  /** Whether nothing is, as the whole path is looked for. */
  readonly isWhole?: boolean;
  readonly script: ScriptFile;
  /** Whether its scripts are PHP's, which run where they exist. */
  readonly isPhp: boolean;
  /** What stands behind a path that ends with "/". */
  readonly index: string | undefined;
  /** What the location says of its application's responses and of sending to it. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly place: FilePlace;
  /** A client does not get there. */
  readonly isInternal: boolean;
  /** Most bytes of a body; infinity where its location is not asked for it. */
  readonly bodyMax: number;
  /** What says that symlinks in the root are followed (`$realpath_root`). */
  readonly realPath: Directive | undefined;
  /** Access control, where another location leads to it (`reached_run.ts`). */
  readonly guards?: Guards | undefined;
}

/** The values of nginx's own lists: what these parameters are here as well. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  QUERY_STRING: ["$query_string", "$args"],
  REQUEST_METHOD: ["$request_method"],
  CONTENT_TYPE: ["$content_type"],
  CONTENT_LENGTH: ["$content_length"],
  SCRIPT_NAME: ["$fastcgi_script_name"],
  PATH_INFO: ["$fastcgi_path_info", "$path_info"],
  PATH_TRANSLATED: ["$document_root$fastcgi_path_info", "$document_root$path_info"],
  REQUEST_URI: ["$request_uri"],
  DOCUMENT_URI: ["$document_uri"],
  DOCUMENT_ROOT: ["$document_root", "$realpath_root"],
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
export function runOf(
  location: Location,
  place: FilePlace,
  context: ServerContext,
): Run | undefined {
  const { scope } = location;
  const [pass] = scope.all("fastcgi_pass").slice(-1);
  if (pass === undefined || !isOwn(location, "fastcgi_pass")) return undefined;
  const target = toConstant(pass.args[0] ?? "", context.values);
  const upstream = target && context.upstreams.nameOf(pass, scope, target);
  if (!upstream) return undefined;
  const split = scope.one("fastcgi_split_path_info");
  const script = scriptFileOf(location, place, context);
  if (script === undefined) return undefined;
  const isPhp = script.kind !== "file" &&
    (isScriptFile(location) || /php|fpm|:9000$/.test(`${target} ${upstream}`) ||
      split?.args[0]?.includes("\\.php") === true || script.kind === "one");
  const ownSplit = split !== undefined && !isPhp ? readSplit(split, context) : undefined;
  const [internal] = scope.all("internal");
  const index = scope.one("fastcgi_index");
  context.notes.take(split, internal, ...keptPathInfo(location), index);
  return {
    upstream,
    params: paramsOf(location, isPhp || ownSplit !== undefined, place, context),
    splitsPath: split !== undefined,
    ...(ownSplit && { split: ownSplit }),
    script,
    isPhp,
    index: index && toConstant(index.args[0] ?? "", context.values),
    options: fastCgiOptions(scope, context.notes),
    place: script.place,
    isInternal: internal !== undefined,
    // nginx looks at it where it finds a location by the path.
    bodyMax: location.kind === "named" ? Infinity : bodyMaxOf(scope, context.notes),
    realPath: scope.all("fastcgi_param").find(isRealPath),
  };
}

/** A location within another one has no handler of that; an `if` in a location does. */
export function isOwn({ scope, isCase }: Location, name: string): boolean {
  return scope.own(name).length > 0 || (isCase === true && scope.all(name).length > 0);
}

function isRealPath({ args: [name = "", value = ""] }: Directive): boolean {
  return (name === "SCRIPT_FILENAME" || name === "DOCUMENT_ROOT") &&
    value.startsWith("$realpath_root");
}

/** Debian's snippet keeps PATH_INFO over its try_files so. */
function keptPathInfo({ scope }: Location): readonly Directive[] {
  return scope.own("set").filter(({ args }) => args.join(" ") === "$path_info $fastcgi_path_info");
}

function readSplit(split: Directive, { notes }: ServerContext): Run["split"] | undefined {
  const source = split.args[0] ?? "";
  const ending = /^\^\((?:\.[+*]\??|\/\.[+*]\??)?\\(\.\w+)\)/.exec(source)?.[1];
  if (ending !== undefined) return { split_path: [ending] };
  const prefix = /^\^\(((?:\/[\w-]+)+)\)\(/.exec(source)?.[1];
  if (prefix !== undefined) return { script_name: prefix };
  notes.add("lost", split, "no ending and no beginning says where a script's name ends");
  return undefined;
}

/** `isMade`: afcgi makes SCRIPT_NAME and PATH_INFO of the path. */
function paramsOf(
  location: Location,
  isMade: boolean,
  place: FilePlace,
  context: ServerContext,
): Record<string, string | null> {
  const { notes } = context;
  const params: Record<string, string | null> = isMade
    ? {}
    : { SCRIPT_NAME: "${request.path}", PATH_INFO: null };
  const fields = copiedFields(location);
  const set = new Map(context.values.set);
  for (const [name, field] of fields) set.set(name, `\${request.header.${field}}`);
  if (!isMade) {
    set.set("fastcgi_script_name", "${request.path}");
    set.set("fastcgi_path_info", "");
  }
  const values: VariableValues = { ...context.values, root: place.root, set };
  for (const directive of location.scope.all("fastcgi_param")) {
    const [name = "", value = ""] = directive.args;
    if (name === "SCRIPT_FILENAME") continue;
    if (USUAL[name]?.includes(value)) {
      notes.take(directive);
      continue;
    }
    const isNamed = isMade && context.values.hasGroup?.(value.replace(/^\$/, "")) === true;
    if ((name === "SCRIPT_NAME" || name === "PATH_INFO") && isNamed) {
      notes.take(directive);
      continue;
    }
    if ((name === "SCRIPT_NAME" || name === "PATH_INFO") && isMade || name === "CONTENT_LENGTH") {
      notes.add("lost", directive, "afcgi makes it of the path");
      continue;
    }
    const template = toTemplate(value, values);
    if (template === undefined || /[=\0]/.test(name)) {
      notes.add("lost", directive, "a variable in it has no counterpart");
      // nginx would send its own word there and never the client's.
      if (name.startsWith("HTTP_")) params[name] = null;
      continue;
    }
    notes.take(directive, ...usedRequests(location, value));
    params[name] = template;
    if (directive.args[2] === "if_not_empty" && template.includes("${")) {
      notes.add("differs", directive, "sent when it is empty, too");
    }
  }
  return params;
}

/** The `auth_request_set` that a value is made of. */
function usedRequests({ scope }: Location, value: string): readonly Directive[] {
  const names = variablesIn(value);
  return scope.all("auth_request_set").filter(({ args: [variable = ""] }) =>
    names.includes(variable.replace(/^\$/, ""))
  );
}
