/** An application behind lighttpd: as a responder, started by it, and as an authorizer. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isListening } from "../../src/runtime/unix_path.ts";
import { AFCGI } from "../support/afcgi.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { startAuthorizer } from "./authorizer.ts";
import { commonTests } from "./common.ts";
import { startWebServer } from "./web_server.ts";
import { lighttpd } from "./lighttpd.ts";

const { skip, tests } = commonTests(lighttpd);
for (const { name, run } of tests) test(name, { skip }, run);

test("lighttpd starts the responder itself, and ends it", { skip }, async () => {
  const directory = temporaryDirectory();
  const port = await freePort();
  const socket = join(directory, "spawned");
  const name = "lighttpd that starts the application";
  const places = { socket, port, program: AFCGI };
  const webServer = await startWebServer({ ...lighttpd, name }, directory, places);
  try {
    await Promise.all(Array.from({ length: 50 }, async (_, index) => {
      const response = await httpRequest(port, { target: `/echo?index=${index}` });
      assert.equal(response.status, 200, response.body.toString());
      assert.ok(response.body.toString().startsWith(`GET /echo?index=${index}\n`));
    }));
  } finally {
    await webServer.stop();
  }
  for (const path of [`${socket}-0`, `${socket}-1`]) {
    await waitUntil(() => !isListening({ transport: "unix", path }), "the application's end");
  }
});

test("lighttpd asks an authorizer before it gives a file away", { skip }, async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "secret.txt"), "secret\n");
  const application = await startAuthorizer(directory);
  const port = await freePort();
  const name = "lighttpd with an authorizer";
  const places = { socket: application.socket, port, root: directory };
  const webServer = await startWebServer({ ...lighttpd, name }, directory, places);
  try {
    const denied = await httpRequest(port, { target: "/secret.txt" });
    assert.equal(denied.status, 401);
    assert.equal(denied.body.toString(), "Who are you?\n");
    const headers = { Authorization: "Bearer sesame" };
    const allowed = await httpRequest(port, { target: "/secret.txt", headers });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.body.toString(), "secret\n");
    assert.equal(application.roles.join(), "authorizer,authorizer");
  } finally {
    await webServer.stop();
    await application.stop();
  }
});
