/** The application of `afcgi responder`, as afcgi request and afcgi probe see it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AFCGI, runAfcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { freePlace, placeUrl, temporaryDirectory, waitForListener } from "../support/places.ts";

for (const network of ["tcp", "unix"] as const) {
  for (const flags of [[], ["--no-multiplex"]]) {
    const name = `${["afcgi responder", ...flags].join(" ")} over ${network}`;
    test(`${name} answers afcgi request and is found out by afcgi probe`, async () => {
      const place = await freePlace(network, temporaryDirectory());
      const url = placeUrl(place);
      const child = new Child(AFCGI, ["responder", "--listen", url, ...flags]);
      await waitForListener(place);
      const env = await runAfcgi(["request", url, "/env?q=1", "-H", "X-Test: y"]);
      assert.equal(env.code, 0, env.stderr);
      assert.match(env.stdout, /HTTP_X_TEST\W+y/);
      const missing = await runAfcgi(["request", url, "/nothing-here"]);
      assert.equal(missing.code, 1);
      const { code, stdout } = await runAfcgi(["probe", "--json", url]);
      assert.equal(code, 0);
      const { multiplexes, keepsConnection, values } = JSON.parse(stdout);
      assert.deepEqual([multiplexes, keepsConnection], [flags.length === 0, true]);
      assert.equal(values.FCGI_MPXS_CONNS, flags.length === 0 ? "1" : "0");
      await child.stop();
    });
  }
}
