/** One process for each CPU: the documented configurations with two of them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { afcgi } from "./afcgi.ts";
import { caddy } from "./caddy.ts";
import { startWebServer, type WebServer } from "./web_server.ts";
import { haproxy } from "./haproxy.ts";
import { startHonoExample } from "./hono_example.ts";
import { lighttpd } from "./lighttpd.ts";
import { nginx } from "./nginx.ts";

const WEB_SERVERS: readonly WebServer[] = [afcgi, nginx, haproxy, lighttpd, caddy];
const REQUESTS = 50;

for (const webServer of WEB_SERVERS) {
  const skip = webServer.peer === undefined ? false : missingPeer(webServer.peer);
  test(`Two processes behind one ${webServer.name} share its requests`, { skip }, async () => {
    const directory = temporaryDirectory();
    const port = await freePort();
    const examples = await Promise.all(
      ["1", "2"].map((name) => startHonoExample(join(directory, `${name}.sock`))),
    );
    const name = `${webServer.name} before two processes`;
    const server = await startWebServer({ ...webServer, name }, directory, { port, directory });
    try {
      // The first requests may go to the server that was the first to say whether it multiplexes.
      await Promise.all([processOf(port), processOf(port)]);
      const requests = Array.from({ length: REQUESTS }, () => processOf(port));
      const seen = new Set(await Promise.all(requests));
      assert.deepEqual([...seen].sort(), examples.map(({ pid }) => pid).sort());
    } finally {
      for (const child of [server, ...examples]) await child.stop();
    }
  });
}

/** Which process answers. */
async function processOf(port: number): Promise<number> {
  const response = await httpRequest(port, { target: "/process" });
  assert.equal(response.status, 200, response.body.toString());
  return Number(response.body.toString());
}
