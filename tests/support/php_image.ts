/**
 * An image of this machine's php-fpm, laid out as PHP's own images (`php:8.2-fpm`) are: the program
 * in /usr/local/sbin, and a pool whose settings the files of php-fpm.d change, read by their names.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { AFCGI } from "./afcgi.ts";
import { copyInto, copyLibraries, copyShell, type ImageStore } from "./images.ts";
import { PEER_PATH } from "./peers.ts";
import { temporaryDirectory } from "./places.ts";

const IMAGE = "localhost/afcgi-test-php";
const PROGRAM = "/usr/local/sbin/php-fpm";

/** Debian's program looks elsewhere unless it is told; its log is what a test sees when it fails. */
const COMMAND = ["php-fpm", "-O", "-p", "/usr/local", "-y", "/usr/local/etc/php-fpm.conf"] as const;

const FILES = {
  "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nwww-data:x:33:33:www-data:/:/bin/sh\n",
  "/etc/group": "root:x:0:\nwww-data:x:33:\n",
  "/usr/local/etc/php-fpm.conf": "[global]\ninclude=etc/php-fpm.d/*.conf\n",
  "/usr/local/etc/php-fpm.d/docker.conf":
    "[global]\nerror_log = /dev/null\n[www]\ncatch_workers_output = yes\n",
  "/usr/local/etc/php-fpm.d/www.conf":
    "[www]\nuser = www-data\ngroup = www-data\nlisten = 127.0.0.1:9000\npm = static\n" +
    "pm.max_children = 1\n",
  "/usr/local/etc/php-fpm.d/zz-docker.conf": "[global]\ndaemonize = no\n[www]\nlisten = 9000\n",
} as const;

/** Its name. */
export function buildPhpImage(images: ImageStore): string {
  const tree = join(temporaryDirectory(), "tree");
  const command = "command -v php-fpm8.2 || command -v php-fpm";
  const found = spawnSync("sh", ["-c", command], { encoding: "utf8", env: { PATH: PEER_PATH } });
  const program = found.stdout.trim();
  copyShell(tree, ["sleep"]);
  copyInto(tree, program, PROGRAM);
  copyLibraries(tree, program);
  // Debian's images have the whole C library, which is what afcgi needs in one of them.
  copyLibraries(tree, AFCGI);
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), text);
  }
  for (const name of ["tmp", "dev", "run", "var/www/html"]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  chmodSync(join(tree, "tmp"), 0o1777);
  images.fromTree(IMAGE, tree, [
    ...["--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ...["--stop-signal", "SIGQUIT"],
    ...["--cmd", JSON.stringify(COMMAND)],
  ]);
  return IMAGE;
}
