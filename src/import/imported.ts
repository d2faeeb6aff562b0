/** What an importer makes of a configuration. */
import type { Note } from "./notes.ts";

export interface Import {
  /** Undefined when no server can be carried over. */
  readonly yaml: string | undefined;
  readonly notes: readonly Note[];
  /** What answers nobody, or runs no script, because something in it was refused. */
  readonly closed: readonly string[];
}
