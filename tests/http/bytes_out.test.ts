/** The access log's `bytes_out`, whoever has had the response in hand. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { temporaryDirectory } from "../support/places.ts";

const TEXT = "x".repeat(3000);

test("bytes_out is the body's length behind headers, etag, security_headers and compression", async () => {
  const directory = temporaryDirectory();
  writeFileSync(`${directory}/small.txt`, TEXT);
  const options = [
    "{}",
    "{ headers: { set: { X-A: b } } }",
    "{ etag: true }",
    "{ security_headers: {} }",
    "{ compression: {} }",
    "{ headers: { set: { X-A: b } }, etag: true, security_headers: {}, compression: {} }",
  ];
  for (const option of options) {
    const more = option.slice(1, -1).trim();
    const text = `
sites:
  - root: ${directory}${
      more === ""
        ? ""
        : "\n    " + more.replaceAll("}, ", "}\n    ").replaceAll("true, ", "true\n    ")
    }
    routes:
      - { path: /fixed, respond: { body: "${TEXT}" } }
      - static: {}
`;
    await withConfig({ text }, async (gateway) => {
      for (const target of ["/fixed", "/small.txt", "/nowhere"]) {
        for (const encoding of ["identity", "gzip"]) {
          const path = `${target}?${encoding}`;
          const headers = { "Accept-Encoding": encoding };
          const { body } = await gateway.send({ target: path, headers });
          assert.ok(body.length > 0);
          const line = await gateway.access.ofPath(path);
          assert.equal(line["bytes_out"], body.length, `${path} with ${option}`);
        }
      }
    });
  }
});
