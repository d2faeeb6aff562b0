/** lighttpd as documented: a connection for each request, bodies gathered first. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer, type WebServer } from "./web_server.ts";

export const lighttpd: WebServer = {
  name: "lighttpd",
  peer: "lighttpd",
  chunkedUpload: "whole",
  abort: "when_writing",
  longHeaders: 431,
  multiplexes: false,
  start(directory, config) {
    const path = join(directory, "lighttpd.conf");
    // lighttpd does not start without a directory of its own, though it gives nothing from it.
    const root = config.includes("document-root") ? "" : `server.document-root = "${directory}"`;
    writeFileSync(
      path,
      `server.bind = "127.0.0.1"
server.upload-dirs = ("${directory}")
${root}
${config}`,
    );
    return startServer("lighttpd", ["-D", "-f", path], directory);
  },
};
