/**
 * The two ways in which PHP stands behind the executable: php-fpm beside it, with a pool and a socket
 * of its own, and php-fpm that it starts itself. Both have the machine's php.ini with its
 * extensions. The directory of a test is PHP's own, as far as root can tell it apart from others.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startExample } from "../examples/common.ts";
import { Afcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl } from "../support/places.ts";

const CHILDREN = 6;

export const WAYS = ["beside", "spawned"] as const;
export type Way = (typeof WAYS)[number];

/** The name of the upstream, for routes. */
export const PHP = "php";

export interface Hosted {
  readonly afcgi: Afcgi;
  readonly directory: string;
  stop(): Promise<void>;
}

/** Serves a site whose application is in the directory, or needs it for temporary files alone. */
export async function hostSite(
  way: Way,
  directory: string,
  site: Readonly<Record<string, unknown>>,
): Promise<Hosted> {
  const temporary = join(directory, "tmp");
  mkdirSync(temporary);
  giveToPhp(directory);
  const values = {
    "sys_temp_dir": temporary,
    "session.save_path": temporary,
    "upload_max_filesize": "32M",
    "post_max_size": "32M",
    // What an application writes as a script holds at once.
    "opcache.revalidate_freq": "0",
  };
  const { fpm, upstream } = way === "beside" ? await beside(directory, values) : spawned(values);
  const afcgi = await Afcgi.start({ config: { upstreams: { [PHP]: upstream }, sites: [site] } });
  return hosted(afcgi, directory, fpm);
}

/** Serves an example by the file that is made for this way. */
export async function hostExample(
  way: Way,
  directory: string,
  files: Readonly<Record<Way, string>>,
): Promise<Hosted> {
  giveToPhp(directory);
  const config = join(directory, files[way]);
  if (way === "spawned") return hosted(await startExample(config), directory);
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({ directory, place, children: CHILDREN, ini: true });
  return hosted(await startExample(config, ["--upstream", placeUrl(place)]), directory, fpm);
}

function hosted(afcgi: Afcgi, directory: string, fpm?: Child): Hosted {
  const stop = async () => {
    await afcgi.stop();
    await fpm?.stop("SIGQUIT");
  };
  return { afcgi, directory, stop };
}

type PhpValues = Readonly<Record<string, string>>;

interface Behind {
  readonly fpm?: Child;
  readonly upstream: Readonly<Record<string, unknown>>;
}

async function beside(directory: string, values: PhpValues): Promise<Behind> {
  const place = await freePlace("unix", directory);
  const settings = Object.entries(values).map(([name, value]) =>
    `php_admin_value[${name}] = ${value}`
  );
  const fpm = await startPhpFpm({ directory, place, children: CHILDREN, settings, ini: true });
  return { fpm, upstream: { servers: [placeUrl(place)], connections: { max: CHILDREN - 1 } } };
}

function spawned(values: PhpValues): Behind {
  const flags = Object.entries(values).flatMap(([name, value]) => ["-d", `${name}=${value}`]);
  return { upstream: { spawn: { command: ["php-fpm", ...flags], workers: CHILDREN } } };
}

/** For root PHP's children are somebody else, who must be able to write. */
function giveToPhp(directory: string): void {
  if (process.getuid?.() !== 0) return;
  const { status, stderr } = spawnSync("chown", ["-R", "www-data:www-data", directory]);
  if (status !== 0) throw new Error(`Cannot give "${directory}" to www-data: ${stderr}`);
}
