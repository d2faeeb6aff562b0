/**
 * `afcgi import SERVER FILE`: an afcgi.yaml that does what another server's configuration does, on
 * standard output. What could not be carried over stands at its end, and on standard error.
 */
import { importApache } from "../apache/import.ts";
import { importCaddy } from "../caddy/import.ts";
import { resolvePath } from "../config/paths.ts";
import { readConfig } from "../config/read_config.ts";
import type { Files } from "../runtime/files.ts";
import type { ConfigFiles } from "../import/config_files.ts";
import type { Import } from "../import/imported.ts";
import type { FileError } from "../import/settle.ts";
import { ImportSyntaxError } from "../import/syntax_error.ts";
import { readNginx } from "../nginx/includes.ts";
import { translateNginx } from "../nginx/translate.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  CommandError,
  type CommandIo,
  ExitStatus,
  printError,
  UsageError,
} from "./command.ts";

/** What an importer is given. */
interface Source {
  /** The file's absolute path, and its text. */
  readonly path: string;
  readonly text: string;
  /** As it was named. */
  readonly name: string;
  readonly files: ConfigFiles;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  readonly readVariable: (name: string) => string | undefined;
  /** What `afcgi check` finds in a file that is about to be written. */
  readonly errorsOf: (yaml: string) => readonly FileError[];
}

/** What makes our file of another server's, by the server's name. */
const IMPORTERS: Readonly<Record<string, (source: Source) => Promise<Import>>> = {
  nginx: async ({ path, text, name, files, isFile, isDirectory }) =>
    translateNginx(await readNginx(path, text, files), { source: name, isFile, isDirectory }),
  caddy: importCaddy,
  apache: importApache,
};

const SERVERS = Object.keys(IMPORTERS).join(", ");

/** Exit status: a site, or all scripts of one, ended closed. */
const CLOSED = 3;

/** Names of a directory that are looked through. */
const NAMES_MAX = 100_000;

export const importCommand: CommandDefinition = {
  declare: (command) => {
    command.argument("<server>", `the other server: ${SERVERS}`);
    command.argument("<file>", "its configuration file");
  },
  run: importConfig,
};

async function importConfig(io: CommandIo, args: CommandArguments): Promise<number> {
  const [server, file = ""] = args.positional;
  const importer = server !== undefined && Object.hasOwn(IMPORTERS, server)
    ? IMPORTERS[server]
    : undefined;
  if (importer === undefined) {
    throw new UsageError(`Cannot import the configuration of "${server}" (use ${SERVERS})`);
  }
  const { files, process } = io.runtime;
  const path = resolvePath(process.cwd(), file);
  if (files.stat(path)?.kind !== "file") {
    throw new UsageError(`There is no file "${file}" (name ${server}'s configuration)`);
  }
  const isFile = (name: string) => files.stat(name)?.kind === "file";
  let imported;
  try {
    imported = await importer({
      path,
      text: await files.readText(path),
      name: file,
      isFile,
      isDirectory: (name) => files.stat(name)?.kind === "directory",
      readVariable: (name) => process.env(name),
      errorsOf: (yaml) => errorsOf(yaml, io),
      files: {
        read: async (name) => isFile(name) ? await files.readText(name) : undefined,
        list: async (directory) => await namesIn(files, directory),
      },
    });
  } catch (error) {
    if (error instanceof ImportSyntaxError) throw new CommandError(error.message);
    throw error;
  }
  const { yaml, notes, closed } = imported;
  if (!args.quiet) {
    for (const { kind, place, text } of notes) {
      if (kind === "lost" || kind === "refused") printError(io, `${place}: ${kind}: ${text}`);
    }
  }
  if (yaml === undefined) throw new CommandError(`There is no server to import in "${file}"`);
  process.stdout.write(yaml);
  if (closed.length === 0) return ExitStatus.fine;
  printError(io, `closed, because not all of it could be said: ${closed.join("; ")}`);
  return CLOSED;
}

/** A root may be on another machine. */
const ABSENT_ROOT = /^There is no directory /;

function errorsOf(yaml: string, { runtime: { files, process } }: CommandIo): readonly FileError[] {
  const { errors } = readConfig(yaml, {
    source: "afcgi.yaml",
    directory: process.cwd(),
    files,
    readVariable: (name) => process.env(name),
    rootGiven: false,
  });
  return errors.filter(({ message }) => !ABSENT_ROOT.test(message)).map(({ place, message }) => {
    return { line: place?.line ?? 1, column: place?.column ?? 1, message };
  });
}

async function namesIn(files: Files, directory: string): Promise<readonly string[]> {
  if (files.stat(directory)?.kind !== "directory") return [];
  return (await files.list(directory, NAMES_MAX)).names;
}
