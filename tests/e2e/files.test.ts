/** Files, responses that are handed over to files, and compression, through the executable. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { Afcgi } from "../support/afcgi.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest, type HttpResponse } from "../support/raw_http.ts";

const TEXT = "All work and no play makes Jack a dull boy.\n".repeat(5000);

type Ask = (target: string, headers?: Record<string, string>) => Promise<HttpResponse>;

/**
 * afcgi over a directory of files; its application answers with the header section that `X-Response`
 * gives.
 */
async function withAfcgi(use: (ask: Ask, root: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  const root = join(directory, "www");
  for (const name of ["assets", "list", "private"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  writeFileSync(join(root, "hello.txt"), "0123456789");
  writeFileSync(join(root, "big.txt"), TEXT);
  writeFileSync(join(root, "assets/app.js"), "let a = 1;");
  writeFileSync(join(root, "assets/app.js.gz"), gzipSync("let a = 1;"));
  writeFileSync(join(root, "list/<b>.txt"), "");
  writeFileSync(join(root, "private/report.txt"), "report");
  const peer = await FaultPeer.start({ network: "unix", path: join(directory, "app.sock") });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const headers = (params.get("HTTP_X_RESPONSE") ?? "").replaceAll("|", "\n");
      connection.send(
        new ResponseRecords().stdout(id, `${headers}\n\n${TEXT}`).stdoutEnd(id).end(id),
      );
    },
  };
  const afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [`unix:${join(directory, "app.sock")}`], multiplex: "on" } },
      sites: [{
        root,
        sendfile: [join(root, "private")],
        local_redirects: true,
        routes: [
          { path: "/private/*", internal: true, static: {} },
          { path: "/app/*", compression: true, fastcgi: { upstream: "app" } },
          { path: "/big.txt", compression: { encodings: ["br"] }, static: {} },
          {
            static: {
              precompressed: ["gzip"],
              cache_control: { "/assets/*": "max-age=9" },
              listing: true,
            },
          },
        ],
      }],
    },
  });
  try {
    await use((target, headers = {}) => httpRequest(afcgi.port, { target, headers }), root);
    await afcgi.stop();
  } finally {
    await peer.stop();
  }
}

test("The executable serves files, ranges, siblings and listings", async () => {
  await withAfcgi(async (ask) => {
    const whole = await ask("/hello.txt");
    assert.deepEqual([whole.status, whole.body.toString()], [200, "0123456789"]);
    const parts = await ask("/hello.txt", { Range: "bytes=8-9,0-1" });
    assert.equal(parts.status, 206);
    assert.match(
      parts.body.toString(),
      /bytes 8-9\/10\r\n\r\n89\r\n--.*bytes 0-1\/10\r\n\r\n01\r\n/s,
    );
    const same = await ask("/hello.txt", { "If-None-Match": whole.headers.get("etag")! });
    assert.equal(same.status, 304);
    const sibling = await ask("/assets/app.js", { "Accept-Encoding": "gzip" });
    assert.equal(gunzipSync(sibling.body).toString(), "let a = 1;");
    assert.equal(sibling.headers.get("cache-control"), "max-age=9");
    const listing = await ask("/list/");
    assert.match(listing.body.toString(), /<a href="\.\/%3Cb%3E\.txt">&lt;b&gt;\.txt<\/a>/);
    const large = await ask("/big.txt");
    assert.ok(large.complete);
    assert.equal(large.body.toString(), TEXT);
  });
});

test("The executable compresses what applications answer, and files", async () => {
  await withAfcgi(async (ask) => {
    const headers = { "X-Response": "Content-Type: text/html", "Accept-Encoding": "gzip, zstd" };
    const page = await ask("/app/", headers);
    assert.equal(page.headers.get("content-encoding"), "zstd");
    assert.equal(zstdDecompressSync(page.body).toString(), TEXT);
    const file = await ask("/big.txt", { "Accept-Encoding": "gzip, br" });
    assert.equal(brotliDecompressSync(file.body).toString(), TEXT);
    assert.equal(file.headers.get("vary"), "Accept-Encoding");
  });
});

test("The executable hands responses over to files and to other paths", async () => {
  await withAfcgi(async (ask, root) => {
    assert.equal((await ask("/private/report.txt")).status, 404);
    const sections = [
      "X-Accel-Redirect: /private/report.txt",
      `X-Sendfile: ${root}/private/report.txt`,
      "Location: /private/report.txt",
    ];
    for (const headers of sections) {
      const response = await ask("/app/", { "X-Response": `${headers}|Set-Cookie: a=1` });
      assert.deepEqual([response.status, response.body.toString()], [200, "report"], headers);
      assert.equal(response.headers.get("set-cookie"), "a=1");
    }
    const outside = await ask("/app/", { "X-Response": `X-Sendfile: ${root}/hello.txt` });
    assert.equal(outside.status, 502);
  });
});
