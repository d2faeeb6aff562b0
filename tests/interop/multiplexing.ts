/** What applications that multiplex must get beyond the common table: one connection for all. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { freePlace, placeUrl, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { type Application, NETWORKS, startApplication } from "./application.ts";
import { type fixtures, gatePath, report } from "./common.ts";

const REQUESTS_AT_ONCE = 200;

export function multiplexingTests(
  application: Application,
  started: ReturnType<typeof fixtures>,
): void {
  for (const network of NETWORKS) {
    for (const multiplex of ["auto", "on"] as const) {
      const name = `${application.name} over ${network}, multiplex ${multiplex}, ` +
        `sees ${REQUESTS_AT_ONCE} requests in flight on one connection`;
      test(name, { skip: started.skip }, async () => {
        const { directory } = started.get(network);
        // An application that has seen no other connection.
        const place = await freePlace(network, directory);
        const running = await startApplication(application, directory, place);
        const afcgi = await Afcgi.start({
          config: {
            // Each thread has a connection of its own.
            workers: 1,
            upstreams: { app: { servers: [placeUrl(place)], multiplex } },
            sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
          },
        });
        try {
          await holdRequests(afcgi, gatePath(directory));
          const seen = await report(afcgi);
          assert.equal(seen.in_flight_max, REQUESTS_AT_ONCE);
          assert.equal(seen.connections, 1);
          assert.equal(seen.asked, multiplex === "auto" ? 1 : 0);
        } finally {
          await afcgi.stop();
          await running.child.stop();
        }
      });
    }
    for (const length of [1, 3_000_000]) {
      const name = `${application.name} over ${network} answers others while a handler leaves ` +
        `${length} bytes of its body unread`;
      test(name, { skip: started.skip }, async () => {
        const { afcgi, directory } = started.get(network);
        const gate = gatePath(directory);
        const target = `/wait?gate=${gate}`;
        const before = await report(afcgi);
        const body = Buffer.alloc(length);
        const late = httpRequest(afcgi.port, { method: "POST", target, body });
        late.catch(() => {});
        await waitUntil(
          async () => (await report(afcgi)).in_flight! > before.in_flight!,
          "the upload at the application",
        );
        // The gate is shut: whoever waits behind the body waits for ever.
        for (const method of ["GET", "POST", "GET"]) {
          const body = method === "POST" ? { body: "x" } : {};
          const { status } = await httpRequest(afcgi.port, { method, target: "/echo", ...body });
          assert.equal(status, 200);
        }
        writeFileSync(gate, "");
        assert.equal((await late).body.toString(), "waited\n");
      });
    }
  }
}

/**
 * Sends all requests, lets them end only when the application has every one, reads the responses.
 */
async function holdRequests(afcgi: Afcgi, gate: string): Promise<void> {
  const responses = Promise.all(Array.from(
    { length: REQUESTS_AT_ONCE },
    () => httpRequest(afcgi.port, { target: `/wait?gate=${gate}` }),
  ));
  // When the wait below fails, nobody is left to hear how these ended.
  responses.catch(() => {});
  await waitUntil(
    async () => (await report(afcgi)).in_flight === REQUESTS_AT_ONCE,
    `${REQUESTS_AT_ONCE} requests in flight`,
  );
  writeFileSync(gate, "");
  for (const response of await responses) {
    assert.equal(response.status, 200);
    assert.equal(response.body.toString(), "waited\n");
  }
}
