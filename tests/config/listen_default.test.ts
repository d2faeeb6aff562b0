/** Where to listen when nothing else says so: what an image sets, weaker than a file. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load_config.ts";
import { formatAddress } from "../../src/runtime/address.ts";
import { runtime } from "../runtime/support.ts";
import { temporaryDirectory } from "../support/places.ts";

const SITES = [{ routes: [{ respond: { status: 204 } }] }];

async function listenOf(variables: Readonly<Record<string, string>>, config?: object) {
  const directory = temporaryDirectory();
  const file = join(directory, "afcgi.yaml");
  if (config) writeFileSync(file, JSON.stringify(config));
  const { options } = await loadConfig(config ? { config: file } : { upstream: ["app:9000"] }, {
    files: runtime.files,
    cwd: directory,
    readVariable: (name) => ({ AFCGI_LISTEN_DEFAULT: ":8080", ...variables })[name],
  });
  return options.listen.map(({ address }) => formatAddress(address));
}

test("The default is taken by flags alone and by a file that says nothing", async () => {
  assert.deepEqual(await listenOf({}), ["tcp://[::]:8080"]);
  assert.deepEqual(await listenOf({}, { sites: SITES }), ["tcp://[::]:8080"]);
});

test("A file's listen and AFCGI_LISTEN come before it, also where they say the built-in one", async () => {
  const loopback = "127.0.0.1:8080";
  assert.deepEqual(await listenOf({}, { listen: [loopback], sites: SITES }), [`tcp://${loopback}`]);
  assert.deepEqual(await listenOf({ AFCGI_LISTEN: ":9000" }), ["tcp://[::]:9000"]);
  assert.deepEqual(await listenOf({ AFCGI_LISTEN: ":9000" }, { sites: SITES }), [
    "tcp://[::]:9000",
  ]);
});

test("An empty one says nothing, one that cannot be read is an error", async () => {
  assert.deepEqual(await listenOf({ AFCGI_LISTEN_DEFAULT: "" }), ["tcp://127.0.0.1:8080"]);
  await assert.rejects(
    listenOf({ AFCGI_LISTEN_DEFAULT: "/run/x" }),
    /AFCGI_LISTEN_DEFAULT: .*unix:/,
  );
});
