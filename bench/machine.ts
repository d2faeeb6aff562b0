/** Where and with what the figures were made. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { PEER_PATH } from "../tests/support/peers.ts";
import { AFCGI } from "../tests/support/afcgi.ts";
import { benchFile } from "./scope.ts";

const VERSION_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  afcgi: [AFCGI, "version"],
  deno: [benchFile("../node_modules/.bin/deno"), "--version"],
  nginx: ["nginx", "-v"],
  haproxy: ["haproxy", "-v"],
  caddy: ["caddy", "version"],
  apache: ["apache2", "-v"],
  lighttpd: ["lighttpd", "-v"],
  php: ["sh", "-c", "php-fpm8.2 -v || php-fpm -v"],
  go: ["go", "version"],
  node: ["node", "--version"],
};

export interface Machine {
  readonly system: string;
  readonly processors: string;
  readonly memory: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(): Machine {
  const release = readFileSync("/etc/os-release", "utf8");
  const versions = Object.entries(VERSION_COMMANDS).flatMap(([name, command]) => {
    const version = versionOf(command);
    return version === undefined ? [] : [[name, version]];
  });
  return {
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? "unknown system",
    processors: `${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    versions: Object.fromEntries(versions),
  };
}

/** The first thing in the output that looks like a version. */
function versionOf([program, ...args]: readonly string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(program!, args, {
    encoding: "utf8",
    env: { ...process.env, PATH: PEER_PATH },
  });
  if (status !== 0) return undefined;
  return /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0];
}
