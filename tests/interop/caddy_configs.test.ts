/** Caddyfiles as people write them, each answered by Caddy itself and by afcgi with the import. */
import { after, before, test } from "node:test";
import { startServer } from "../fronts/web_server.ts";
import { missingPeer } from "../support/peers.ts";
import { CADDY_SITES } from "./caddy_sites.ts";
import {
  type ComparedWorld,
  compareSite,
  type OtherServer,
  startWorld,
} from "./compared_servers.ts";

const skip = missingPeer("caddy") || missingPeer("php-fpm");

const CADDY: OtherServer = {
  name: "caddy",
  configs: new URL("./caddy/", import.meta.url),
  ending: ".Caddyfile",
  start: (config, directory) =>
    startServer("caddy", ["run", "--config", config, "--adapter", "caddyfile"], directory),
  // The administration port is the same for every Caddy of a machine.
  whole: (site) => site.startsWith("{") ? site : `{\n\tadmin off\n}\n${site}`,
};

let world: ComparedWorld | undefined;
let stop: (() => Promise<void>) | undefined;

before(async () => {
  if (!skip) ({ world, stop } = await startWorld());
});

after(async () => await stop?.());

for (const site of CADDY_SITES) {
  test(`The Caddyfile for ${site.name} answers as in Caddy`, { skip }, async () => {
    await compareSite(site, CADDY, world!);
  });
}
