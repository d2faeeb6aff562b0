/** Which file a location runs: SCRIPT_FILENAME of its parameters, in whatever form it is said. */
import type { FilePlace } from "./file_place.ts";
import type { Location } from "./locations.ts";
import type { ServerContext } from "./server_context.ts";
import { toTemplate, type VariableValues } from "./variables.ts";

export type ScriptFile =
  & { readonly place: FilePlace }
  & (
    /** The path below the root. */
    | { readonly kind: "path" }
    /** One script below the root. */
    | { readonly kind: "one"; readonly script: string }
    /** A file anywhere, by its whole name with references. */
    | { readonly kind: "file"; readonly file: string }
  );

/** Undefined, and noted, where it cannot be said. */
export function scriptFileOf(
  location: Location,
  place: FilePlace,
  { notes, values, siteRoot }: ServerContext,
): ScriptFile | undefined {
  const directive = location.scope.all("fastcgi_param").findLast(({ args }) =>
    args[0] === "SCRIPT_FILENAME"
  );
  if (directive === undefined) return { kind: "path", place };
  const value = (directive.args[1] ?? "").replaceAll(/\$\{(\w+)\}/g, "$$$1");
  notes.take(directive);
  if (value === "$request_filename") return { kind: "path", place };
  const below = /^\$(?:document_root|realpath_root)(.*)$/.exec(value)?.[1];
  const name = /^\/?\$(\w+)$/.exec(below ?? "")?.[1] ?? "";
  const isOwn = /^(?:fastcgi_script_name|uri|document_uri)$/.test(name);
  if (isOwn || isNamedScript(name, location, values)) {
    // With an alias nginx puts the whole path behind it.
    const { root } = place;
    const isSites = root !== undefined && root === siteRoot;
    const whole = { root, keys: root === undefined || isSites ? {} : { root } };
    return { kind: "path", place: place.keys.strip_prefix === undefined ? place : whole };
  }
  const set = new Map([...values.set ?? [], ["fastcgi_script_name", "${request.path}"]]);
  const file = toTemplate(value, { ...values, root: place.root, set });
  if (file === undefined || !file.startsWith("/")) {
    notes.add("refused", directive, "the script's file cannot be said");
    return undefined;
  }
  const root = place.root?.replace(/\/$/, "");
  const isBelow = root !== undefined && file.startsWith(`${root}/`) && !file.includes("${");
  if (!isBelow || !file.endsWith(".php")) return { kind: "file", file, place };
  return { kind: "one", script: file.slice(root.length).replace(/^\/+/, "/"), place };
}

/** Whether a variable is the group of a location's expression that ends with a script's name. */
export function isNamedScript(
  name: string,
  { kind, text }: Location,
  { hasGroup }: VariableValues,
): boolean {
  return kind === "regex" && hasGroup?.(name) === true &&
    new RegExp(`\\(\\?P?<${name}>[^()]*\\\\\\.php\\)`).test(text);
}

/** Whether a location's paths are names of PHP's scripts. */
export function isScriptFile({ kind, text }: Location): boolean {
  return kind === "regex" ? /\\\.ph(?:p|ar|tml)/.test(text) : /\.php$/.test(text);
}
