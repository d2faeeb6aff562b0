/** A field of a header section as HPACK's tables hold it (RFC 7541 section 4.1). */

/** What a field counts beside its name and value. */
export const FIELD_OVERHEAD = 32;

export class HpackField {
  readonly name: string;
  /** Each character stands for one byte. */
  readonly value: string;
  /** As RFC 7541 section 4.1 and RFC 9113 section 6.5.2 count it. */
  readonly size: number;
  /**
   * For who judges fields: the verdict stays with a field of a table, so that one which comes again
   * and again is judged once. Undefined: not judged yet; "": nothing is wrong with it.
   */
  verdict: string | undefined;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + FIELD_OVERHEAD;
  }
}
