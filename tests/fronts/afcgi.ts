/** afcgi as documented, the executable. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AFCGI } from "../support/afcgi.ts";
import { startServer, type WebServer } from "./web_server.ts";

export const afcgi: WebServer = {
  name: "afcgi",
  peer: undefined,
  chunkedUpload: "whole",
  abort: "at_once",
  longHeaders: 200,
  multiplexes: true,
  start(directory, config) {
    const path = join(directory, "afcgi.yaml");
    writeFileSync(path, config);
    return startServer(AFCGI, ["serve", "--config", path], directory);
  },
};
