/**
 * The YAML that most files consist of, read in one pass: maps and lists in blocks and in braces, plain
 * and quoted values of one line, comments, anchors and aliases. The library takes a hundred times as
 * long for it, which is most of a start with a thousand sites.
 *
 * What is not plainly of that kind (a value of several lines, a tag, a tab, a line that stands where it
 * is not expected) is not read here, nor is anything judged: then the library reads the whole text. So
 * this reader need not know all of YAML, but of what it takes it makes what the library would.
 */
import { SHARED_KEY, SharedValues } from "./shared_values.ts";
import { type AnchoredNode, DEPTH_MAX, type Written, type WrittenPair } from "./yaml_tree.ts";

/** Undefined where the library is to read it. With `isShared` as `shared_values.ts` says. */
export function readSimpleYaml(text: string, isShared = false): Written | undefined {
  if (UNUSUAL.test(text)) return undefined;
  try {
    return new SimpleReader(text, isShared ? new SharedValues() : undefined).read();
  } catch (error) {
    if (error === NOT_SIMPLE) return undefined;
    throw error;
  }
}

const NOT_SIMPLE = new Error("The text is no simple YAML");

/** White space but for spaces and line feeds, what cannot be seen, and what ends a document. */
// deno-lint-ignore no-control-regex
const UNUSUAL = /[\0-\x09\x0b-\x1f\x7f-\x9f]|[^\S \n]|^%|\n(?:---|\.\.\.)|^\.\.\.|^---(?!\n)/;
const DOCUMENT_START = "---\n";

/** A value without quotes: spaces end it where a comment or nothing follows. */
const BLOCK_PLAIN = /(?:[^\s?:\-,[\]{}#&*!|>'"%@`]|[-:](?=\S))(?:[^\n :]|:(?=\S)| +(?=[^ \n#]))*/y;
const FLOW_PLAIN =
  /(?:[^\s?:\-,[\]{}#&*!|>'"%@`]|[-:](?=[^\s,[\]{}]))(?:[^\n :,[\]{}]|:(?=[^\s,[\]{}])| +(?=[^ \n#,[\]{}]))*/y;
/** Of its escapes those that JSON has as well. */
const DOUBLE_QUOTED = /"[^"\\\n]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\n]*)*"/y;
const SINGLE_QUOTED = /'[^'\n]*(?:''[^'\n]*)*'/y;
/** A key up to the end of its colon. */
const PLAIN_KEY = new RegExp(`${BLOCK_PLAIN.source}:(?=[ \\n]|$)`, "y");
const DOUBLE_KEY = new RegExp(`${DOUBLE_QUOTED.source} *:(?=[ \\n]|$)`, "y");
const SINGLE_KEY = new RegExp(`${SINGLE_QUOTED.source} *:(?=[ \\n]|$)`, "y");
/** Of anchors and aliases. */
const BLOCK_NAME = /[&*][A-Za-z0-9_-]+(?=[ \n]|$)/y;
const FLOW_NAME = /\*[A-Za-z0-9_-]+(?=[ \n,\]}])/y;

