/** Authorizers and filters behind the executable: ours, and one on libfcgi. */
import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AFCGI, Afcgi, runAfcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import {
  freePlace,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
  waitForListener,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { runPeer, sourcePath, startPeer } from "./application.ts";

const MODIFIED_S = 1_700_000_000;
const TEXT = "a line of the file\n".repeat(10_000);

/** The configuration of docs/authorize-and-filter.md. */
function configFor(place: Place, root: string): Readonly<Record<string, unknown>> {
  return {
    upstreams: { door: { servers: [placeUrl(place)] } },
    sites: [{
      root,
      routes: [
        { path: "/letters/*", authorize: { upstream: "door" }, filter: { upstream: "door" } },
        { path: "/files/*", authorize: { upstream: "door" }, static: {} },
      ],
    }],
  };
}

function makeRoot(): string {
  const root = temporaryDirectory();
  for (const name of ["letters", "files"]) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, "a.txt"), TEXT);
    utimesSync(join(root, name, "a.txt"), MODIFIED_S, MODIFIED_S);
  }
  return root;
}

test("afcgi responder is an authorizer and a filter behind afcgi serve", async () => {
  const place = await freePlace("unix", temporaryDirectory());
  const child = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  const afcgi = await Afcgi.start({ config: configFor(place, makeRoot()) });
  const denied = await httpRequest(afcgi.port, { target: "/files/a.txt?deny" });
  assert.deepEqual([denied.status, denied.body.toString()], [403, "Denied\n"]);
  const file = await httpRequest(afcgi.port, { target: "/files/a.txt" });
  assert.deepEqual([file.status, file.body.toString()], [200, TEXT]);
  const filtered = await httpRequest(afcgi.port, { target: "/letters/a.txt" });
  assert.deepEqual([filtered.status, filtered.body.toString()], [200, TEXT]);
  await afcgi.stop();
  await child.stop();
});

for (const network of ["tcp", "unix"] as const) {
  test(`A libfcgi authorizer and filter over ${network} work behind afcgi serve`, async () => {
    const directory = temporaryDirectory();
    const program = join(directory, "roles");
    const flags = ["-O2", "-Wall", "-Wextra", "-Werror"];
    await runPeer("cc", [...flags, sourcePath("libfcgi/roles.c"), "-lfcgi", "-o", program]);
    const place = await freePlace(network, directory);
    const child = startPeer(program, [placeName(place)]);
    await waitForListener(place);
    const afcgi = await Afcgi.start({ config: configFor(place, makeRoot()) });
    for (const target of ["/files/a.txt", "/letters/a.txt"]) {
      const denied = await httpRequest(afcgi.port, { target });
      assert.equal(denied.status, 401);
      assert.equal(denied.body.toString(), "Say the word, 127.0.0.1\n");
    }
    const headers = { "X-Word": "sesame" };
    const file = await httpRequest(afcgi.port, { target: "/files/a.txt", headers });
    assert.deepEqual([file.status, file.body.toString()], [200, TEXT]);
    const post = { method: "POST", target: "/letters/a.txt", headers, body: "ignored" };
    for (const request of [{ target: "/letters/a.txt", headers }, post]) {
      const { status, body } = await httpRequest(afcgi.port, request);
      const [said, ...lines] = body.toString().split("\n");
      assert.equal(status, 200);
      assert.equal(said, `${TEXT.length} ${MODIFIED_S} for ali`);
      assert.equal(lines.join("\n"), TEXT.toUpperCase());
    }
    await afcgi.stop();
    await child.stop();
  });
}

test("afcgi explain says who is asked, and afcgi check that nobody of that name is there", async () => {
  const directory = temporaryDirectory();
  const config = join(directory, "afcgi.yaml");
  const place = await freePlace("unix", directory);
  writeFileSync(config, JSON.stringify(configFor(place, makeRoot())));
  const url = "http://127.0.0.1:8080/letters/a.txt";
  const explained = await runAfcgi(["explain", "--config", config, url]);
  assert.equal(explained.code, 0, explained.stderr);
  assert.match(explained.stdout, /route 1: filter for \/letters\/\*: responds/);
  assert.match(explained.stdout, /if door, an authorizer, lets it in/);
  assert.match(explained.stdout, /FCGI_DATA_LENGTH=190000/);
  const text = JSON.stringify(configFor(place, makeRoot()));
  writeFileSync(
    config,
    text.replace('"authorize":{"upstream":"door"}', '"authorize":{"upstream":"dor"}'),
  );
  const checked = await runAfcgi(["check", "--config", config]);
  assert.equal(checked.code, 2);
  assert.match(checked.stdout + checked.stderr, /Unknown upstream "dor" \(did you mean "door"\?\)/);
});
