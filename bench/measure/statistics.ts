/** Numbers of several rounds in one: the one in the middle, and how far apart they lie. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** How sure the interval of {@link median} is meant to be. */
const CONFIDENCE = 0.9;

/**
 * Where the median of many more such values lies: between two of those that were measured, with at
 * least nine chances in ten, whatever they are spread like (order statistics). Of less than five
 * values nothing is that sure: then it is all of their range.
 */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  // The chance that fewer than `index` of the values lie below the median.
  let chance = 0.5 ** count;
  let binomial = 1;
  let index = 0;
  while (2 * chance <= 1 - CONFIDENCE && index < count / 2) {
    index++;
    binomial *= (count - index + 1) / index;
    chance += binomial * 0.5 ** count;
  }
  const outer = Math.max(0, index - 1);
  return [sorted[outer] ?? NaN, sorted[count - 1 - outer] ?? NaN];
}

/** Half the distance between the least and the greatest, as a share of the median. */
export function spread(values: readonly number[]): number {
  const center = median(values);
  return center === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / 2 / center;
}

/** Of numbers in their order: the one that a share of them does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
