/** What of several pieces is left to write when the system took only some of their bytes. */
export function withoutFirst(
  pieces: readonly Uint8Array[],
  count: number,
): readonly Uint8Array[] {
  let skipped = 0;
  let index = 0;
  while (index < pieces.length && skipped + pieces[index]!.length <= count) {
    skipped += pieces[index++]!.length;
  }
  if (index === pieces.length) return [];
  return [pieces[index]!.subarray(count - skipped), ...pieces.slice(index + 1)];
}
