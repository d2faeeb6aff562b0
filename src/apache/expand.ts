/**
 * Puts included files in their place, variables (`Define`, `${NAME}`) into texts, and what a
 * condition (`<IfModule>`, `<IfDefine>`, `<IfVersion>`, `<IfFile>`) holds where it holds. Modules
 * are taken as loaded, except those that run PHP within Apache.
 */
import { type ConfigFiles, directoryOf, matchingFiles } from "../import/config_files.ts";
import type { Notes } from "../import/notes.ts";
import { ImportSyntaxError } from "../import/syntax_error.ts";
import { type ApacheDirective, parseApache } from "./parser.ts";

/** Where Apache is installed, for a file that stands elsewhere. */
const APACHE_HOME = "/etc/apache2/";
const FILES_MAX = 500;
const DEPTH_MAX = 16;

/** What Debian's start script sets. */
const VARIABLES: Readonly<Record<string, string>> = {
  APACHE_LOG_DIR: "/var/log/apache2",
  APACHE_RUN_DIR: "/var/run/apache2",
  APACHE_LOCK_DIR: "/var/lock/apache2",
  APACHE_PID_FILE: "/var/run/apache2/apache2.pid",
  APACHE_RUN_USER: "www-data",
  APACHE_RUN_GROUP: "www-data",
};

const ABSENT =
  /^(?:!)?(?:mod_)?(?:lib)?(?:php\d*(?:\.\d)?|suphp|fcgid|fastcgi|perl|python|wsgi|passenger|pagespeed|ruid2|mpm_itk|dontdothat)(?:_module|\.c)?$/i;

export interface ExpandParts {
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
  readonly notes: Notes;
}

export class ApacheReader {
  readonly #parts: ExpandParts;
  readonly #home: string;
  readonly #defined = new Map<string, string>();
  readonly #macros = new Map<string, ApacheDirective>();
  #serverRoot: string | undefined;
  #count = 0;

  constructor(path: string, parts: ExpandParts) {
    this.#home = directoryOf(path);
    this.#parts = parts;
  }

  get serverRoot(): string {
    return this.#serverRoot ?? APACHE_HOME;
  }

