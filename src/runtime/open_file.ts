/** A file that stays open while pieces of it are read, at once and anywhere. */

/** A file that is open for reading. */
export interface OpenFile {
  /** The system's number for it; -1 where it has none. */
  readonly descriptor: number;
  /** Reads at once into `bytes`, from `offset` on; how many there were, 0 at the end. */
  read(bytes: Uint8Array, offset: number): number;
  /** May be called again. */
  close(): void;
}
