/**
 * Regular expressions of locations → patterns of routes: `/exact`, `/begin*`, `*.end`,
 * `/begin*.end`. The expression is unfolded into alternatives, each a row of texts with stars
 * between them; what has another shape (sets, counts, looks ahead) cannot be said.
 *
 * Together the patterns match all that the expression does, so they can stand for it where it
 * denies. Those that are exact match nothing else, except for the bare directory of `/folder/*`.
 * Names that begin with "." are left out: no handler of ours shows them, `/.well-known/` excepted.
 */

/** A text, anything, or anything but "/". */
type Piece = string | typeof ANYTHING | typeof SEGMENT | typeof END | typeof SHOWN;
const ANYTHING: unique symbol = Symbol("anything");
const SEGMENT: unique symbol = Symbol("segment");
const END: unique symbol = Symbol("end");
/** `(?!well-known)`: what stands before it is hidden. */
const SHOWN: unique symbol = Symbol("shown");

export interface PathPattern {
  /** Undefined for everything. */
  readonly path: string | undefined;
  /** False: it matches more than what it was made of. */
  readonly isExact: boolean;
}

export interface RegexPatterns {
  /** In the expression's own order. */
  readonly patterns: readonly PathPattern[];
  /** It also matches what is below a script's name (`\.php(/|$)`). */
  readonly hasPathInfo: boolean;
  /** Whether names that begin with "." are left out. */
  readonly hidesNames: boolean;
}

const ALTERNATIVES_MAX = 64;
/** Names of programs: no handler takes them in another case. */
const SCRIPT = /\.ph(?:p[0-9]?|ps|tml|t|ar)$/;

/** With `everyCase` in each mixture of upper and lower case. Undefined when it cannot be unfolded. */
export function patternsOf(source: string, everyCase: boolean): RegexPatterns | undefined {
  // Every path begins with "/", so these say the same.
  const plain = source.replaceAll("[^/]\\.", "\\.").replaceAll(/\((?:\?:)?\^\|\/\)/g, "/");
  const rows = unfold(plain);
  if (rows === undefined) return undefined;
  const found = new Map<string | undefined, boolean>();
  const note = (path: string | undefined, isExact: boolean) => {
    found.set(path, isExact && found.get(path) !== false);
  };
  let hasPathInfo = false;
  let hidesNames = false;
  for (const { pieces, startsHere } of rows) {
    const row = normalize(pieces, startsHere);
    // Every path begins with "/".
    if (startsHere && typeof row[0] === "string" && !row[0].startsWith("/")) continue;
    const script = row.at(-2);
    if (row.at(-1) === ANYTHING && typeof script === "string" && script.endsWith(".php/")) {
      hasPathInfo = true;
      if (row.length > 2) continue;
    }
    const hidden = hiddenPaths(row);
    if (hidden !== undefined) {
      hidesNames = true;
      for (const path of hidden) note(path, true);
      continue;
    }
    const { path, isExact } = say(row);
    const cases = everyCase ? casesOf(path) : [path];
    const ending = path === undefined ? undefined : SCRIPT.exec(path)?.[0];
    if (cases === undefined && ending === undefined) return undefined;
    if (cases === undefined) note(`*${ending}`, false);
    else for (const one of cases) note(one, isExact);
  }
  if (found.size > ALTERNATIVES_MAX) return undefined;
  const patterns = [...found].map(([path, isExact]) => ({ path, isExact }))
    .filter(({ path }) => path === undefined || !found.has(`${path}/*`));
  return { patterns, hasPathInfo, hidesNames };
}

interface Row {
  readonly pieces: readonly Piece[];
  readonly startsHere: boolean;
}

function unfold(source: string): Row[] | undefined {
  const alternatives = topAlternatives(source);
  const rows: Row[] = [];
  for (const text of alternatives) {
    const startsHere = text.startsWith("^");
    const unfolded = sequence(startsHere ? text.slice(1) : text);
    if (unfolded === undefined) return undefined;
    rows.push(...unfolded.map((pieces) => ({ pieces, startsHere })));
    if (rows.length > ALTERNATIVES_MAX) return undefined;
  }
  return rows;
}

