/** Virtual hosts as people write them, each answered by Apache itself and by afcgi with the import. */
import { after, before, test } from "node:test";
import { startServer } from "../fronts/web_server.ts";
import { Child } from "../support/child.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { waitForListener } from "../support/places.ts";
import { APACHE_SITES } from "./apache_sites.ts";
import {
  type ComparedWorld,
  compareSite,
  type OtherServer,
  startWorld,
} from "./compared_servers.ts";

const skip = missingPeer("apache") || missingPeer("php-fpm") || missingPeer("fcgiwrap");

const MODULES_DIRECTORY = "/usr/lib/apache2/modules";
const MODULES = [
  ...["mpm_event", "authz_core", "authz_host", "authz_user", "authz_groupfile", "authn_core"],
  ...["authn_file", "auth_basic", "access_compat", "alias", "dir", "autoindex", "mime", "env"],
  ...["setenvif", "headers", "expires", "rewrite", "proxy", "proxy_http", "proxy_fcgi"],
  ...["deflate", "filter", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm"],
];

const APACHE: OtherServer = {
  name: "apache",
  configs: new URL("./apache/", import.meta.url),
  ending: ".conf",
  start: (config, directory) => startServer("apache2", ["-DFOREGROUND", "-f", config], directory),
  whole: (site, directory) =>
    `ServerRoot ${directory}
ServerName test.example
DefaultRuntimeDir ${directory}
PidFile ${directory}/apache.pid
ErrorLog ${directory}/apache.log
Listen 127.0.0.1:${/\*:(\d+)/.exec(site)![1]}
${MODULES.map((name) => `LoadModule ${name}_module ${MODULES_DIRECTORY}/mod_${name}.so`).join("\n")}
TypesConfig /etc/mime.types
${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
${site}`,
};

let world: ComparedWorld | undefined;
let stop: (() => Promise<void>) | undefined;
let fcgiwrap: Child | undefined;

before(async () => {
  if (skip) return;
  ({ world, stop } = await startWorld());
  fcgiwrap = new Child("sh", ["-c", `umask 0; exec fcgiwrap -s unix:${world.fcgiwrap}`], {
    env: { PATH: PEER_PATH },
    group: true,
  });
  await waitForListener({ network: "unix", path: world.fcgiwrap });
});

after(async () => {
  await fcgiwrap?.stop();
  await stop?.();
});

for (const site of APACHE_SITES) {
  test(`The virtual host for ${site.name} answers as in Apache`, { skip }, async () => {
    await compareSite(site, APACHE, world!);
  });
}
