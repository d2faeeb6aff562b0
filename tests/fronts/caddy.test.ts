/** An application behind Caddy: a connection for each request. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commonTests } from "./common.ts";
import { startServer } from "./front.ts";

commonTests({
  name: "Caddy",
  peer: "caddy",
  chunkedUpload: "streamed",
  abort: "when_writing",
  longHeaders: 200,
  multiplexes: false,
  start(folder, config) {
    const path = join(folder, "Caddyfile");
    // The administration port is the same for every Caddy of a machine.
    writeFileSync(path, `{\n\tadmin off\n}\n${config}`);
    return startServer("caddy", ["run", "--config", path, "--adapter", "caddyfile"], folder);
  },
});
