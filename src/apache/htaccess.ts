/**
 * `.htaccess` files: in the directories of a space, in those around it and below it, where
 * `AllowOverride` lets them say something. One that says what it may not is an error in Apache, and
 * so closes its directory.
 */
import type { ConfigFiles } from "../import/config_files.ts";
import type { Notes } from "../import/notes.ts";
import type { ApacheReader } from "./expand.ts";
import type { ApacheDirective } from "./parser.ts";
import { caseOf, globSource, type Space } from "./spaces.ts";

export interface Htaccess {
  readonly directory: string;
  readonly directives: readonly ApacheDirective[];
  readonly by: ApacheDirective;
}

/** Most directories that are looked into, and how deep. */
const DIRECTORIES_MAX = 20_000;
const DEPTH_MAX = 24;

export interface HtaccessParts {
  readonly reader: ApacheReader;
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  readonly notes: Notes;
}

/** What `AllowOverride` is for a directory. */
export type Allowed = "all" | "none" | ReadonlySet<string>;

/** Where `<Directory>` says what files may override, from the outside in. */
export interface OverrideRule {
  readonly matches: (directory: string) => boolean;
  readonly allowed: Allowed;
}

export function overrideRules(
  layers: readonly (readonly ApacheDirective[])[],
): readonly OverrideRule[] {
  const rules: (OverrideRule & { readonly length: number })[] = [];
  for (const directives of layers) {
    for (const { key, args, block } of directives) {
      if (key !== "directory" && key !== "directorymatch") continue;
      const said = block?.filter((it) =>
        it.key === "allowoverride" || it.key === "allowoverridelist"
      ) ?? [];
      if (said.length === 0) continue;
      const isExpression = key === "directorymatch" || args[0] === "~";
      const pattern = (args[0] === "~" ? args[1] : args[0]) ?? "";
      rules.push({
        matches: directoryMatcher(pattern, isExpression),
        allowed: allowedBy(said.flatMap((it) => it.args)),
        length: isExpression ? Infinity : pattern.length,
      });
    }
  }
  return rules.toSorted((a, b) => a.length - b.length);
}

function directoryMatcher(pattern: string, isExpression: boolean): (directory: string) => boolean {
  const bare = pattern.replace(/\/+$/, "");
  if (!isExpression && !/[*?[]/.test(bare)) {
    return (directory) => directory === bare || directory.startsWith(`${bare}/`);
  }
  const { source, ignoreCase } = isExpression
    ? caseOf(pattern)
    : { source: `^${bare.split("/").map(globSource).join("/")}(?:/|$)`, ignoreCase: false };
  try {
    const test = new RegExp(source, ignoreCase ? "i" : "");
    return (directory) => test.test(directory) || test.test(`${directory}/`);
  } catch {
    return () => false;
  }
}

function allowedBy(args: readonly string[]): Allowed {
  const names = args.map((arg) => arg.toLowerCase().replace(/=.*$/, ""));
  if (names.includes("all")) return "all";
  const some = names.filter((name) => name !== "none");
  return some.length === 0 ? "none" : new Set(some);
}

export async function htaccessOf(
  space: Space,
  rules: readonly OverrideRule[],
  names: readonly string[],
  parts: HtaccessParts,
): Promise<readonly Htaccess[]> {
  const found: Htaccess[] = [];
  const allowedIn = (directory: string) =>
    rules.findLast(({ matches }) => matches(directory))?.allowed ?? "none";
  if (!rules.some(({ allowed }) => allowed !== "none")) return found;
  let count = 0;

  async function look(directory: string): Promise<void> {
    const allowed = allowedIn(directory);
    if (allowed === "none") return;
    for (const name of names) {
      const path = `${directory}/${name}`;
      const text = parts.isFile(path) ? await parts.files.read(path) : undefined;
      if (text === undefined) continue;
      const directives = await parts.reader.read(path, text);
      const by: ApacheDirective = {
        name,
        key: "htaccess",
        args: [],
        block: undefined,
        file: path,
        line: 1,
      };
      found.push({ directory, by, directives: checked(directives, allowed, by, parts.notes) });
      return;
    }
  }

  async function descend(directory: string, depth: number): Promise<void> {
    await look(directory);
    if (depth === DEPTH_MAX) return;
    for (const name of await parts.files.list(`${directory}/`)) {
      const inner = `${directory}/${name}`;
      if (!parts.isDirectory(inner) || name === ".git") continue;
      if (++count > DIRECTORIES_MAX) throw new TooManyDirectories(space.directory);
      await descend(inner, depth + 1);
    }
  }

  const around = space.directory.split("/").slice(1, -1);
  for (let length = 1; length <= around.length; length++) {
    await look(`/${around.slice(0, length).join("/")}`);
  }
  await descend(space.directory, 0);
  return found;
}

export class TooManyDirectories extends Error {
  override readonly name = "TooManyDirectories";

  constructor(directory: string) {
    super(`${directory} has more than ${DIRECTORIES_MAX} directories to look for .htaccess in`);
  }
}

const CATEGORIES: readonly (readonly [string, RegExp])[] = [
  ["authconfig", /^(?:auth\w*|require|requireall|requireany|requirenone|ssl\w*|satisfy)$/],
  ["limit", /^(?:order|allow|deny)$/],
  [
    "indexes",
    /^(?:directoryindex\w*|directoryslash|fallbackresource|expires\w*|add(?:icon|alt|description)\w*|index\w*|fancyindexing|headername|readmename|defaulticon)$/,
  ],
  ["options", /^(?:options|filters?|setoutputfilter)$/],
  [
    "fileinfo",
    /^(?:rewrite\w*|redirect\w*|errordocument|header|requestheader|setenv\w*|unsetenv|passenv|browsermatch\w*|addtype|addhandler|addencoding|addcharset|addlanguage|adddefaultcharset|addoutputfilter\w*|sethandler|forcetype|defaulttype|remove\w+|action|cgipassauth|limitrequestbody|fileetag|contentdigest|enablesendfile)$/,
  ],
];

/** One that says what it may not is answered with 500 by Apache. */
function checked(
  directives: readonly ApacheDirective[],
  allowed: Allowed,
  by: ApacheDirective,
  notes: Notes,
): readonly ApacheDirective[] {
  if (allowed === "all" || allowed === "none") return directives;
  for (const directive of directives.flatMap((it) => [it, ...it.block ?? []])) {
    const category = CATEGORIES.find(([, names]) => names.test(directive.key))?.[0];
    if (category === undefined || allowed.has(category) || allowed.has(directive.key)) continue;
    notes.add(
      "refused",
      directive,
      "AllowOverride does not let it stand here, so its directory is closed",
    );
    return [{ ...by, name: "Require", key: "require", args: ["all", "denied"] }];
  }
  return directives;
}
