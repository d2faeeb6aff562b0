/** `afcgi import apache FILE`: Apache's configuration → the text of an afcgi.yaml. */
import type { ConfigFiles } from "../import/config_files.ts";
import { finishImport } from "../import/finish.ts";
import type { Import } from "../import/imported.ts";
import { Notes } from "../import/notes.ts";
import type { FileError } from "../import/settle.ts";
import { ApacheReader } from "./expand.ts";
import { translateApache } from "./translate.ts";

export interface ApacheSource {
  readonly path: string;
  readonly text: string;
  /** As the file was named. */
  readonly name: string;
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
  readonly errorsOf: (yaml: string) => readonly FileError[];
}

/** @throws {ImportSyntaxError} */
export async function importApache(source: ApacheSource): Promise<Import> {
  const notes = new Notes();
  const reader = new ApacheReader(source.path, { ...source, notes });
  const directives = await reader.read(source.path, source.text);
  const { config, closed } = await translateApache(directives, { ...source, reader, notes });
  const { name, errorsOf } = source;
  return finishImport(config, { source: `apache of ${name}`, notes, closed, errorsOf });
}
