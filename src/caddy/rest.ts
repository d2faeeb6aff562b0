/** What nobody has looked at is told, so that nothing is dropped in silence. */
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";

export function tellRest(directives: readonly Directive[], notes: Notes): void {
  for (const directive of directives) {
    if (!notes.isTaken(directive)) {
      const reason = directive.name.startsWith("@")
        ? "nothing that is carried over asks for it"
        : "it has no counterpart";
      notes.add("lost", directive, reason);
    }
    if (directive.block !== undefined) tellRest(directive.block, notes);
  }
}
