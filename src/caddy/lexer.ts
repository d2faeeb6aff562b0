/**
 * A Caddyfile as words, each with its line: bare, in quotes, in backticks or as a heredoc. A line's
 * end matters, so each word says on which line it begins; a backslash at a line's end takes that
 * away. Variables of the environment have been put in before (`environment.ts`).
 */
import { ImportSyntaxError } from "../import/syntax_error.ts";

export interface Word {
  readonly text: string;
  /** Where it is shown. */
  readonly line: number;
  /** Words of one statement have the same. */
  readonly row: number;
  readonly isQuoted: boolean;
}

const SPACE = /\s/;

/** @throws {ImportSyntaxError} for a quote or heredoc that does not end */
export function wordsOf(source: string, file: string): Word[] {
  const words: Word[] = [];
  let line = 1;
  /** Line ends that a backslash has taken away. */
  let joined = 0;
  let offset = source.startsWith("\ufeff") ? 1 : 0;
  const add = (text: string, isQuoted: boolean) =>
    words.push({ text, line, row: line - joined, isQuoted });
  while (offset < source.length) {
    const character = source[offset]!;
    const end = /^\\\r?\n/.exec(source.slice(offset, offset + 3))?.[0].length;
    if (end !== undefined) {
      joined++;
      line++;
      offset += end;
    } else if (character === "\n") {
      line++;
      offset++;
    } else if (SPACE.test(character)) offset++;
    else if (character === "#") offset = endOfLine(source, offset);
    else if (character === '"' || character === "`") {
      const read = quoted(source, offset, `${file}:${line}`);
      add(read.text, true);
      // What is behind it stands on the line on which it ends.
      const count = source.slice(offset, read.end).split("\n").length - 1;
      line += count;
      joined += count;
      offset = read.end;
    } else if (/^<<[A-Za-z0-9_-]+\r?\n/.test(source.slice(offset, offset + 100))) {
      const read = heredoc(source, offset, `${file}:${line}`);
      add(read.text, true);
      const count = source.slice(offset, read.end).split("\n").length - 1;
      line += count;
      joined += count;
      offset = read.end;
    } else {
      const read = bare(source, offset);
      add(read.text, false);
      offset = read.end;
    }
  }
  return words;
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
    if (quote === '"' && character === "\\" && source[offset + 1] === '"') {
      text += '"';
      offset++;
    } else text += character;
  }
  throw new ImportSyntaxError(`${place}: The quote ${quote} does not end (close it)`);
}

function heredoc(source: string, start: number, place: string): Read {
  const mark = /^<<([A-Za-z0-9_-]+)\r?\n/.exec(source.slice(start))!;
  const body = source.slice(start + mark[0].length);
  const end = new RegExp(`^([ \\t]*)${mark[1]}(?=\\s|$)`, "m").exec(body);
  if (end === null) {
    throw new ImportSyntaxError(`${place}: The heredoc <<${mark[1]} does not end (add its name)`);
  }
  const lines = body.slice(0, end.index).replace(/\r?\n$/, "").split("\n");
  const text = lines.map((it) => it.startsWith(end[1]!) ? it.slice(end[1]!.length) : it).join("\n");
  return { text, end: start + mark[0].length + end.index + end[0].length };
}

function bare(source: string, start: number): Read {
  let offset = start;
  let text = "";
  while (offset < source.length && !SPACE.test(source[offset]!)) {
    if (source[offset] === "\\" && /^\r?\n/.test(source.slice(offset + 1, offset + 3))) break;
    text += source[offset++];
  }
  return { text, end: offset };
}
