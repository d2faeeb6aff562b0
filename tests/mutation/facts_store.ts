/**
 * Remembers from run to run what each test file runs through, so that only those are measured again
 * that have changed, or import something that has. An entry is known by the contents of the test file
 * and of all that it imports. What else a test reads (documents, examples) is not in it: so who takes
 * an entry tries the test once without a fault before its word counts against one.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** Of a test file that passes by itself. */
export interface StoredFacts {
  readonly durationMs: number;
  /** By source file, from 1. */
  readonly lines: ReadonlyMap<string, ReadonlySet<number>>;
}

export class FactsStore {
  readonly #directory: string;
  readonly #root: string;

  /** `root` is where the paths of files begin. */
  constructor(directory: string, root: string) {
    this.#directory = directory;
    this.#root = root;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** `files` are the test file and all that it imports. */
  keyOf(files: readonly string[]): string {
    const hash = createHash("sha256").update(`${process.version}\0`);
    for (const file of [...files].sort()) {
      hash.update(`${file}\0`).update(readFileSync(join(this.#root, file))).update("\0");
    }
    return hash.digest("hex");
  }

  read(key: string): StoredFacts | undefined {
    const path = this.#pathOf(key);
    if (!existsSync(path)) return undefined;
    const { durationMs, lines } = JSON.parse(readFileSync(path, "utf8")) as {
      durationMs: number;
      lines: Record<string, number[]>;
    };
    return {
      durationMs,
      lines: new Map(Object.entries(lines).map(([file, list]) => [file, new Set(list)])),
    };
  }

  write(key: string, { durationMs, lines }: StoredFacts): void {
    const listed = [...lines].map(([file, set]) => [file, [...set]]);
    const text = JSON.stringify({ durationMs, lines: Object.fromEntries(listed) });
    // Another run may read it meanwhile.
    const written = `${this.#pathOf(key)}.${process.pid}`;
    writeFileSync(written, text);
    renameSync(written, this.#pathOf(key));
  }

  #pathOf(key: string): string {
    return join(this.#directory, `${key}.json`);
  }
}
