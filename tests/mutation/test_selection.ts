/**
 * Which tests can notice a change of a source file: those that import it, over however many files.
 * The nearest come first, because they are the likeliest to notice.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const RELATIVE_IMPORT = /(?:from|import|import\()\s*"(\.{1,2}\/[^"]+)"/g;

/** The nearest first. */
export interface TestsByDirectory {
  /** Those of the source file's own directory. */
  readonly own: readonly string[];
  readonly others: readonly string[];
}

/** What imports what, read once for all test files. */
export class TestSelection {
  readonly #root: string;
  readonly #testFiles: readonly string[];
  readonly #imports = new Map<string, readonly string[]>();
  readonly #known = new Map<string, TestsByDirectory>();

  /** `testFiles` are paths from `root`. */
  constructor(root: string, testFiles: readonly string[]) {
    this.#root = root;
    this.#testFiles = testFiles;
  }

  /** Test files that reach `file`. */
  byDirectory(file: string): TestsByDirectory {
    const known = this.#known.get(file) ?? this.#search(file);
    this.#known.set(file, known);
    return known;
  }

  /** The file, and all that it imports, over however many files. */
  closureOf(file: string): readonly string[] {
    const closure = new Set([file]);
    for (const path of closure) {
      for (const imported of this.#importsOf(path)) {
        if (existsSync(join(this.#root, imported))) closure.add(imported);
      }
    }
    return [...closure];
  }

  #search(file: string): TestsByDirectory {
    const ownDirectory = `tests/${dirname(file).split("/")[1] ?? ""}/`;
    const tests = this.#testFiles
      .map((test) => ({ test, distance: this.#distance(test, file) }))
      .filter(({ distance }) => distance !== Infinity)
      .sort((one, other) => one.distance - other.distance || one.test.localeCompare(other.test))
      .map(({ test }) => test);
    const isOwn = (test: string) => test.startsWith(ownDirectory);
    return { own: tests.filter(isOwn), others: tests.filter((test) => !isOwn(test)) };
  }

  #distance(from: string, to: string): number {
    let frontier = [from];
    const seen = new Set(frontier);
    for (let distance = 0; frontier.length > 0; distance++) {
      if (frontier.includes(to)) return distance;
      const next = frontier.flatMap((path) => this.#importsOf(path)).filter((path) =>
        !seen.has(path)
      );
      frontier = [...new Set(next)];
      for (const path of frontier) seen.add(path);
    }
    return Infinity;
  }

  #importsOf(path: string): readonly string[] {
    const known = this.#imports.get(path);
    if (known !== undefined) return known;
    const full = join(this.#root, path);
    const text = existsSync(full) && path.endsWith(".ts") ? readFileSync(full, "utf8") : "";
    const found = [...text.matchAll(RELATIVE_IMPORT)]
      .map(([, target]) => normalize(join(dirname(path), target!)).replaceAll("\\", "/"));
    this.#imports.set(path, found);
    return found;
  }
}
