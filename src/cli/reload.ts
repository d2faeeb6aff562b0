/** `afcgi reload [URL]`: has a running afcgi read its configuration again. */
import { formatAddress } from "../runtime/address.ts";
import { adminTarget, askAdmin, declareAdmin } from "./admin_client.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  CommandError,
  type CommandIo,
  errorText,
  ExitStatus,
  print,
  printError,
} from "./command.ts";
import { readTimeFlag } from "./flag_values.ts";

export const reloadCommand: CommandDefinition = {
  declare: (command) => declareAdmin(command, "/reload", "60s"),
  run: reload,
};

interface ReloadResponse {
  readonly generation?: unknown;
  readonly warnings?: unknown;
  readonly errors?: unknown;
}

async function reload(io: CommandIo, args: CommandArguments): Promise<number> {
  const target = adminTarget(io, "reload", args.positional[0], "/reload");
  const timeoutMs = readTimeFlag("--timeout", String(args.options["timeout"]));
  const name = formatAddress(target.address);
  const asked = { method: "POST", timeoutMs, readsBody: true } as const;
  const { status, body } = await askAdmin(io.runtime, target, asked).catch((error) => {
    throw new CommandError(`Cannot reload ${name}: no response (${errorText(error)})`);
  });
  const response = readResponse(body);
  if (status === 200) {
    for (const line of linesOf(response?.warnings)) printError(io, `warning: ${line}`);
    if (!args.quiet) print(io, `${name}: reloaded, generation ${response?.generation}`);
    return ExitStatus.fine;
  }
  const errors = linesOf(response?.errors);
  if (status !== 400 || errors.length === 0) {
    const said = body.split("\n", 1)[0]!.slice(0, 200);
    throw new CommandError(`Cannot reload ${name}: it says ${status} ${said}`);
  }
  for (const line of errors) printError(io, line);
  printError(io, `${name}: the configuration stays as it was`);
  return ExitStatus.usage;
}

function readResponse(body: string): ReloadResponse | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A stranger's control characters are not for our terminal. */
function linesOf(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((line) => String(line).replace(/\p{Cc}/gu, " "));
}
