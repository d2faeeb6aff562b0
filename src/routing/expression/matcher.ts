/**
 * Goes through the steps of an expression as a backtracking matcher does, and so finds what that
 * would find, first ways first. But a meeting of ways that has failed at a place fails there for
 * good: nothing behind it depends on how it was reached. So no meeting is met twice at a place, and
 * the time is at most linear in the text, whatever the expression. What looks ahead is answered from
 * the text's end backwards, for all places at once, the first time that one is met; what looks behind
 * in the same way, in the text read backwards.
 */
import { WORD } from "./character_set.ts";
import { type Look, Op, type Program } from "./program.ts";

/** Words of the memory that is kept for the next text; one that needs more gets its own. */
const KEPT_WORDS = 4096;

const kept = new Uint32Array(KEPT_WORDS);
/** Ways not tried yet, as pairs; a negative step stands for the border of a group as it was. */
const ways: number[] = [];

export interface Starts {
  /** Whether at the text's beginning alone. */
  readonly isAnchored: boolean;
  /** What stands there. */
  readonly prefix: string;
}

/**
 * Whether the program matches in the text. The borders of groups are written to `borders` where
 * there is one: 2n and 2n + 1 are those of group n, of the whole match 0 and 1; -1 for none.
 */
export function findMatch(
  program: Program,
  { isAnchored, prefix }: Starts,
  text: string,
  borders: Int32Array | undefined,
): boolean {
  if (isAnchored ? !text.startsWith(prefix) : prefix !== "" && !text.includes(prefix)) return false;
  const memory = memoryFor(program.meetingCount * (text.length + 1));
  const seen: Uint8Array[] = [];
  borders?.fill(-1);
  for (let start = 0; start <= text.length; start++) {
    if (!isAnchored && prefix !== "") start = text.indexOf(prefix, start);
    if (start < 0) return false;
    const end = matchAt(program, text, start, memory, seen, borders);
    if (end >= 0) {
      if (borders !== undefined) [borders[0], borders[1]] = [start, end];
      return true;
    }
    if (isAnchored) return false;
  }
  return false;
}

/** Where the match ends that begins at `start`; -1 for none. */
function matchAt(
  program: Program,
  text: string,
  start: number,
  memory: Uint32Array,
  seen: Uint8Array[],
  borders: Int32Array | undefined,
): number {
  const { ops, first, second, sets, meetings } = program;
  const { length } = text;
  ways.length = 0;
  for (let step = 0, place = start;;) {
    const meeting = meetings[step]!;
    let goesOn = meeting < 0 || meet(memory, meeting * (length + 1) + place);
    if (goesOn) {
      switch (ops[step]) {
        case Op.match:
          return place;
        case Op.unit:
          goesOn = place < length && text.charCodeAt(place) === first[step];
          place++;
          step++;
          break;
        case Op.set:
          goesOn = place < length && sets[first[step]!]!.has(text.charCodeAt(place));
          place++;
          step++;
          break;
        case Op.run:
          place = runOn(program, step, text, place, memory);
          step++;
          break;
        case Op.split:
          ways.push(second[step]!, place);
          step = first[step]!;
          break;
        case Op.jump:
          step = first[step]!;
          break;
        case Op.save: {
          const border = first[step]!;
          ways.push(-1 - border, borders![border]!);
          borders![border] = place;
          step++;
          break;
        }
        case Op.look: {
          const index = first[step]!;
          seen[index] ??= placesOf(program.looks[index]!, text);
          goesOn = (seen[index][place] === 1) !== (second[step] === 1);
          step++;
          break;
        }
        default:
          goesOn = holds(ops[step]!, text, place);
          step++;
      }
    }
    if (goesOn) continue;
    for (;;) {
      if (ways.length === 0) return -1;
      place = ways.pop()!;
      step = ways.pop()!;
      if (step >= 0) break;
      borders![-1 - step] = place;
    }
  }
}

/**
 * Goes on as far as characters of the set stand; each place on the way is a way of its own, tried
 * from the last to the first. Where an earlier run has been, all has been tried from there on.
 */
function runOn(
  { ops, first, sets, meetings }: Program,
  step: number,
  text: string,
  from: number,
  memory: Uint32Array,
): number {
  const set = sets[first[step]!]!;
  const offset = meetings[step]! * (text.length + 1);
  let end = from;
  while (end < text.length && set.has(text.charCodeAt(end)) && meet(memory, offset + end + 1)) {
    end++;
  }
  const next = step + 1;
  if (ops[next] === Op.end) {
    if (end === text.length) return end;
  } else if (ops[next] === Op.unit) {
    const unit = first[next]!;
    for (let place = from; place < end; place++) {
      if (text.charCodeAt(place) === unit) ways.push(next, place);
    }
  } else {
    for (let place = from; place < end; place++) ways.push(next, place);
  }
  return end;
}

/** Whether it is the first time; remembered from then on. */
function meet(memory: Uint32Array, bit: number): boolean {
  const word = bit >>> 5;
  const mask = 1 << (bit & 31);
  if ((memory[word]! & mask) !== 0) return false;
  memory[word]! |= mask;
  return true;
}

function memoryFor(bits: number): Uint32Array {
  const words = (bits + 31) >>> 5;
  if (words > KEPT_WORDS) return new Uint32Array(words);
  for (let word = 0; word < words; word++) kept[word] = 0;
  return kept;
}

/** For each place of the text 1 where that is ahead, or behind, which is looked for. */
function placesOf({ program, isBehind }: Look, text: string): Uint8Array {
  if (!isBehind) return matchesFrom(program, text);
  let backwards = "";
  for (let place = text.length - 1; place >= 0; place--) backwards += text[place];
  return matchesFrom(program, backwards).reverse();
}

/** For each place of the text 1 where the program matches from there on. */
function matchesFrom(program: Program, text: string): Uint8Array {
  const { ops, first, second, sets, looks, backwards } = program;
  const seen = looks.map((look) => placesOf(look, text));
  const found = new Uint8Array(text.length + 1);
  let behind = new Uint8Array(ops.length);
  let here = new Uint8Array(ops.length);
  for (let place = text.length; place >= 0; place--) {
    const unit = place < text.length ? text.charCodeAt(place) : -1;
    for (const step of backwards) {
      here[step] = matchesStep(step, unit, place) ? 1 : 0;
    }
    found[place] = here[0]!;
    [behind, here] = [here, behind];
  }
  return found;

  function matchesStep(step: number, unit: number, place: number): boolean {
    switch (ops[step]) {
      case Op.match:
        return true;
      case Op.unit:
        return unit === first[step] && behind[step + 1] === 1;
      case Op.set:
        return unit >= 0 && sets[first[step]!]!.has(unit) && behind[step + 1] === 1;
      case Op.run:
        return here[step + 1] === 1 ||
          (unit >= 0 && behind[step] === 1 && sets[first[step]!]!.has(unit));
      case Op.split:
        return here[first[step]!] === 1 || here[second[step]!] === 1;
      case Op.jump:
        return here[first[step]!] === 1;
      case Op.look:
        return (seen[first[step]!]![place] === 1) !== (second[step] === 1) &&
          here[step + 1] === 1;
      default:
        return holds(ops[step]!, text, place) && here[step + 1] === 1;
    }
  }
}

function holds(op: number, text: string, place: number): boolean {
  if (op === Op.start) return place === 0;
  if (op === Op.end) return place === text.length;
  const isBorder = isWord(text, place - 1) !== isWord(text, place);
  return isBorder === (op === Op.word);
}

function isWord(text: string, place: number): boolean {
  return place >= 0 && place < text.length && WORD.has(text.charCodeAt(place));
}