  /** The directives of a file, with everything that it includes. @throws {ImportSyntaxError} */
  async read(path: string, source: string, depth = 0): Promise<ApacheDirective[]> {
    const shown = path.startsWith(this.#home) ? path.slice(this.#home.length) : path;
    return await this.#expand(parseApache(source, shown), depth);
  }

  async #expand(directives: readonly ApacheDirective[], depth: number): Promise<ApacheDirective[]> {
    const expanded: ApacheDirective[] = [];
    for (const raw of directives) {
      const directive = { ...raw, args: raw.args.map((arg) => this.#filled(arg)) };
      expanded.push(...await this.#one(directive, depth));
    }
    return expanded;
  }

  async #one(directive: ApacheDirective, depth: number): Promise<ApacheDirective[]> {
    const { key, args: [first = "", second = ""], block } = directive;
    const { notes } = this.#parts;
    if (block === undefined) {
      if (key === "define") this.#defined.set(first, second);
      else if (key === "undefine") this.#defined.delete(first);
      else if (key === "include" || key === "includeoptional") {
        return await this.#included(directive, depth);
      } else if (key === "use") return await this.#used(directive, depth);
      else {
        if (key === "serverroot") this.#serverRoot = `${first.replace(/\/$/, "")}/`;
        return [directive];
      }
      notes.take(directive);
      return [];
    }
    if (key === "macro") {
      this.#macros.set(first.toLowerCase(), directive);
      notes.take(directive);
      return [];
    }
    const holds = this.#holds(directive);
    if (holds === undefined) return [{ ...directive, block: await this.#expand(block, depth) }];
    notes.take(directive);
    return holds ? await this.#expand(block, depth) : [];
  }

  /** Undefined for a section that is no condition of the configuration. */
  #holds({ key, args }: ApacheDirective): boolean | undefined {
    const [first = ""] = args;
    const isNot = first.startsWith("!");
    const name = isNot ? first.slice(1) : first;
    if (key === "ifmodule") return ABSENT.test(name) === isNot;
    if (key === "ifdefine") return this.#defined.has(name) !== isNot;
    if (key === "iffile") {
      const path = name.startsWith("/") ? name : this.serverRoot + name;
      return this.#parts.isFile(path) !== isNot;
    }
    if (key === "ifdirective" || key === "ifsection") return !isNot;
    if (key === "ifversion") return holdsVersion(args);
    return undefined;
  }

  async #included(directive: ApacheDirective, depth: number): Promise<ApacheDirective[]> {
    const place = `${directive.file}:${directive.line}`;
    if (depth >= DEPTH_MAX) {
      throw new ImportSyntaxError(`${place}: Files include each other more than ${DEPTH_MAX} deep`);
    }
    const expanded: ApacheDirective[] = [];
    const names = await this.#filesOf(directive.args[0] ?? "");
    for (const name of names) {
      const text = await this.#parts.files.read(name);
      if (text === undefined) continue;
      if (++this.#count > FILES_MAX) {
        throw new ImportSyntaxError(`${place}: More than ${FILES_MAX} files are included`);
      }
      expanded.push(...await this.read(name, text, depth + 1));
    }
    const isNeeded = directive.key === "include" && !/[*?[]/.test(directive.args[0] ?? "");
    if (names.length === 0 && isNeeded) {
      this.#parts.notes.add("lost", directive, "there is no such file");
    } else this.#parts.notes.take(directive);
    return expanded;
  }

  async #filesOf(wanted: string): Promise<readonly string[]> {
    const { files, isFile } = this.#parts;
    const bases = wanted.startsWith("/")
      ? [""]
      : [...new Set([this.#serverRoot ?? this.#home, this.#home, APACHE_HOME])];
    for (const base of bases) {
      const path = base + wanted;
      if (/[*?]/.test(wanted)) {
        const found = await matchingFiles(path, files);
        if (found.length > 0) return found.filter(isFile);
      } else if (isFile(path)) return [path];
      else {
        const directory = path.endsWith("/") ? path : `${path}/`;
        const names = await files.list(directory);
        const found = [...names].sort().map((name) => directory + name).filter(isFile);
        if (found.length > 0) return found;
      }
    }
    return [];
  }

  /** `Use NAME arguments` of a `<Macro NAME $a $b>`. */
  async #used(directive: ApacheDirective, depth: number): Promise<ApacheDirective[]> {
    const [name = "", ...values] = directive.args;
    const macro = this.#macros.get(name.toLowerCase());
    if (macro === undefined || depth >= DEPTH_MAX) {
      const place = `${directive.file}:${directive.line}`;
      throw new ImportSyntaxError(`${place}: There is no <Macro ${name}> to use`);
    }
    this.#parts.notes.take(directive);
    const filled = macro.args.slice(1).map((parameter, index) =>
      [parameter, values[index] ?? ""] as const
    )
      .sort(([a], [b]) => b.length - a.length);
    const fill = (text: string) =>
      filled.reduce((done, [parameter, value]) => done.replaceAll(parameter, value), text);
    const fillAll = (directives: readonly ApacheDirective[]): ApacheDirective[] =>
      directives.map((it) => ({
        ...it,
        args: it.args.map(fill),
        block: it.block && fillAll(it.block),
      }));
    return await this.#expand(fillAll(macro.block ?? []), depth + 1);
  }

  #filled(text: string): string {
    return text.replace(
      /\$\{(\w+)\}/g,
      (all, name: string) =>
        this.#defined.get(name) ?? this.#parts.readVariable(name) ?? VARIABLES[name] ?? all,
    );
  }
}

/** As 2.4.60 would say. */
function holdsVersion(args: readonly string[]): boolean {
  const [operator, version = ""] = args.length > 1 ? args : ["=", args[0]];
  if (/[~/]/.test(version + operator)) return true;
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const difference = [2 - major, 4 - minor, 60 - patch].find((it) => it !== 0) ?? 0;
  const sign = Math.sign(difference);
  const tests: Readonly<Record<string, boolean>> = {
    "=": sign === 0,
    "==": sign === 0,
    ">": sign > 0,
    ">=": sign >= 0,
    "<": sign < 0,
    "<=": sign <= 0,
  };
  return tests[operator ?? "="] ?? true;
}
