/** Caddy as documented: a connection for each request, bodies passed on as they come. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer, type WebServer } from "./web_server.ts";

export const caddy: WebServer = {
  name: "Caddy",
  peer: "caddy",
  chunkedUpload: "streamed",
  abort: "when_writing",
  longHeaders: 200,
  multiplexes: false,
  start(directory, config) {
    const path = join(directory, "Caddyfile");
    // The administration port is the same for every Caddy of a machine.
    writeFileSync(path, `{\n\tadmin off\n}\n${config}`);
    return startServer("caddy", ["run", "--config", path, "--adapter", "caddyfile"], directory);
  },
};
