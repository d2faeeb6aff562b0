/**
 * What the YAML parser says of a broken text → the one error to begin with: what it says after its
 * first is about text that it no longer understands. Its words are for those who know YAML's
 * grammar; the mistakes that people make most have plainer ones here, and the place where they began.
 * Nothing that could be a part of a password is repeated: one that wants quotes is such a mistake.
 */
import { type Document, isNode, isScalar, Lexer, visit, type YAMLError } from "yaml";
import { isSecretKey } from "./secrets.ts";
import type { YamlError } from "./yaml_tree.ts";

const INDENT = "indent it as its neighbours are";
const COLON = 'write ":" and a space after it';
const QUOTES = "put it in quotes";
const HIDDEN_TAG = 'A value begins with "!" (put it in quotes, or take the tag out)';

/** What there is to say instead, by the beginning of what the parser says. */
const EXPLANATIONS: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/^Tabs are not allowed as indentation/, "$& (indent with spaces)"],
  [/^Missing closing (["'])quote.*/, "The text has no $1 at its end (add it)"],
  [/^Flow .* and end with a }.*/, 'A "{" has no "}" (close it, or indent what is in it)'],
  [/^Flow .* and end with a ].*/, 'A "[" has no "]" (close it, or indent what is in it)'],
  [/^Block collections are not allowed within flow.*/, "A comma is missing (add it)"],
  [/^Implicit (?:map )?keys need to be.*/, `The key has no value (${COLON})`],
  [/^Nested mappings are not.*/, `A value has a key in it (${QUOTES}, or ${INDENT})`],
  [/^Sequence item without - .*/, `The line stands between two columns (${INDENT})`],
  [/^All .* must start at the same.*/, `The line stands between two columns (${INDENT})`],
  [/^Unexpected scalar at node end/, `The line belongs to nothing before it (${INDENT})`],
  [/^Plain value cannot start with.* (\S)$/, `No value begins with $1 (${QUOTES})`],
  [/^Unresolved tag.*/, "$& (take the tag out)"],
  [/^(?:Not a valid tag|Verbatim tags|The .* tag has|Could not resolve tag).*/, HIDDEN_TAG],
  [/^Block scalar header includes.*/, `A text begins behind its "|" or ">" (${QUOTES})`],
  [/^Invalid escape sequence.*/, 'No escape begins so (write "\\\\", or use single quotes)'],
  [/^Unsupported YAML version.*/, "YAML is version 1.2 here (take the line out)"],
  [/^Unknown directive.*/, `A line begins with "%" (${QUOTES})`],
  [/.*multiple documents.*/, "A second document begins (keep one in the file)"],
];

/** Codes of the parser's for what cannot be a key. */
const KEY_EXPECTED: ReadonlySet<string> = new Set([
  "BLOCK_AS_IMPLICIT_KEY",
  "MULTILINE_IMPLICIT_KEY",
]);

/** A block of nginx's with a directive in it. */
const NGINX = /^[ \t]*(?:server|http|events|upstream\s+\S+)\s*\{[^{}]*;/m;

/** Undefined where the text is YAML. */
export function yamlError(document: Document.Parsed, text: string): YamlError | undefined {
  const { errors, warnings, contents } = document;
  const nginx = errors.length > 0 || isScalar(contents) ? NGINX.exec(text) : null;
  if (nginx !== null) {
    const message = 'This is a configuration of nginx ("afcgi import nginx FILE" carries it over)';
    return { offset: nginx.index, message };
  }
  const problem = errors.find(({ code }) => code === "TAB_AS_INDENT") ?? errors[0] ?? warnings[0];
  if (problem === undefined) return undefined;
  const offset = offsetOf(problem, text);
  if (problem.code === "TAG_RESOLVE_FAILED" && (errors.length > 1 || isSecret(document, offset))) {
    return { offset, message: HIDDEN_TAG };
  }
  return { offset, message: messageOf(problem, text.slice(offset)) };
}

/** Whether the offset is in a value that nobody should see. */
function isSecret(document: Document.Parsed, offset: number): boolean {
  let found = false;
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || !key.range || !isSecretKey(String(key.value))) return undefined;
      const end = (isNode(value) && value.range ? value : key).range![2];
      if (key.range[0] <= offset && offset <= end) found = true;
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

function messageOf(problem: YAMLError, rest: string): string {
  if (KEY_EXPECTED.has(problem.code) && rest.startsWith("- ")) {
    return `A "-" stands where a key should (take it out, or ${INDENT})`;
  }
  const said = problem.message.split("\n")[0]!.replace(/[.:]$/, "");
  const [pattern, message] = EXPLANATIONS.find(([pattern]) => pattern.test(said)) ?? [];
  return pattern === undefined
    ? `${said.replace(/: ".*/s, "")} (look at this line and the one before)`
    : said.replace(pattern, message!);
}

/** Of a document, of a value, of the end of a flow with an error: the lexer's own, not the text's. */
const MARKS: ReadonlySet<string> = new Set(["\x02", "\x18", "\x1f"]);

/** The parser notices at the end of the file that a quote was never closed. */
function offsetOf({ message, pos }: YAMLError, text: string): number {
  const quote = /^Missing closing (["'])quote/.exec(message)?.[1];
  if (quote === undefined) return pos[0];
  let offset = 0;
  let opened = pos[0];
  for (const token of new Lexer().lex(text)) {
    if (token.startsWith(quote)) opened = offset;
    if (!MARKS.has(token)) offset += token.length;
  }
  return opened;
}
