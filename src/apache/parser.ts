/**
 * Apache's configuration → directives: one on each line, which a backslash at its end continues, and
 * sections `<Name …>` to `</Name>` as blocks. Names mind no case: `key` is the one to compare.
 */
import type { Directive } from "../import/directive.ts";
import { ImportSyntaxError } from "../import/syntax_error.ts";

export interface ApacheDirective extends Directive {
  /** The name in lower case. */
  readonly key: string;
  readonly block: readonly ApacheDirective[] | undefined;
}

const DEPTH_MAX = 24;

interface Line {
  readonly text: string;
  readonly line: number;
}

/** @throws {ImportSyntaxError} */
export function parseApache(source: string, file: string): readonly ApacheDirective[] {
  const lines = linesOf(source);
  const position = { index: 0 };
  const directives = readBlock(lines, position, file, undefined, 0);
  return directives;
}

/** Lines without comments and empty ones, joined where they continue. */
function linesOf(source: string): Line[] {
  const lines: Line[] = [];
  const raw = source.replace(/^\ufeff/, "").split(/\r?\n/);
  for (let index = 0; index < raw.length; index++) {
    const line = index + 1;
    let text = raw[index]!;
    while (/\\$/.test(text) && index + 1 < raw.length) text = text.slice(0, -1) + raw[++index]!;
    text = text.trim();
    if (text !== "" && !text.startsWith("#")) lines.push({ text, line });
  }
  return lines;
}

function readBlock(
  lines: readonly Line[],
  position: { index: number },
  file: string,
  opening: { readonly name: string; readonly line: number } | undefined,
  depth: number,
): ApacheDirective[] {
  const directives: ApacheDirective[] = [];
  for (;;) {
    const current = lines[position.index++];
    if (current === undefined) {
      if (opening === undefined) return directives;
      const place = `${file}:${opening.line}`;
      throw new ImportSyntaxError(
        `${place}: Section <${opening.name}> does not end (add </${opening.name}>)`,
      );
    }
    const { text, line } = current;
    const place = `${file}:${line}`;
    const closing = /^<\/\s*(\w+)\s*>/.exec(text)?.[1];
    if (closing !== undefined) {
      if (closing.toLowerCase() === opening?.name.toLowerCase()) return directives;
      throw new ImportSyntaxError(`${place}: There is no section <${closing}> to close`);
    }
    const [, section, rest = ""] = /^<\s*(\w+)\s*(.*?)>?\s*$/.exec(text) ?? [];
    if (section === undefined) {
      const [name = "", ...args] = wordsOf(text, place);
      directives.push({ name, key: name.toLowerCase(), args, block: undefined, file, line });
      continue;
    }
    if (depth === DEPTH_MAX) {
      throw new ImportSyntaxError(`${place}: Sections are more than ${DEPTH_MAX} deep`);
    }
    const args = wordsOf(rest, place);
    const block = readBlock(lines, position, file, { name: section, line }, depth + 1);
    directives.push({ name: section, key: section.toLowerCase(), args, block, file, line });
  }
}

/** Words of a line; quotes of both kinds keep spaces, a backslash a quote. */
export function wordsOf(text: string, place: string): string[] {
  const words: string[] = [];
  for (let offset = 0; offset < text.length;) {
    const character = text[offset]!;
    if (/\s/.test(character)) {
      offset++;
      continue;
    }
    if (character !== '"' && character !== "'") {
      // A backslash before a space keeps it, as in expressions.
      const [word] = /^(?:\\\s|\S)+/.exec(text.slice(offset))!;
      words.push(word.replace(/\\(?=\s)/g, ""));
      offset += word.length;
      continue;
    }
    let word = "";
    let end = offset + 1;
    for (; end < text.length && text[end] !== character; end++) {
      if (text[end] === "\\" && text[end + 1] === character) end++;
      word += text[end];
    }
    if (end >= text.length) {
      throw new ImportSyntaxError(`${place}: The quote ${character} does not end (close it)`);
    }
    words.push(word);
    offset = end + 1;
  }
  return words;
}
