/**
 * Puts snippets and files in the place of `import`, with what it passes on: `{args.0}`, `{args[0]}`,
 * `{args[:]}`. A file that is not there is an error, as in Caddy, unless a star was in its name.
 */
import { type ConfigFiles, directoryOf, matchingFiles } from "../import/config_files.ts";
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import { ImportSyntaxError } from "../import/syntax_error.ts";
import { type ReadVariable, withVariables } from "./environment.ts";
import { parseCaddyBlock, parseCaddyfile } from "./parser.ts";

const DEPTH_MAX = 16;
const IMPORTS_MAX = 500;

export interface ImportParts {
  readonly files: ConfigFiles;
  readonly readVariable: ReadVariable;
  readonly notes: Notes;
}

/** The sites and global options of a Caddyfile, without `import`. @throws {ImportSyntaxError} */
export async function readCaddyfile(
  path: string,
  source: string,
  { files, readVariable, notes }: ImportParts,
): Promise<readonly Directive[]> {
  const home = directoryOf(path);
  const snippets = new Map<string, readonly Directive[]>();
  /** Directories of files by the name under which they are shown. */
  const directories = new Map<string, string>();
  let count = 0;

  function parse(text: string, name: string, asBlock: boolean): readonly Directive[] {
    const shown = name.startsWith(home) ? name.slice(home.length) : name;
    directories.set(shown, directoryOf(name));
    const filled = withVariables(text, shown, readVariable, notes);
    return asBlock ? parseCaddyBlock(filled, shown) : parseCaddyfile(filled, shown);
  }

  async function top(directives: readonly Directive[], depth: number): Promise<Directive[]> {
    const sites: Directive[] = [];
    for (const directive of directives) {
      const snippet = /^\((.+)\)$/.exec(directive.name)?.[1];
      if (snippet !== undefined) snippets.set(snippet, directive.block ?? []);
      else if (directive.name === "import" && directive.block === undefined) {
        for (const { text, name } of await filesOf(directive, depth)) {
          sites.push(...await top(parse(text, name, false), depth + 1));
        }
      } else if (directive.block !== undefined) {
        sites.push({ ...directive, block: await inner(directive.block, depth) });
      } else sites.push(directive);
    }
    return sites;
  }

  async function inner(directives: readonly Directive[], depth: number): Promise<Directive[]> {
    const expanded: Directive[] = [];
    for (const directive of directives) {
      if (directive.name === "import") expanded.push(...await imported(directive, depth));
      else if (directive.block === undefined) expanded.push(directive);
      else expanded.push({ ...directive, block: await inner(directive.block, depth) });
    }
    return expanded;
  }

  async function imported(directive: Directive, depth: number): Promise<Directive[]> {
    const [name = "", ...args] = directive.args;
    const snippet = snippets.get(name);
    if (snippet !== undefined) {
      count1(directive, depth);
      return await inner(withArguments(snippet, args), depth + 1);
    }
    const expanded: Directive[] = [];
    for (const file of await filesOf(directive, depth)) {
      const block = parse(file.text, file.name, true);
      expanded.push(...await inner(withArguments(block, args), depth + 1));
    }
    return expanded;
  }

  function count1(directive: Directive, depth: number): void {
    const place = `${directive.file}:${directive.line}`;
    if (depth >= DEPTH_MAX) {
      throw new ImportSyntaxError(`${place}: Imports are more than ${DEPTH_MAX} deep`);
    }
    if (++count > IMPORTS_MAX) {
      throw new ImportSyntaxError(`${place}: There are more than ${IMPORTS_MAX} imports`);
    }
  }

  async function filesOf(
    directive: Directive,
    depth: number,
  ): Promise<{ readonly text: string; readonly name: string }[]> {
    count1(directive, depth);
    const wanted = directive.args[0] ?? "";
    const directory = directories.get(directive.file) ?? home;
    const joined = wanted.startsWith("/") ? wanted : directory + wanted.replace(/^\.\//, "");
    const hasStar = /[*?]/.test(wanted);
    const found: { text: string; name: string }[] = [];
    for (const name of hasStar ? await matchingFiles(joined, files) : [joined]) {
      const text = await files.read(name);
      if (text !== undefined) found.push({ text, name });
    }
    if (found.length === 0 && !hasStar) {
      const place = `${directive.file}:${directive.line}`;
      throw new ImportSyntaxError(`${place}: There is no snippet or file "${wanted}" to import`);
    }
    return found;
  }

  return await top(parse(source, path, false), 0);
}

function withArguments(
  directives: readonly Directive[],
  args: readonly string[],
): readonly Directive[] {
  const fill = (text: string) =>
    text.replace(
      /\{args(?:\.(\d+)|\[(\d+)\])\}/g,
      (all, dotted, index) => args[Number(dotted ?? index)] ?? all,
    );
  const fillAll = (texts: readonly string[]) =>
    texts.flatMap((text) => {
      const [, from, to] = /^\{args\[(\d*):(\d*)\]\}$/.exec(text) ?? [];
      if (from === undefined) return [fill(text)];
      return args.slice(Number(from || 0), to ? Number(to) : undefined);
    });
  return directives.map((directive) => {
    const [name = "", ...rest] = fillAll([directive.name, ...directive.args]);
    const { block } = directive;
    return { ...directive, name, args: rest, block: block && withArguments(block, args) };
  });
}
