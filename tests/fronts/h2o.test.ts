/** An application behind h2o. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commonTests } from "./common.ts";
import { startServer } from "./web_server.ts";

const { skip, tests } = commonTests({
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
});
for (const { name, run } of tests) test(name, { skip }, run);
