/**
 * `afcgi trust`: the root of the local authority (`tls: internal`), and how a system, a browser and
 * programs come to trust it. It prints, and changes nothing.
 */
import { readRoot } from "../certificates/local_authority.ts";
import { CertificateStore } from "../certificates/store.ts";
import { storeFolder } from "../certificates/store_folder.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  CommandError,
  type CommandIo,
  errorText,
  ExitStatus,
  print,
} from "./command.ts";

export const trustCommand: CommandDefinition = {
  name: "trust",
  summary: "print the root certificate of tls: internal, and how to trust it",
  declare: (command) => {
    command.option("--store <dir>", "directory of the configuration's tls.store");
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

async function trust(io: CommandIo, { options, quiet }: CommandArguments): Promise<number> {
  const { runtime } = io;
  const path = storeFolder(options["store"] as string | undefined, runtime.process);
  // Opening it would make it: nothing is to be changed.
  if (runtime.files.stat(path) === undefined) throw noRoot(path);
  let root: string | undefined;
  try {
    root = readRoot(CertificateStore.open(path, runtime));
  } catch (error) {
    throw new CommandError(`Cannot read the local authority in "${path}": ${errorText(error)}`);
  }
  if (root === undefined) throw noRoot(path);
  if (!quiet) { for (const line of HOW_TO) print(io, line); }
  print(io, root.trimEnd());
  return ExitStatus.fine;
}

function noRoot(path: string): CommandError {
  return new CommandError(
    `There is no local authority in "${path}" (start afcgi with tls: internal, or --domain ` +
      "localhost, first; or name its directory with --store)",
  );
}
