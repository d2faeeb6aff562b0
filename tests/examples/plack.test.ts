/** `examples/plack`: a program that plackup runs, in processes which afcgi starts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { missingPeer } from "../support/peers.ts";
import { httpRequest } from "../support/raw_http.ts";
import { copyExample, startExample } from "./common.ts";

test("plack responds at each path, from several processes at once", {
  skip: missingPeer("plack"),
}, async () => {
  const directory = copyExample("plack");
  const afcgi = await startExample(join(directory, "afcgi.yaml"));
  try {
    const ask = (target: string) => httpRequest(afcgi.port, { target });
    const targets = ["/", "/a/b", "/a%20b", "/x?y=1"];
    const responses = await Promise.all(targets.map(ask));
    assert.deepEqual(
      responses.map(({ status, body }) => [status, body.toString()]),
      ["/", "/a/b", "/a b", "/x"].map((path) => [200, `Hello from Plack at ${path}\n`]),
    );
  } finally {
    await afcgi.stop();
  }
});