/** Cut at each "|" outside of groups. */
function topAlternatives(source: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < source.length; index++) {
    const character = source[index];
    if (character === "\\") index++;
    else if (character === "(") depth++;
    else if (character === ")") depth--;
    else if (character === "|" && depth === 0) {
      parts.push(source.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(source.slice(start));
  return parts;
}

const ATOM =
  /^(?:\.\*\??|\.\+\??|\[\^\/\][*+]\??|\(\?!\\?\.?well-known[^)]*\)|\\[./_#~ -]|\[[\w.-]{1,8}\]|[^\\^$.|?*+()[\]{}])/;

function sequence(source: string): Piece[][] | undefined {
  let rows: Piece[][] = [[]];
  let rest = source;
  while (rest !== "") {
    let choices: Piece[][] | undefined;
    if (rest.startsWith("$")) {
      choices = [[END]];
      rest = rest.slice(1);
    } else if (rest.startsWith("(") && !rest.startsWith("(?!")) {
      const end = endOfGroup(rest);
      const inner = rest.slice(0, end).replace(/^\((?:\?:|\?P?<\w+>)?/, "");
      if (end < 0 || inner.startsWith("?")) return undefined;
      choices = topAlternatives(inner).map((text) => sequence(text)).reduce<
        Piece[][] | undefined
      >((all, some) => all && some && [...all, ...some], []);
      rest = rest.slice(end + 1);
    } else {
      const atom = ATOM.exec(rest)?.[0];
      if (atom === undefined) return undefined;
      const letters = /^\[(\w+)\]$/.exec(atom)?.[1];
      if (letters === undefined && /^\[[^^]/.test(atom)) return undefined;
      choices = letters === undefined ? [[pieceOf(atom)]] : Array.from(letters, (it) => [it]);
      rest = rest.slice(atom.length);
    }
    if (choices === undefined) return undefined;
    if (rest.startsWith("?")) {
      choices = [[], ...choices];
      rest = rest.slice(1);
    }
    rows = rows.flatMap((row) => choices.map((choice) => [...row, ...choice]));
    if (rows.length > ALTERNATIVES_MAX) return undefined;
  }
  return rows;
}

function endOfGroup(source: string): number {
  let depth = 0;
  for (let index = 0; index < source.length; index++) {
    if (source[index] === "\\") index++;
    else if (source[index] === "(") depth++;
    else if (source[index] === ")" && --depth === 0) return index;
  }
  return -1;
}

function pieceOf(atom: string): Piece {
  if (atom.startsWith("(?!")) return SHOWN;
  if (atom.startsWith(".")) return ANYTHING;
  if (atom.startsWith("[")) return SEGMENT;
  return atom.startsWith("\\") ? atom.slice(1) : atom;
}

/** Texts side by side made one, and what is open at an end said as "anything". */
function normalize(pieces: readonly Piece[], startsHere: boolean): Piece[] {
  const end = pieces.indexOf(END);
  const row: Piece[] = startsHere ? [] : [ANYTHING];
  const here: readonly Piece[] = end < 0 ? [...pieces, ANYTHING] : pieces.slice(0, end);
  for (const piece of here) {
    const last = row.at(-1);
    if (typeof piece === "string" && typeof last === "string") row[row.length - 1] = last + piece;
    else if (piece !== ANYTHING || last !== ANYTHING) row.push(piece);
  }
  return row;
}

/** For a row of which all is hidden anyway (`below_root.ts`), what of it is not. */
function hiddenPaths(row: readonly Piece[]): string[] | undefined {
  for (const [index, piece] of row.entries()) {
    const name = typeof piece === "string" ? /\/\.([^/]*)/.exec(piece)?.[1] : undefined;
    if (name === undefined) continue;
    if (row[index + 1] === SHOWN) return [];
    const known = "well-known/";
    if (!known.startsWith(name) && !name.startsWith("well-known")) return [];
    return name === "" || row[0] === ANYTHING ? ["/.well-known/*"] : undefined;
  }
  return undefined;
}

function say(row: readonly Piece[]): PathPattern {
  const first = row[0];
  const last = row.at(-1);
  const prefix = typeof first === "string" ? first : "/";
  const suffix = typeof last === "string" ? last : "";
  if (row.length === 1 && typeof first === "string") return { path: first, isExact: true };
  const name = suffix.slice(suffix.lastIndexOf("/") + 1);
  const middle = row.slice(
    typeof first === "string" ? 1 : 0,
    typeof last === "string" ? -1 : row.length,
  );
  const isExact = middle.length === 1 && middle[0] === ANYTHING && name === suffix;
  const below = prefix === "/" ? "" : prefix;
  if (name !== "") return { path: `${below}*${name}`, isExact };
  return { path: below === "" ? undefined : `${below}*`, isExact };
}

/** The path in each mixture of upper and lower case; undefined when there are too many. */
function casesOf(path: string | undefined): (string | undefined)[] | undefined {
  if (path === undefined || (path.startsWith("*") && SCRIPT.test(path))) return [path];
  let texts = [""];
  for (const character of path) {
    const cases = new Set([character.toLowerCase(), character.toUpperCase()]);
    texts = texts.flatMap((text) => [...cases].map((one) => text + one));
    if (texts.length > ALTERNATIVES_MAX) return undefined;
  }
  return texts;
}
