/**
 * nginx's configuration language as words, each with its line: bare words, quoted texts, `{`, `}`
 * and `;`. A backslash keeps the next character's meaning away, in a bare word as in quotes; what
 * nginx itself unfolds in quotes (`\n`, `\t`, `\r`) is unfolded here. `${` does not open a block.
 *
 * This file does not know what a directive is.
 */
import { ImportSyntaxError } from "../import/syntax_error.ts";

export interface Word {
  readonly kind: "word";
  readonly text: string;
  readonly line: number;
}

export interface Sign {
  readonly kind: "{" | "}" | ";";
  readonly line: number;
}

export type Token = Word | Sign;

/** What cannot be read as a configuration of nginx; its message names file and line. */
export class NginxSyntaxError extends ImportSyntaxError {
  override readonly name = "NginxSyntaxError";
}

const UNFOLDED: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
const SPACE = /\s/;

/** @throws {NginxSyntaxError} for a text whose quote does not end */
export function tokenize(source: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let offset = 0;
  while (offset < source.length) {
    const character = source[offset]!;
    if (character === "\n") line++;
    if (SPACE.test(character)) offset++;
    else if (character === "#") offset = endOfLine(source, offset);
    else if (character === "{" || character === "}" || character === ";") {
      tokens.push({ kind: character, line });
      offset++;
    } else {
      const word = character === '"' || character === "'"
        ? quoted(source, offset, `${file}:${line}`)
        : bare(source, offset);
      tokens.push({ kind: "word", text: word.text, line });
      line += source.slice(offset, word.end).split("\n").length - 1;
      offset = word.end;
    }
  }
  return tokens;
}

interface Read {
  readonly text: string;
  readonly end: number;
}

function endOfLine(source: string, offset: number): number {
  const end = source.indexOf("\n", offset);
  return end < 0 ? source.length : end;
}

function quoted(source: string, start: number, place: string): Read {
  const quote = source[start]!;
  let text = "";
  for (let offset = start + 1; offset < source.length; offset++) {
    const character = source[offset]!;
    if (character === quote) return { text, end: offset + 1 };
    if (character !== "\\" || offset + 1 === source.length) {
      text += character;
      continue;
    }
    const next = source[++offset]!;
    if (next === quote || next === "\\") text += next;
    else text += UNFOLDED[next] ?? `\\${next}`;
  }
  throw new NginxSyntaxError(`${place}: The quote ${quote} does not end (close it)`);
}

function bare(source: string, start: number): Read {
  let offset = start;
  while (offset < source.length) {
    const character = source[offset]!;
    if (character === "\\") offset++;
    else if (character === "$" && source[offset + 1] === "{") {
      const end = source.indexOf("}", offset);
      offset = end < 0 ? offset : end;
    } else if (SPACE.test(character) || character === ";" || character === "{") break;
    offset++;
  }
  const end = Math.min(offset, source.length);
  return { text: source.slice(start, end), end };
}
