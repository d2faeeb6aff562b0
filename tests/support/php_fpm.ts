/** php-fpm with a configuration of its own, for the interop tests and the benchmark. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { PEER_PATH } from "./peers.ts";
import { type Place, placeName, waitForListener } from "./places.ts";

export interface PhpFpmOptions {
  /** Where its files go: configuration, log, pid. */
  readonly directory: string;
  readonly place: Place;
  readonly children: number;
  /** Requests after which a child makes way for a new one; left out: never. */
  readonly maxRequests?: number;
  /** Signals to the result go to the children too. */
  readonly group?: boolean;
  /** With the machine's php.ini and extensions; left out: what the tests see is all that is set. */
  readonly ini?: boolean;
  /** More lines of the pool's section, which win over those below. */
  readonly settings?: readonly string[];
  /** Keeps compiled scripts, and never looks whether a file has changed. */
  readonly opcache?: boolean;
}

const OPCACHE = [
  "zend_extension=opcache",
  "opcache.validate_timestamps=0",
  // A file is kept even if it was written a moment ago.
  "opcache.file_update_protection=0",
];

/** Starts it in the foreground; resolves when it accepts connections. */
export async function startPhpFpm(options: PhpFpmOptions): Promise<Child> {
  const child = launchPhpFpm(options);
  await waitForListener(options.place);
  return child;
}

/** Starts it in the foreground. */
export function launchPhpFpm(options: PhpFpmOptions): Child {
  const id = crypto.randomUUID().slice(0, 8);
  const config = join(options.directory, `php-fpm-${id}.conf`);
  writeFileSync(config, configText(options));
  // Debian names it after its version.
  const script = 'exec "$(command -v php-fpm8.2 || command -v php-fpm)" "$@"';
  const cache = options.opcache ? OPCACHE.flatMap((setting) => ["-d", setting]) : [];
  const flags = ["-F", ...(options.ini ? [] : ["-n"]), ...cache, "-y", config];
  return new Child("sh", ["-c", script, "php-fpm", ...flags], {
    env: { PATH: PEER_PATH },
    group: options.group ?? false,
  });
}

function configText(
  { directory, place, children, maxRequests = 0, settings = [] }: PhpFpmOptions,
): string {
  const root = process.getuid?.() === 0;
  return [
    "[global]",
    `error_log = ${join(directory, "php-fpm.log")}`,
    "daemonize = no",
    "[www]",
    // Only root may, and must, say who its children are.
    ...(root ? ["user = www-data", "group = www-data"] : []),
    `listen = ${placeName(place)}`,
    "listen.mode = 0666",
    "listen.backlog = 1024",
    "pm = static",
    "ping.path = /ping",
    `pm.max_children = ${children}`,
    `pm.max_requests = ${maxRequests}`,
    // Of PHP's own values php-fpm takes the first, of its settings the last.
    ...settings.filter(isPhpValue),
    "php_admin_flag[display_errors] = off",
    "php_admin_flag[log_errors] = on",
    "php_admin_value[post_max_size] = 128M",
    "php_admin_value[upload_max_filesize] = 128M",
    "php_admin_value[memory_limit] = 64M",
    ...settings.filter((line) => !isPhpValue(line)),
    "",
  ].join("\n");
}

function isPhpValue(line: string): boolean {
  return line.startsWith("php_");
}
