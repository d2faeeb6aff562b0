/** php-fpm with one script and a fixed number of children, as Debian packages it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitForListener } from "../../tests/support/places.ts";
import type { StartApplication } from "./application.ts";

const SCRIPT = '<?php echo "hello world\\n";\n';

/** Debian names the program after its version. */
const COMMAND = 'exec "$(command -v php-fpm8.2 || command -v php-fpm)" "$@"';

export function phpFpm(children: number): StartApplication {
  return async (scope) => {
    const directory = scope.newDirectory("php");
    const root = join(directory, "root");
    const place = { network: "unix", path: join(directory, "php.sock") } as const;
    const config = join(directory, "php-fpm.conf");
    mkdirSync(root);
    writeFileSync(join(root, "index.php"), SCRIPT);
    writeFileSync(config, configText(directory, place.path, children));
    const args = ["-c", COMMAND, "php-fpm", "-F", "-n", "-y", config];
    const child = scope.start("sh", args, { stopSignal: "SIGQUIT" });
    await waitForListener(place);
    return { pid: child.pid, place, root, streams: 1 };
  };
}

function configText(directory: string, path: string, children: number): string {
  return `
[global]
error_log = ${directory}/error.log
daemonize = no
[www]
${process.getuid?.() === 0 ? "user = www-data\ngroup = www-data" : ""}
listen = ${path}
listen.mode = 0666
listen.backlog = 4096
pm = static
pm.max_children = ${children}
`;
}
