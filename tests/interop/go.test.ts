/** Go's net/http/fcgi behind afcgi. It multiplexes, and has habits of its own when aborted. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Afcgi } from "../support/afcgi.ts";
import { waitUntil } from "../support/places.ts";
import { HttpConnection, httpRequest, requestHeaders } from "../support/raw_http.ts";
import { NETWORKS } from "./application.ts";
import { commonTests, gatePath, pattern, report } from "./common.ts";
import { go } from "./go.ts";
import { multiplexingTests } from "./multiplexing.ts";

const NEXT_REQUESTS = 4;

const started = commonTests(go);
multiplexingTests(go, started);

for (const network of NETWORKS) {
  test(`Go net/http/fcgi over ${network} learns that the client left in its upload`, {
    skip: started.skip,
  }, async () => {
    const { afcgi, directory } = started.get(network);
    const before = await report(afcgi);
    const gate = gatePath(directory);
    await leaveDuringUpload(afcgi, gate);
    await waitUntil(
      async () => (await report(afcgi)).aborted === before.aborted! + 1,
      "the abort at the application",
    );
    writeFileSync(gate, "");
    // The handler runs on; the tests after this one count what theirs do.
    await waitUntil(
      async () => (await report(afcgi)).stale === before.stale! + 1,
      "the end of the handler",
    );
  });

  // Go ends an aborted request at once, but its handler runs on and writes under the same id.
  test(`Go net/http/fcgi over ${network} cannot write a dead request's response into the next`, {
    skip: started.skip,
  }, async () => {
    const { afcgi, directory } = started.get(network);
    const before = await report(afcgi);
    const staleGate = gatePath(directory);
    const gate = gatePath(directory);
    await leaveDuringUpload(afcgi, staleGate);
    await waitUntil(
      async () => (await report(afcgi)).aborted === before.aborted! + 1,
      "the abort at the application",
    );
    const responses = Promise.all(Array.from(
      { length: NEXT_REQUESTS },
      () => httpRequest(afcgi.port, { target: `/wait?gate=${gate}` }),
    ));
    // When a wait below fails, nobody is left to hear how these ended.
    responses.catch(() => {});
    await waitUntil(
      async () => (await report(afcgi)).in_flight === before.in_flight! + NEXT_REQUESTS,
      "the next requests at the application",
    );
    writeFileSync(staleGate, "");
    await waitUntil(
      async () => (await report(afcgi)).stale === before.stale! + 1,
      "the dead request's response",
    );
    writeFileSync(gate, "");
    for (const response of await responses) {
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), "waited\n");
      assert.ok(response.complete);
    }
  });
}

async function leaveDuringUpload(afcgi: Afcgi, gate: string): Promise<void> {
  const { begun } = await report(afcgi);
  const connection = await HttpConnection.open(afcgi.port);
  const headers = { "Content-Length": "200000" };
  const target = `/abandoned?gate=${gate}`;
  await connection.write(requestHeaders({ method: "POST", target, headers }));
  await connection.write(pattern(100_000));
  await waitUntil(
    async () => (await report(afcgi)).begun === begun! + 1,
    "the upload at the application",
  );
  connection.destroy();
}
