/** `php_fastcgi` → `php`: scripts that are there, a directory's index, else the front controller. */
import { type RouteValue, type Step, Unsayable } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import { fastCgiUpstream } from "./http_upstream.ts";
import { matcherOf } from "./matchers.ts";
import type { DirectiveReader } from "./middleware.ts";
import { toTemplate } from "./placeholders.ts";
import { missingFirst } from "./responses.ts";
import { fileKeys } from "./route_keys.ts";
import type { SiteContext, SiteState } from "./site_state.ts";
import { commentOf, lettingIn, whenOf } from "./when.ts";

const OWN = new Set(["root", "split", "index", "try_files", "env", "resolve_root_symlink"]);
const REFUSING = new Set(["handle_response", "replace_status", "intercept", "rewrite", "method"]);

export const phpFastCgi: DirectiveReader = (directive, context) => {
  const { matcher, args } = matcherOf(directive, context);
  const { notes } = context;
  const lines = directive.block ?? [];
  const refused = lines.find(({ name }) => REFUSING.has(name) || name.startsWith("@"));
  if (refused !== undefined) throw new Unsayable(refused, "it has no counterpart");
  for (const line of lines) if (OWN.has(line.name)) notes.take(line);
  notes.take(directive);
  const when = matcher.file === undefined ? whenOf(matcher, directive) : () => [{}];
  const steps: Step<SiteState>[] = [
    ...lettingIn(matcher, when, directive),
    {
      kind: "end",
      when,
      comment: commentOf(directive),
      routes: (state) => phpRoutes(state, directive, args, context),
      passesOn: true,
    },
  ];
  return missingFirst(matcher, directive, steps);
};

function phpRoutes(
  state: SiteState,
  directive: Directive,
  args: readonly string[],
  context: SiteContext,
): readonly RouteValue[] {
  const lines = directive.block ?? [];
  const all = (name: string) => lines.filter((line) => line.name === name);
  const one = (name: string) => all(name)[0]?.args[0];
  if (state.root === undefined && one("root") === undefined) {
    throw new Unsayable(directive, "its scripts have no root");
  }
  const files = state.root === undefined ? { ...state, root: one("root") } : state;
  const split = all("split").flatMap((line) => line.args);
  const index = one("index") ?? "index.php";
  const applicationRoot = one("root");
  const upstream = fastCgiUpstream(directive, args, "php", context).name;
  const tries = triesOf(state, directive, index, context.notes);
  const params = paramsOf(state, all("env"), context);
  const handler = {
    upstream,
    ...(index !== "index.php" && index !== "off" && { index: [index.replace(/^.*\//, "")] }),
    ...(split.length > 0 && split.join() !== ".php" && { split_path: split }),
    ...(all("resolve_root_symlink").length > 0 && { resolve_root: true }),
    ...(applicationRoot && applicationRoot !== files.root && { application_root: applicationRoot }),
    ...(Object.keys(params).length > 0 && { params }),
    ...(state.prefix !== "" && state.rewrite === undefined && { strip: state.prefix }),
  };
  // PHP is not told of a prefix that Caddy takes off.
  const { strip_prefix: _none, ...keys } = fileKeys(files, context);
  const withQuery = tries.find((tried) => tried.includes("?"));
  if (withQuery === undefined) return [{ ...keys, php: { ...handler, try: tries } }];
  const before = tries.slice(0, tries.indexOf(withQuery));
  return [
    ...before.length > 0 ? [{ ...keys, php: { ...handler, try: before } }] : [],
    // What is a file is no path for the front controller.
    ...before.includes("file") && context.servesFiles ? [{ ...keys, static: { index: [] } }] : [],
    { ...keys, rewrite: withQuery, php: { ...handler, try: [withQuery.replace(/\?.*$/, "")] } },
  ];
}

export function paramsOf(
  { fields }: SiteState,
  lines: readonly Directive[],
  context: SiteContext,
): Record<string, string | null> {
  const params: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(fields)) {
    params[`HTTP_${name.toUpperCase().replaceAll("-", "_")}`] = value;
  }
  for (const line of lines) {
    const [name = "", value = ""] = line.args;
    params[name] = toTemplate(value, line, context);
  }
  return params;
}

/** What is tried for a path, in the words of `try`. */
function triesOf(
  { existence, tries: outer }: SiteState,
  directive: Directive,
  index: string,
  notes: Notes,
): readonly string[] {
  const said = directive.block?.find(({ name }) => name === "try_files")?.args;
  if (existence === "there") return ["script", "file", "folder"];
  const controller = index === "off" ? [] : [`/${index.replace(/^\//, "")}`];
  const own = said === undefined
    ? (index === "off" ? ["script"] : ["script", "file", "folder", ...controller])
    : said.flatMap((text) => ownTry(text, directive));
  if (existence === "missing") return own.filter((it) => it.startsWith("/") || it.startsWith("$"));
  if (outer === undefined) return own;
  // What is found before is a script or a file already, and so is not looked for again.
  const first = outer.flatMap((text) =>
    text === "file" ? ["script", "file"] : outerTry(text, directive, notes)
  );
  return [...new Set([...first, ...own.filter((it) => it.startsWith("/"))])];
}

function outerTry(text: string, directive: Directive, notes: Notes): readonly string[] {
  if (text === "folder") return ["folder"];
  if (text.startsWith("=")) return [text];
  if (text.startsWith("+") && text.endsWith(".php")) return [`\${path}${text.slice(1)}`];
  if (/\.php(?:\?|$)/.test(text)) return [text];
  notes.add(
    "lost",
    directive,
    `"${text.replace(/^\+/, "{path}")}" is not tried before its scripts`,
  );
  return [];
}

function ownTry(text: string, directive: Directive): readonly string[] {
  const [path = ""] = text.split("?");
  if (/^=[45]\d\d$/.test(text)) return [text];
  if (path === "{path}") return ["script", "file"];
  if (/^\{path\}\/?(?:index\.php)?$/.test(path)) return ["folder"];
  const behind = /^\{path\}(.*)$/.exec(path)?.[1];
  if (behind !== undefined && behind.endsWith(".php")) return [`\${path}${behind}`];
  if (path.endsWith(".php") && !path.includes("{")) {
    return [path.startsWith("/") ? path : `/${path}`];
  }
  throw new Unsayable(directive, `"${text}" is not tried`);
}
