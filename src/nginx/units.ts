/** nginx's sizes (`8k`, `1m`) and times (`60`, `30s`, `1d 12h`, `500ms`). */

const BYTES: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

const MILLISECONDS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
};

/** Bytes; undefined when the text is no size. */
export function nginxSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * BYTES[unit!.toLowerCase()]!;
}

/** Milliseconds; undefined when the text is no time. */
export function nginxTime(text: string): number | undefined {
  let timeMs = 0;
  let rest = text.trim();
  while (rest !== "") {
    const [all, digits, unit] = /^(\d+)(ms|[smhdwMy]?)\s*/.exec(rest) ?? [];
    if (all === undefined) return undefined;
    timeMs += Number(digits) * MILLISECONDS[unit!]!;
    rest = rest.slice(all.length);
  }
  return text.trim() === "" ? undefined : timeMs;
}

export { sizeText, timeText } from "../import/units.ts";
