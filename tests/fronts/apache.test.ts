/** An application behind Apache, by mod_proxy_fcgi and as an authorizer by mod_authnz_fcgi. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { apache, startApache } from "./apache.ts";
import { startAuthorizer } from "./authorizer.ts";
import { commonTests } from "./common.ts";
import { startWebServer } from "./web_server.ts";

const { skip, tests } = commonTests(apache);
for (const { name, run } of tests) test(name, { skip }, run);

test("Apache asks an authorizer before it gives a file away", { skip }, async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "secret.txt"), "secret\n");
  const application = await startAuthorizer(directory);
  const port = await freePort();
  const modules = ["authn_core", "authz_user", "authnz_fcgi"];
  const webServer = await startWebServer(
    {
      name: "Apache with an authorizer",
      start: (itsDirectory, config) => startApache(itsDirectory, config, modules),
    },
    directory,
    { port, address: application.address, root: directory },
  );
  try {
    const denied = await httpRequest(port, { target: "/secret.txt" });
    assert.equal(denied.status, 401);
    assert.equal(denied.body.toString(), "Who are you?\n");
    const headers = { Authorization: "Bearer sesame" };
    const allowed = await httpRequest(port, { target: "/secret.txt", headers });
    assert.equal(allowed.status, 200, allowed.body.toString());
    assert.equal(allowed.body.toString(), "secret\n");
    assert.equal(application.roles.join(), "authorizer,authorizer");
  } finally {
    await webServer.stop();
    await application.stop();
  }
});
