/**
 * `afcgi trust`: the root of the local authority (`tls: internal`), and how a system, a browser and
 * programs come to trust it. It prints, and changes nothing.
 */
import { readRoot } from "../certificates/local_authority.ts";
import { CertificateStore } from "../certificates/store.ts";
import { storeDirectory } from "../certificates/store_directory.ts";
import { existingDefault } from "../config/load_config.ts";
import { resolvePath } from "../config/paths.ts";
import { PRESENT_OWNER } from "../runtime/private_directory.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  CommandError,
  type CommandIo,
  errorText,
  ExitStatus,
  print,
  UsageError,
} from "./command.ts";
import { loadFromArguments } from "./config_flags.ts";

export const trustCommand: CommandDefinition = {
  declare: (command) => {
    command
      .option("-c, --config <file>", "configuration file whose tls.store is meant")
      .option("--store <dir>", "directory of the configuration's tls.store");
  },
  run: trust,
};

const HOW_TO = [
  "# The root of this machine's local authority. Nothing has been changed. To trust it:",
  "#   afcgi trust > afcgi-root.crt",
  "# Debian, Ubuntu:   sudo cp afcgi-root.crt /usr/local/share/ca-certificates/ && " +
  "sudo update-ca-certificates",
  "# Fedora, RHEL:     sudo cp afcgi-root.crt /etc/pki/ca-trust/source/anchors/ && " +
  "sudo update-ca-trust",
  "# macOS:            sudo security add-trusted-cert -d -r trustRoot " +
  "-k /Library/Keychains/System.keychain afcgi-root.crt",
  "# Chromium (Linux): certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n afcgi -i afcgi-root.crt",
  "# Firefox:          Settings, Privacy & Security, Certificates, Import",
  "# curl, for a try:  curl --cacert afcgi-root.crt https://localhost/",
] as const;

async function trust(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const path = storeDirectory(await configuredStore(io, args), runtime.process);
  // Opening it would make it: nothing is to be changed.
  if (runtime.files.stat(path) === undefined) throw noRoot(path);
  let root: string | undefined;
  try {
    root = readRoot(CertificateStore.open(path, runtime, PRESENT_OWNER));
  } catch (error) {
    throw new CommandError(`Cannot read the local authority in "${path}": ${errorText(error)}`);
  }
  if (root === undefined) throw noRoot(path);
  if (!args.quiet) { for (const line of HOW_TO) print(io, line); }
  print(io, root.trimEnd());
  return ExitStatus.fine;
}

/** That of the flag, else of the file that is named, else of the file that `serve` would read. */
async function configuredStore(io: CommandIo, args: CommandArguments): Promise<string | undefined> {
  const { store, config } = args.options;
  const { files, process } = io.runtime;
  if (store !== undefined && config !== undefined) {
    throw new UsageError("--store and --config both name the store (keep one)");
  }
  if (typeof store === "string") return resolvePath(process.cwd(), store);
  if (config === undefined && existingDefault({ files, cwd: process.cwd() }) === undefined) {
    return undefined;
  }
  return (await loadFromArguments(io, args)).options.store;
}

function noRoot(path: string): CommandError {
  return new CommandError(
    `There is no local authority in "${path}" (start afcgi with tls: internal, or --domain ` +
      "localhost, first; or name its directory with --store)",
  );
}
