/** h2o as documented: a connection for each request, bodies gathered first. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer, type WebServer } from "./web_server.ts";

export const h2o: WebServer = {
  name: "h2o",
  peer: "h2o",
  chunkedUpload: "whole",
  abort: "when_writing",
  longHeaders: 200,
  multiplexes: false,
  start(directory, config) {
    const path = join(directory, "h2o.conf");
    writeFileSync(path, config);
    return startServer("h2o", ["-c", path], directory);
  },
};
