/** The last step of an importer: the parts of a configuration → a file that `afcgi check` takes. */
import type { Import } from "./imported.ts";
import type { Notes } from "./notes.ts";
import { type FileError, settle } from "./settle.ts";
import { ImportSyntaxError } from "./syntax_error.ts";
import type { ConfigParts } from "./yaml_writer.ts";

export interface FinishParts {
  /** Whose configuration it was: `caddy of Caddyfile`. */
  readonly source: string;
  readonly notes: Notes;
  /** What ended closed already. */
  readonly closed: readonly string[];
  /** What `afcgi check` would find in the file. */
  readonly errorsOf: (yaml: string) => readonly FileError[];
}

/** @throws {ImportSyntaxError} where no file can be made of it */
export function finishImport(
  config: ConfigParts,
  { source, notes, closed, errorsOf }: FinishParts,
): Import {
  if (config.sites.length === 0) return { yaml: undefined, notes: notes.list, closed };
  const settled = settle(config, source, notes.list, errorsOf);
  if (settled === undefined) {
    throw new ImportSyntaxError("No afcgi.yaml can be made of it that afcgi check takes");
  }
  const { yaml, notes: all } = settled;
  return { yaml, notes: all, closed: [...new Set([...closed, ...settled.closed])] };
}
