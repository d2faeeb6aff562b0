/** `afcgi version`: version, runtime and its version, platform. */
import type { Runtime } from "../runtime/runtime.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
} from "./command.ts";
import { PROGRAM_VERSION } from "./program_version.ts";

export const versionCommand: CommandDefinition = {
  declare: (command) => {
    command.option("--json", "as JSON");
  },
  run: version,
};

/** `afcgi 0.1.0 (bun 1.4.5, linux-x64)` */
export function versionLine(runtime: Runtime): string {
  return `afcgi ${PROGRAM_VERSION} (${runtime.name} ${runtime.version}, ${runtime.platform})`;
}

async function version(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  if (args.options["json"]) {
    const { name, version, platform } = runtime;
    print(
      io,
      JSON.stringify({ version: PROGRAM_VERSION, runtime: name, [name]: version, platform }),
    );
  } else {
    print(io, args.quiet ? PROGRAM_VERSION : versionLine(runtime));
  }
  return ExitStatus.fine;
}
