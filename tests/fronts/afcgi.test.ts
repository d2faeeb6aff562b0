/** An application of the library behind afcgi itself, the executable. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AFCGI } from "../support/afcgi.ts";
import { commonTests } from "./common.ts";
import { startServer } from "./front.ts";

commonTests({
  name: "afcgi",
  peer: undefined,
  chunkedUpload: "whole",
  abort: "at_once",
  longHeaders: 200,
  multiplexes: true,
  start(folder, config) {
    const path = join(folder, "afcgi.yaml");
    writeFileSync(path, config);
    return startServer(AFCGI, ["serve", "--config", path], folder);
  },
});
