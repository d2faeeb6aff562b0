/** A directive of another server's configuration, whatever its language is: what notes name. */

export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  /** Undefined for one without. */
  readonly block: readonly Directive[] | undefined;
  readonly file: string;
  readonly line: number;
}

/** The directives with all that stands in their blocks. */
export function flatten(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flatten(directive.block ?? [])]);
}
