/**
 * What holds in a block: its own directives, else those of the block around it. nginx inherits a
 * directive as a whole: one `add_header` of a location hides all of its server's.
 */
import type { Directive } from "./parser.ts";

export class Scope {
  readonly directives: readonly Directive[];
  readonly #outer: Scope | undefined;

  constructor(directives: readonly Directive[], outer?: Scope) {
    this.directives = directives;
    this.#outer = outer;
  }

  /** All of these names, of the nearest block that has any. */
  all(...names: readonly string[]): readonly Directive[] {
    const own = this.own(...names);
    return own.length > 0 || this.#outer === undefined ? own : this.#outer.all(...names);
  }

  /** The last one, which wins. */
  one(name: string): Directive | undefined {
    return this.all(name).at(-1);
  }

  /** The first that matches, in this block or in those around it. */
  ofAll(matches: (directive: Directive) => boolean): Directive | undefined {
    return this.directives.find(matches) ?? this.#outer?.ofAll(matches);
  }

  own(...names: readonly string[]): readonly Directive[] {
    return this.directives.filter(({ name }) => names.includes(name));
  }
}
