/** HAProxy as documented: it multiplexes, and takes no long body without a length. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer, type WebServer } from "./web_server.ts";

export const haproxy: WebServer = {
  name: "HAProxy",
  peer: "haproxy",
  chunkedUpload: "refused",
  abort: "when_writing",
  longHeaders: 400,
  multiplexes: true,
  start(directory, config) {
    const path = join(directory, "haproxy.cfg");
    writeFileSync(path, config);
    return startServer("haproxy", ["-db", "-f", path], directory);
  },
};
