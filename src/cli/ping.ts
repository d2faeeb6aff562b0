/** `afcgi ping [URL]`: asks a running afcgi's `/readyz`, for health checks of containers. */
import { formatAddress } from "../runtime/address.ts";
import { adminTarget, askAdmin, declareAdmin } from "./admin_client.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  errorText,
  ExitStatus,
  print,
  printError,
} from "./command.ts";
import { readTimeFlag } from "./flag_values.ts";

const DEFAULT_PATH = "/readyz";

export const pingCommand: CommandDefinition = {
  declare: (command) => declareAdmin(command, DEFAULT_PATH, "3s"),
  run: ping,
};

async function ping(io: CommandIo, args: CommandArguments): Promise<number> {
  const target = adminTarget(io, "ping", args.positional[0], DEFAULT_PATH);
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const name = `${formatAddress(target.address)} ${target.path}`;
  try {
    const { status } = await askAdmin(io.runtime, target, { method: "GET", timeoutMs });
    const isReady = status >= 200 && status < 300;
    const line = `${name}: ${isReady ? "ready" : "not ready"} (${status})`;
    if (!args.quiet) (isReady ? print : printError)(io, line);
    return isReady ? ExitStatus.fine : ExitStatus.failed;
  } catch (error) {
    if (!args.quiet) printError(io, `${name}: no response (${errorText(error)})`);
    return ExitStatus.failed;
  }
}
