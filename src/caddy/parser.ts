/**
 * Words of a Caddyfile → directives: one on each line, with a block where its last word is `{`. At
 * the top a directive is a site (its name is its addresses), the global options, or a snippet. What
 * `import` names is put in its place by `imports.ts`.
 */
import type { Directive } from "../import/directive.ts";
import { ImportSyntaxError } from "../import/syntax_error.ts";
import { type Word, wordsOf } from "./lexer.ts";

/** The name of what holds the global options. */
export const GLOBALS = "{";

const DEPTH_MAX = 24;

/** @throws {ImportSyntaxError} */
export function parseCaddyfile(source: string, file: string): readonly Directive[] {
  return new CaddyfileParser(wordsOf(source, file), file).sites();
}

/** The directives of a file that is imported within a site. @throws {ImportSyntaxError} */
export function parseCaddyBlock(source: string, file: string): readonly Directive[] {
  return new CaddyfileParser(wordsOf(source, file), file).rest();
}

class CaddyfileParser {
  readonly #words: readonly Word[];
  readonly #file: string;
  #index = 0;

  constructor(words: readonly Word[], file: string) {
    this.#words = words;
    this.#file = file;
  }

  sites(): Directive[] {
    const sites: Directive[] = [];
    while (this.#index < this.#words.length) {
      const start = this.#words[this.#index]!;
      const addresses = this.#addresses();
      const isBlock = this.#isOpening(this.#words[this.#index]);
      if (start.text === "import" && !start.isQuoted && !isBlock) {
        sites.push(this.#directive("import", addresses.slice(1), undefined, start));
      } else if (isBlock) {
        this.#index++;
        const block = this.#block(1, this.#words[this.#index - 1]!);
        const [name = GLOBALS, ...args] = addresses;
        sites.push(this.#directive(name, args, block, start));
      } else {
        // A file with one site may go without braces.
        const block = this.rest();
        sites.push(this.#directive(addresses[0] ?? "", addresses.slice(1), block, start));
      }
    }
    return sites;
  }

  rest(): Directive[] {
    const directives = this.#statements(0);
    const after = this.#words[this.#index];
    if (after === undefined) return directives;
    throw this.#error(after, 'There is no block to close (take "}" out)');
  }

  /** Words up to "{" or to the end of a line that no comma continues. */
  #addresses(): string[] {
    const addresses: string[] = [];
    let continues = true;
    let row = this.#words[this.#index]!.row;
    for (let word = this.#words[this.#index]; word !== undefined;) {
      if (this.#isOpening(word) || (word.row !== row && !continues)) break;
      row = word.row;
      continues = word.text.endsWith(",");
      addresses.push(...word.isQuoted ? [word.text] : word.text.split(",").filter(Boolean));
      word = this.#words[++this.#index];
    }
    return addresses;
  }

  #block(depth: number, opening: Word): Directive[] {
    if (depth > DEPTH_MAX) throw this.#error(opening, `Blocks are more than ${DEPTH_MAX} deep`);
    const directives = this.#statements(depth);
    if (this.#words[this.#index] === undefined) {
      throw this.#error(opening, 'The block does not end (add "}")');
    }
    this.#index++;
    return directives;
  }

  #statements(depth: number): Directive[] {
    const directives: Directive[] = [];
    for (;;) {
      const first = this.#words[this.#index];
      if (first === undefined || this.#isClosing(first)) return directives;
      this.#index++;
      const args: string[] = [];
      let block: Directive[] | undefined;
      for (let word = this.#words[this.#index]; word?.row === first.row;) {
        // `respond /x 1 }` on one line closes the block around it.
        if (this.#isClosing(word)) break;
        this.#index++;
        if (this.#isOpening(word)) {
          block = this.#block(depth + 1, word);
          break;
        }
        args.push(word.text);
        word = this.#words[this.#index];
      }
      directives.push(this.#directive(first.text, args, block, first));
    }
  }

  #isOpening(word: Word | undefined): boolean {
    return word !== undefined && word.text === "{" && !word.isQuoted;
  }

  #isClosing(word: Word): boolean {
    return word.text === "}" && !word.isQuoted;
  }

  #directive(
    name: string,
    args: readonly string[],
    block: readonly Directive[] | undefined,
    { line }: Word,
  ): Directive {
    return { name, args, block, file: this.#file, line };
  }

  #error({ line }: Word, message: string): ImportSyntaxError {
    return new ImportSyntaxError(`${this.#file}:${line}: ${message}`);
  }
}
