/** A private directory in memory for tests; those of one path in one runtime share their files. */
import {
  PRIVATE_FILE_LENGTH_MAX,
  type PrivateDirectory,
  PrivateDirectoryError,
  privateNameParts,
} from "../../../src/runtime/private_directory.ts";

export class MemoryPrivateDirectory implements PrivateDirectory {
  readonly path: string;
  /** What lies there, by name. */
  readonly texts: Map<string, string>;
  /** Set by a test: why nothing can be written. */
  writeError: string | undefined;

  readonly #writeErrorOf: (name: string) => string | undefined;

  constructor(
    path: string,
    texts = new Map<string, string>(),
    writeErrorOf: (name: string) => string | undefined = () => undefined,
  ) {
    this.path = path;
    this.texts = texts;
    this.#writeErrorOf = writeErrorOf;
  }

  read(name: string): string | undefined {
    privateNameParts(name);
    return this.texts.get(name);
  }

  async write(name: string, text: string): Promise<void> {
    this.#requireWritable(name, text);
    this.texts.set(name, text);
  }

  create(name: string, text: string): boolean {
    this.#requireWritable(name, text);
    if (this.texts.has(name)) return false;
    this.texts.set(name, text);
    return true;
  }

  remove(name: string): void {
    privateNameParts(name);
    this.texts.delete(name);
  }

  list(directory: string): readonly string[] {
    privateNameParts(directory);
    const prefix = `${directory}/`;
    return [...this.texts.keys()].filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  #requireWritable(name: string, text: string): void {
    privateNameParts(name);
    const error = this.writeError ?? this.#writeErrorOf(name);
    if (error === undefined && text.length < PRIVATE_FILE_LENGTH_MAX) return;
    const why = error ?? "it is too large";
    throw new PrivateDirectoryError(`Cannot write "${this.path}/${name}": ${why}`);
  }
}
