/** `afcgi import caddy FILE`: a Caddyfile → the text of an afcgi.yaml. */
import type { ConfigFiles } from "../import/config_files.ts";
import { finishImport } from "../import/finish.ts";
import type { Import } from "../import/imported.ts";
import { Notes } from "../import/notes.ts";
import type { FileError } from "../import/settle.ts";
import { readCaddyfile } from "./imports.ts";
import { translateCaddy } from "./translate.ts";

export interface CaddySource {
  readonly path: string;
  readonly text: string;
  /** As the file was named. */
  readonly name: string;
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
  readonly errorsOf: (yaml: string) => readonly FileError[];
}

/** @throws {ImportSyntaxError} */
export async function importCaddy(source: CaddySource): Promise<Import> {
  const notes = new Notes();
  const directives = await readCaddyfile(source.path, source.text, { ...source, notes });
  const { config, closed } = translateCaddy(directives, { ...source, notes });
  const { name, errorsOf } = source;
  return finishImport(config, { source: `caddy of ${name}`, notes, closed, errorsOf });
}
