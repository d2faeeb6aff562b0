/**
 * `afcgi import nginx FILE`: an afcgi.yaml that does what a configuration of nginx does, on standard
 * output. What could not be carried over stands at its end, and on standard error.
 */
import { resolvePath } from "../config/paths.ts";
import type { Files } from "../runtime/files.ts";
import { NginxSyntaxError } from "../nginx/lexer.ts";
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

/** Exit status: a site, or all scripts of one, ended closed. */
const CLOSED = 3;

/** Names of a directory that `include` with a star may meet. */
const NAMES_MAX = 1000;

export const importCommand: CommandDefinition = {
  name: "import",
  summary: "convert another server's configuration to an afcgi.yaml",
  declare: (command) => {
    command.argument("<server>", "the other server: nginx");
    command.argument("<file>", "its configuration file");
  },
  run: importConfig,
};

async function importConfig(io: CommandIo, args: CommandArguments): Promise<number> {
  const [server, file = ""] = args.positional;
  if (server !== "nginx") {
    throw new UsageError(`Cannot import the configuration of "${server}" (use nginx)`);
  }
  const { files, process } = io.runtime;
  const path = resolvePath(process.cwd(), file);
  if (files.stat(path)?.kind !== "file") {
    throw new UsageError(`There is no file "${file}" (name nginx's configuration)`);
  }
  let directives;
  try {
    directives = await readNginx(path, await files.readText(path), {
      read: async (name) =>
        files.stat(name)?.kind === "file" ? await files.readText(name) : undefined,
      list: async (directory) => await namesIn(files, directory),
    });
  } catch (error) {
    if (error instanceof NginxSyntaxError) throw new CommandError(error.message);
    throw error;
  }
  const isFile = (name: string) => files.stat(name)?.kind === "file";
  const { yaml, notes, closed } = translateNginx(directives, { source: file, isFile });
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

async function namesIn(files: Files, directory: string): Promise<readonly string[]> {
  if (files.stat(directory)?.kind !== "directory") return [];
  return (await files.list(directory, NAMES_MAX)).names;
}
