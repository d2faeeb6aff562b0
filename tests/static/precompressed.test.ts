import assert from "node:assert/strict";
import { rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { ENCODINGS } from "../../src/compression/accept_encoding.ts";
import { serveStatic, type StaticOptions } from "../../src/static/static_files.ts";
import { type Directory, fetched, files, MODIFIED_MS, withDirectory } from "./directory.ts";

const ALL = "gzip, br, zstd";

/** Writes a sibling of `/hello.txt` that holds its own extension. */
function writeSibling(directory: Directory, extension: string, modifiedMs = MODIFIED_MS): void {
  const path = join(directory.root, `hello.txt${extension}`);
  writeFileSync(path, extension);
  utimesSync(path, modifiedMs / 1000, modifiedMs / 1000);
}

async function ask(
  directory: Directory,
  fields: Record<string, string>,
  options: Partial<StaticOptions> = {},
): Promise<Response> {
  const all = { files, root: directory.root, index: [], never: () => false, ...options };
  const response = await fetched(serveStatic(
    { precompressed: ENCODINGS, ...all },
    new Request("http://h/", { headers: fields }),
    { path: "/hello.txt", query: "" },
  ));
  assert.ok(response instanceof Response);
  return response;
}

test("A compressed sibling is sent to a client that takes its coding", async () => {
  await withDirectory(async (directory) => {
    for (const extension of [".gz", ".br", ".zst"]) writeSibling(directory, extension);
    const cases: [accept: string, encoding: string, body: string][] = [
      [ALL, "zstd", ".zst"],
      ["gzip, br", "br", ".br"],
      ["gzip;q=1, br;q=0.5", "gzip", ".gz"],
    ];
    for (const [accept, encoding, body] of cases) {
      const response = await ask(directory, { "accept-encoding": accept });
      assert.equal(response.headers.get("content-encoding"), encoding);
      assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
      assert.equal(response.headers.get("content-length"), String(body.length));
      assert.equal(response.headers.get("vary"), "accept-encoding");
      assert.match(response.headers.get("etag") ?? "", new RegExp(`^"[^"]+-${encoding}"$`));
      assert.equal(await response.text(), body);
    }
  });
});

test("The file itself goes out, with Vary, to a client that takes no coding of a sibling", async () => {
  await withDirectory(async (directory) => {
    writeSibling(directory, ".gz");
    for (const accept of ["br", "identity", "gzip;q=0, *;q=0"]) {
      const response = await ask(directory, { "accept-encoding": accept });
      assert.equal(response.headers.get("content-encoding"), null);
      assert.equal(response.headers.get("vary"), "accept-encoding");
      assert.equal(await response.text(), "0123456789");
    }
  });
});

test("A file without siblings, or a route without the option, says nothing of codings", async () => {
  await withDirectory(async (directory) => {
    const none = await ask(directory, { "accept-encoding": ALL });
    assert.equal(none.headers.get("vary"), null);
    writeSibling(directory, ".gz");
    const off = await ask(directory, { "accept-encoding": ALL }, { precompressed: [] });
    assert.deepEqual([off.headers.get("vary"), await off.text()], [null, "0123456789"]);
    const others = await ask(directory, { "accept-encoding": ALL }, { precompressed: ["br"] });
    assert.equal(others.headers.get("content-encoding"), null);
  });
});

test("A sibling that is older than its file is passed over, one of the same second is not", async () => {
  await withDirectory(async (directory) => {
    writeSibling(directory, ".gz", MODIFIED_MS - 1000);
    const older = await ask(directory, { "accept-encoding": ALL });
    assert.deepEqual([older.headers.get("vary"), await older.text()], [null, "0123456789"]);
    utimesSync(join(directory.root, "hello.txt"), MODIFIED_MS / 1000, MODIFIED_MS / 1000 + 0.9);
    writeSibling(directory, ".gz", MODIFIED_MS);
    assert.equal(await (await ask(directory, { "accept-encoding": ALL })).text(), ".gz");
  });
});

test("A sibling that is a symlink out of the root, a directory or dangling is none", async () => {
  await withDirectory(async (directory) => {
    symlinkSync(join(directory.base, "secret.txt"), join(directory.root, "hello.txt.gz"));
    symlinkSync("docs", join(directory.root, "hello.txt.br"));
    symlinkSync("nowhere", join(directory.root, "hello.txt.zst"));
    const response = await ask(directory, { "accept-encoding": ALL });
    assert.deepEqual([response.headers.get("vary"), await response.text()], [null, "0123456789"]);
    rmSync(join(directory.root, "hello.txt.gz"));
  });
});

test("Ranges and conditions are of the sibling's own bytes", async () => {
  await withDirectory(async (directory) => {
    writeSibling(directory, ".zst");
    const fields = { "accept-encoding": "zstd" };
    const etag = (await ask(directory, fields)).headers.get("etag")!;
    const part = await ask(directory, { ...fields, range: "bytes=1-2", "if-range": etag });
    assert.deepEqual([part.status, await part.text()], [206, "zs"]);
    assert.equal(part.headers.get("content-encoding"), "zstd");
    assert.equal((await ask(directory, { ...fields, "if-none-match": etag })).status, 304);
    assert.equal((await ask(directory, { "if-none-match": etag })).status, 200);
  });
});