/** The library refuses those of more than 1,024 characters. */
const KEY_LENGTH_MAX = 1_000;
/** Longer ones may lose digits. */
const INTEGER = /^[-+]?[0-9]{1,15}$/;
const DECIMAL = /^[-+]?(?:\.[0-9]{1,15}|[0-9]{1,15}\.[0-9]{0,15})$/;
/** What begins like a number, and is none or an odd one. */
const NUMBER_LIKE =
  /^(?:[-+]?(?:[0-9]+|[0-9]*\.[0-9]*)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/;
const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ...["~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const AMPERSAND = 0x26;
const APOSTROPHE = 0x27;
const STAR = 0x2a;
const COMMA = 0x2c;
const DASH = 0x2d;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;

const EMPTY: AnchoredNode = { kind: "scalar", at: undefined, value: null };

/** The column of what is around the whole file. */
const NO_COLUMN = -1;

class SimpleReader {
  readonly #text: string;
  readonly #anchors = new Map<string, AnchoredNode>();
  #at = 0;
  #lineStart = 0;
  /** Maps and lists that are being read, and how many of them are in braces. */
  #depth = 0;
  #flowDepth = 0;
  /** Anchors and aliases so far. */
  #names = 0;
  readonly #shared: SharedValues | undefined;

  constructor(text: string, shared: SharedValues | undefined) {
    this.#text = text;
    this.#shared = shared;
    if (text.startsWith(DOCUMENT_START)) this.#at = this.#lineStart = DOCUMENT_START.length;
  }

  read(): Written {
    this.#skipEmptyLines();
    if (this.#isAtEnd) throw NOT_SIMPLE;
    const isFlow = isOpening(this.#code);
    const root = isFlow ? this.#flow(NO_COLUMN, undefined) : this.#block(undefined);
    if (isFlow) this.#toNextLine();
    if (!this.#isAtEnd) throw NOT_SIMPLE;
    return root;
  }

  // Blocks.

  /** A map or a list whose first key or dash is here. */
  #block(anchor: string | undefined): Written {
    this.#enter();
    const block = this.#isDash ? this.#list(anchor) : this.#map(anchor);
    this.#depth--;
    return block;
  }

  #list(anchor: string | undefined): Written {
    const column = this.#column;
    const items: Written[] = [];
    const list = this.#keep(anchor, { kind: "list", at: this.#at, items });
    while (!this.#isAtEnd && this.#column === column && this.#isDash) {
      this.#at++;
      this.#skipSpaces();
      items.push(this.#value(column, true));
    }
    return list;
  }

  #map(anchor: string | undefined): Written {
    const column = this.#column;
    const pairs: WrittenPair[] = [];
    const map = this.#keep(anchor, { kind: "map", at: this.#at, pairs });
    while (!this.#isAtEnd && this.#column === column) {
      const at = this.#at;
      const name = this.#key(BLOCK_PLAIN);
      if (!this.#isEmpty(this.#at)) throw NOT_SIMPLE;
      this.#skipSpaces();
      pairs.push({ name, at, value: this.#valueOf(name, () => this.#value(column, false)) });
    }
    return map;
  }

  /**
   * What stands behind a colon or a dash of this column, on its line or below it; goes on at the next
   * line. Behind a dash a map or another list may begin.
   */
  #value(column: number, isItem: boolean): Written {
    const anchor = this.#code === AMPERSAND ? this.#nameOf(BLOCK_NAME) : undefined;
    if (anchor !== undefined) this.#skipSpaces();
    if (this.#isEmpty(this.#at) || this.#code === HASH) return this.#below(column, isItem, anchor);
    if (isItem && (this.#isDash || this.#isKey)) {
      // The anchor would be the key's.
      if (anchor !== undefined) throw NOT_SIMPLE;
      return this.#block(undefined);
    }
    const value = isOpening(this.#code)
      ? this.#flow(column, anchor)
      : this.#leaf(BLOCK_PLAIN, BLOCK_NAME, anchor);
    this.#toNextLine();
    // A deeper line would be a part of the value.
    if (!this.#isAtEnd && this.#column > column) throw NOT_SIMPLE;
    return value;
  }

  #below(column: number, isItem: boolean, anchor: string | undefined): Written {
    this.#toNextLine();
    if (!this.#isAtEnd && this.#column > column) return this.#block(anchor);
    const isList = !isItem && !this.#isAtEnd && this.#column === column && this.#isDash;
    if (!isList) return this.#keep(anchor, EMPTY);
    if (anchor !== undefined) throw NOT_SIMPLE;
    return this.#block(undefined);
  }

  // In braces.

  /** `column` is that of what it belongs to: all of its lines are deeper. */
  #flow(column: number, anchor: string | undefined): Written {
    this.#enter();
    this.#flowDepth++;
    const at = this.#at;
    const isMap = this.#code === OPEN_MAP;
    const pairs: WrittenPair[] = [];
    const items: Written[] = [];
    const flow = this.#keep(
      anchor,
      isMap ? { kind: "map", at, pairs } : { kind: "list", at, items },
    );
    const end = isMap ? CLOSE_MAP : CLOSE_LIST;
    this.#pass(column);
    while (this.#code !== end) {
      if (isMap) pairs.push(this.#flowPair(column));
      else items.push(this.#flowValue(column));
      this.#skipFlowSpace(column);
      if (this.#code === COMMA) this.#pass(column);
      else if (this.#code !== end) throw NOT_SIMPLE;
    }
    this.#at++;
    this.#flowDepth--;
    this.#depth--;
    return flow;
  }

  #flowPair(column: number): WrittenPair {
    const at = this.#at;
    const isQuoted = isQuote(this.#code);
    const name = this.#key(FLOW_PLAIN);
    if (!isQuoted && !this.#isEmpty(this.#at)) throw NOT_SIMPLE;
    this.#skipFlowSpace(column);
    return { name, at, value: this.#valueOf(name, () => this.#flowValue(column)) };
  }

  #flowValue(column: number): Written {
    return isOpening(this.#code)
      ? this.#flow(column, undefined)
      : this.#leaf(FLOW_PLAIN, FLOW_NAME, undefined);
  }

  /** Goes over a brace or a comma, and what is empty behind it. */
  #pass(column: number): void {
    this.#at++;
    this.#skipFlowSpace(column);
  }

  #skipFlowSpace(column: number): void {
    this.#skipSpaces();
    if (this.#code !== LINE_FEED) return;
    while (this.#code === LINE_FEED) {
      this.#lineStart = ++this.#at;
      this.#skipSpaces();
    }
    if (this.#column > column) return;
    const isLastBrace = this.#flowDepth === 1 && this.#column === column &&
      (this.#code === CLOSE_MAP || this.#code === CLOSE_LIST);
    if (!isLastBrace) throw NOT_SIMPLE;
  }

  // Both.

  /** The key that begins here; goes on behind its colon. */
  #key(plain: RegExp): string {
    const start = this.#at;
    const isQuoted = isQuote(this.#code);
    const name = isQuoted ? this.#quoted() : this.#plain(plain);
    if (!isQuoted && WORDS.get(name) === null) throw NOT_SIMPLE;
    this.#skipSpaces();
    if (this.#code !== COLON || this.#at - start > KEY_LENGTH_MAX) throw NOT_SIMPLE;
    this.#at++;
    return name;
  }

  /** The value that begins here, or the one before it that is written alike. */
  #valueOf(name: string, read: () => Written): Written {
    const shared = this.#shared;
    if (shared === undefined || name !== SHARED_KEY) return read();
    const [start, names] = [this.#at, this.#names];
    const value = read();
    // What a name stands for depends on where it is.
    if (this.#names > names) return value;
    return shared.first(this.#text.slice(start, this.#at), value);
  }

  /** An alias or a value of its own. */
  #leaf(plain: RegExp, names: RegExp, anchor: string | undefined): Written {
    const at = this.#at;
    if (this.#code === STAR) {
      if (anchor !== undefined) throw NOT_SIMPLE;
      const name = this.#nameOf(names);
      return { kind: "alias", at, name, target: this.#anchors.get(name) };
    }
    const value = isQuote(this.#code) ? this.#quoted() : valueOf(this.#plain(plain));
    return this.#keep(anchor, value === null ? EMPTY : { kind: "scalar", at, value });
  }

  #plain(plain: RegExp): string {
    const start = this.#at;
    this.#at = this.#endOf(plain);
    let end = this.#at;
    while (this.#text.charCodeAt(end - 1) === SPACE) end--;
    return this.#text.slice(start, end);
  }

  #quoted(): string {
    const start = this.#at;
    const isDouble = this.#code === QUOTE;
    this.#at = this.#endOf(isDouble ? DOUBLE_QUOTED : SINGLE_QUOTED);
    const inner = this.#text.slice(start + 1, this.#at - 1);
    if (!isDouble) return inner.replaceAll("''", "'");
    return inner.includes("\\") ? JSON.parse(`"${inner}"`) as string : inner;
  }

  /** Of an anchor or an alias. */
  #nameOf(names: RegExp): string {
    const start = this.#at;
    this.#names++;
    this.#at = this.#endOf(names);
    return this.#text.slice(start + 1, this.#at);
  }

  /** Where the match ends that begins here. */
  #endOf(pattern: RegExp): number {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) throw NOT_SIMPLE;
    return pattern.lastIndex;
  }

  #keep<Node extends AnchoredNode>(anchor: string | undefined, node: Node): Node {
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    return node;
  }

  #enter(): void {
    if (++this.#depth > DEPTH_MAX) throw NOT_SIMPLE;
  }

  // Places.

  get #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  get #column(): number {
    return this.#at - this.#lineStart;
  }

  get #isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get #isDash(): boolean {
    return this.#code === DASH && this.#isEmpty(this.#at + 1);
  }

  /** Whether a key begins here. */
  get #isKey(): boolean {
    const code = this.#code;
    const pattern = code === QUOTE ? DOUBLE_KEY : code === APOSTROPHE ? SINGLE_KEY : PLAIN_KEY;
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  /** Whether nothing, or white space, stands there. */
  #isEmpty(at: number): boolean {
    if (at >= this.#text.length) return true;
    const code = this.#text.charCodeAt(at);
    return code === SPACE || code === LINE_FEED;
  }

  #skipSpaces(): void {
    while (this.#code === SPACE) this.#at++;
  }

  /** There is nothing more on this line but a comment: goes on at the next one with something. */
  #toNextLine(): void {
    this.#skipSpaces();
    if (this.#code === HASH && this.#text.charCodeAt(this.#at - 1) === SPACE) this.#skipComment();
    if (this.#isAtEnd) return;
    if (this.#code !== LINE_FEED) throw NOT_SIMPLE;
    this.#lineStart = ++this.#at;
    this.#skipEmptyLines();
  }

  #skipEmptyLines(): void {
    for (;;) {
      this.#skipSpaces();
      if (this.#code === HASH) this.#skipComment();
      if (this.#code !== LINE_FEED) return;
      this.#lineStart = ++this.#at;
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }
}

function isOpening(code: number): boolean {
  return code === OPEN_MAP || code === OPEN_LIST;
}

function isQuote(code: number): boolean {
  return code === QUOTE || code === APOSTROPHE;
}

/** What YAML 1.2's core schema makes of a value without quotes. */
function valueOf(text: string): string | number | boolean | null {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (!NUMBER_LIKE.test(text)) return text;
  if (INTEGER.test(text) || DECIMAL.test(text)) return Number(text);
  throw NOT_SIMPLE;
}
