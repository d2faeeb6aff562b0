/** One process for each CPU: the documented configurations with two of them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { afcgi } from "./afcgi.ts";
import { caddy } from "./caddy.ts";
import { type Front, startFront } from "./front.ts";
import { haproxy } from "./haproxy.ts";
import { startHonoExample } from "./hono_example.ts";
import { lighttpd } from "./lighttpd.ts";
import { nginx } from "./nginx.ts";

const FRONTS: readonly Front[] = [afcgi, nginx, haproxy, lighttpd, caddy];
const REQUESTS = 50;

for (const front of FRONTS) {
  const skip = front.peer === undefined ? false : missingPeer(front.peer);
  test(`Two processes behind one ${front.name} share its requests`, { skip }, async () => {
    const directory = temporaryDirectory();
    const port = await freePort();
    const examples = await Promise.all(
      ["1", "2"].map((name) => startHonoExample(join(directory, `${name}.sock`))),
    );
    const name = `${front.name} before two processes`;
    const server = await startFront({ ...front, name }, directory, { port, directory });
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
  const answer = await httpRequest(port, { target: "/process" });
  assert.equal(answer.status, 200, answer.body.toString());
  return Number(answer.body.toString());
}
