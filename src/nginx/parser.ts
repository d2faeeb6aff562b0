/**
 * Words → directives: a name, its arguments, its block if it has one, and where it stands. Files
 * that `include` names are put in its place by `includes.ts`; this file knows one text.
 */
import type { Directive } from "../import/directive.ts";
import { NginxSyntaxError, type Token, tokenize } from "./lexer.ts";

export { type Directive, flatten } from "../import/directive.ts";

/** Blocks within blocks; nginx's own files need five. */
const DEPTH_MAX = 16;

/** @throws {NginxSyntaxError} */
export function parseNginx(source: string, file: string): readonly Directive[] {
  const tokens = tokenize(source, file);
  const position = { index: 0 };
  const directives = readBlock(tokens, position, file, 0);
  const rest = tokens[position.index];
  if (rest === undefined) return directives;
  throw new NginxSyntaxError(`${file}:${rest.line}: There is no block to close (take "}" out)`);
}

/** Up to the "}" that closes the block, or to the end. */
function readBlock(
  tokens: readonly Token[],
  position: { index: number },
  file: string,
  depth: number,
): Directive[] {
  const directives: Directive[] = [];
  for (;;) {
    const first = tokens[position.index];
    if (first === undefined || first.kind === "}") return directives;
    const syntaxError = (text: string) => new NginxSyntaxError(`${file}:${first.line}: ${text}`);
    if (first.kind !== "word") throw syntaxError(`"${first.kind}" has no directive before it`);
    const args: string[] = [];
    let end = tokens[++position.index];
    while (end?.kind === "word") {
      args.push(end.text);
      end = tokens[++position.index];
    }
    const directive = { name: first.text, args, file, line: first.line };
    if (end === undefined || end.kind === "}") {
      throw syntaxError(`Directive "${first.text}" does not end (add ";")`);
    }
    position.index++;
    if (end.kind === ";") {
      directives.push({ ...directive, block: undefined });
      continue;
    }
    if (depth === DEPTH_MAX) throw syntaxError(`Blocks are more than ${DEPTH_MAX} deep`);
    const block = readBlock(tokens, position, file, depth + 1);
    if (tokens[position.index] === undefined) {
      throw syntaxError(`The block of "${first.text}" does not end (add "}")`);
    }
    position.index++;
    directives.push({ ...directive, block });
  }
}
