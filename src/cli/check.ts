/**
 * `afcgi check`: reads the configuration as `serve` with the same flags would, looks at what its start
 * would need (`app/preflight.ts`), and starts nothing.
 * Every error is a line on standard error, with exit status 2.
 */
import type { AppOptions } from "../app/options.ts";
import { preflight } from "../app/preflight.ts";
import { formatError } from "../config/located_error.ts";
import { checkTls, describeCertificates } from "./certificates.ts";
import { formatAddress } from "../runtime/address.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  type CommandIo,
  ExitStatus,
  print,
  printError,
  UsageError,
} from "./command.ts";
import { declareConfigFlags, loadFromArguments } from "./config_flags.ts";

export const checkCommand: CommandDefinition = {
  declare: (command) => {
    command.argument("[file]", "configuration file, as --config")
      .option("--certificates", "print whose certificate each name has, and what listeners show")
      .option("--show-secrets", "print passwords and values of ${env.NAME} as they are");
    declareConfigFlags(command);
  },
  run: check,
};

async function check(io: CommandIo, args: CommandArguments): Promise<number> {
  const [named] = args.positional;
  if (named !== undefined && args.options["config"] !== undefined) {
    throw new UsageError(`The file is named twice: "${named}" and with --config (keep one)`);
  }
  const options = named === undefined ? args.options : { ...args.options, config: named };
  const loaded = await loadFromArguments(io, { ...args, options });
  const source = loaded.file ?? "flags";
  const { errors, notes } = await preflight(loaded.options, io.runtime, loaded.file === undefined);
  const found = await checkTls(loaded.tls, source, io.runtime);
  const located = [...found.errors, ...found.doubts];
  // What has its line in the file is told with it.
  const withLine = new Set(located.map(({ message }) => message));
  for (const error of located) printError(io, formatError(error));
  for (const error of errors) if (!withLine.has(error)) printError(io, `${source}: ${error}`);
  if (errors.length + located.length > 0) return ExitStatus.usage;
  if (!args.quiet) {
    for (const note of [...loaded.notes, ...notes]) print(io, note);
    print(io, `${source}: no errors`);
  }
  if (args.options["certificates"] === true) {
    for (const line of await describeCertificates(loaded.options, io.runtime)) print(io, line);
  }
  if (args.verbose) { for (const line of summary(loaded.options)) print(io, line); }
  return ExitStatus.fine;
}

function summary({ listen, admin, upstreams, sites }: AppOptions): string[] {
  return [
    ...listen.map(({ address, tls }) =>
      `listen    ${formatAddress(address)}${tls ? " (tls)" : ""}`
    ),
    ...(admin === undefined ? [] : [`admin     ${formatAddress(admin)}`]),
    ...upstreams.map(({ name, servers, protocol, tls }) => {
      const spoken = protocol === "fastcgi" ? "" : tls ? " (https)" : " (http)";
      const where = servers.map(({ address }) => formatAddress(address)).join(" ");
      return `upstream  ${name}: ${where}${spoken}`;
    }),
    ...sites.map(({ hosts, root, routes }) => {
      const where = root === undefined ? "" : ` below ${root}`;
      return `site      ${hosts.join(" ") || "every host"}: ${routes.length} ${
        routes.length === 1 ? "route" : "routes"
      }${where}`;
    }),
  ];
}
