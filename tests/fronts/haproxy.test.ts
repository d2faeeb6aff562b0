/** An application behind HAProxy, which multiplexes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commonTests } from "./common.ts";
import { startServer } from "./front.ts";

commonTests({
  name: "HAProxy",
  peer: "haproxy",
  chunkedUpload: "refused",
  abort: "when_writing",
  longHeaders: 400,
  multiplexes: true,
  start(folder, config) {
    const path = join(folder, "haproxy.cfg");
    writeFileSync(path, config);
    return startServer("haproxy", ["-db", "-f", path], folder);
  },
});
