/** `examples/laravel`: Laravel as Debian packages it, behind a php-fpm that runs already. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { exampleTests } from "./common.ts";

const CHILDREN = 5;

const running = exampleTests({
  name: "laravel",
  peer: "laravel",
  writable: ["storage/app/public", "bootstrap/cache", "storage/framework/views", "storage/logs"],
  form: "/hello",
  upload: "/upload",
  uploads: "/storage",
  title: "Laravel",
  async beside(directory) {
    const place = await freePlace("unix", directory);
    const child = await startPhpFpm({ directory, place, children: CHILDREN, ini: true });
    return { flags: ["--upstream", placeUrl(place)], stop: () => child.stop("SIGQUIT") };
  },
});

test("laravel's log is afcgi's, with the id of the request", {
  skip: missingPeer("laravel"),
}, async () => {
  const { afcgi } = running();
  await httpRequest(afcgi.port, {
    method: "POST",
    target: "/hello",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: "name=Lise",
  });
  const line = await afcgi.waitForLog(({ msg }) => String(msg).includes('"name":"Lise"'));
  assert.match(String(line.msg), /production\.INFO: A form came/);
  const access = await afcgi.waitForAccess(({ request_id }) => request_id === line.request_id);
  assert.deepEqual([access.method, access.path, access.status], ["POST", "/hello", 302]);
});
