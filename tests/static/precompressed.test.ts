import assert from "node:assert/strict";
import { rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { ENCODINGS } from "../../src/compression/accept_encoding.ts";
import { serveStatic, type StaticOptions } from "../../src/static/static_files.ts";
import { fetched, files, type Folder, MODIFIED_MS, withFolder } from "./folder.ts";

const ALL = "gzip, br, zstd";

/** Writes a sibling of `/hello.txt` that holds its own extension. */
function writeSibling(folder: Folder, extension: string, modifiedMs = MODIFIED_MS): void {
  const path = join(folder.root, `hello.txt${extension}`);
  writeFileSync(path, extension);
  utimesSync(path, modifiedMs / 1000, modifiedMs / 1000);
}

async function ask(
  folder: Folder,
  fields: Record<string, string>,
  options: Partial<StaticOptions> = {},
): Promise<Response> {
  const all = { files, root: folder.root, index: [], never: () => false, ...options };
  const answer = await fetched(serveStatic(
    { precompressed: ENCODINGS, ...all },
    new Request("http://h/", { headers: fields }),
    { path: "/hello.txt", query: "" },
  ));
  assert.ok(answer instanceof Response);
  return answer;
}

test("A compressed sibling is sent to a client that takes its coding", async () => {
  await withFolder(async (folder) => {
    for (const extension of [".gz", ".br", ".zst"]) writeSibling(folder, extension);
    const cases: [accept: string, encoding: string, body: string][] = [
      [ALL, "zstd", ".zst"],
      ["gzip, br", "br", ".br"],
      ["gzip;q=1, br;q=0.5", "gzip", ".gz"],
    ];
    for (const [accept, encoding, body] of cases) {
      const answer = await ask(folder, { "accept-encoding": accept });
      assert.equal(answer.headers.get("content-encoding"), encoding);
      assert.equal(answer.headers.get("content-type"), "text/plain; charset=utf-8");
      assert.equal(answer.headers.get("content-length"), String(body.length));
      assert.equal(answer.headers.get("vary"), "accept-encoding");
      assert.match(answer.headers.get("etag") ?? "", new RegExp(`^"[^"]+-${encoding}"$`));
      assert.equal(await answer.text(), body);
    }
  });
});

test("The file itself goes out, with Vary, to a client that takes no coding of a sibling", async () => {
  await withFolder(async (folder) => {
    writeSibling(folder, ".gz");
    for (const accept of ["br", "identity", "gzip;q=0, *;q=0"]) {
      const answer = await ask(folder, { "accept-encoding": accept });
      assert.equal(answer.headers.get("content-encoding"), null);
      assert.equal(answer.headers.get("vary"), "accept-encoding");
      assert.equal(await answer.text(), "0123456789");
    }
  });
});

test("A file without siblings, or a route without the option, says nothing of codings", async () => {
  await withFolder(async (folder) => {
    const none = await ask(folder, { "accept-encoding": ALL });
    assert.equal(none.headers.get("vary"), null);
    writeSibling(folder, ".gz");
    const off = await ask(folder, { "accept-encoding": ALL }, { precompressed: [] });
    assert.deepEqual([off.headers.get("vary"), await off.text()], [null, "0123456789"]);
    const others = await ask(folder, { "accept-encoding": ALL }, { precompressed: ["br"] });
    assert.equal(others.headers.get("content-encoding"), null);
  });
});

test("A sibling that is older than its file is passed over, one of the same second is not", async () => {
  await withFolder(async (folder) => {
    writeSibling(folder, ".gz", MODIFIED_MS - 1000);
    const older = await ask(folder, { "accept-encoding": ALL });
    assert.deepEqual([older.headers.get("vary"), await older.text()], [null, "0123456789"]);
    utimesSync(join(folder.root, "hello.txt"), MODIFIED_MS / 1000, MODIFIED_MS / 1000 + 0.9);
    writeSibling(folder, ".gz", MODIFIED_MS);
    assert.equal(await (await ask(folder, { "accept-encoding": ALL })).text(), ".gz");
  });
});

test("A sibling that is a link out of the root, a folder or dangling is none", async () => {
  await withFolder(async (folder) => {
    symlinkSync(join(folder.base, "secret.txt"), join(folder.root, "hello.txt.gz"));
    symlinkSync("docs", join(folder.root, "hello.txt.br"));
    symlinkSync("nowhere", join(folder.root, "hello.txt.zst"));
    const answer = await ask(folder, { "accept-encoding": ALL });
    assert.deepEqual([answer.headers.get("vary"), await answer.text()], [null, "0123456789"]);
    rmSync(join(folder.root, "hello.txt.gz"));
  });
});

test("Ranges and conditions are of the sibling's own bytes", async () => {
  await withFolder(async (folder) => {
    writeSibling(folder, ".zst");
    const fields = { "accept-encoding": "zstd" };
    const etag = (await ask(folder, fields)).headers.get("etag")!;
    const part = await ask(folder, { ...fields, range: "bytes=1-2", "if-range": etag });
    assert.deepEqual([part.status, await part.text()], [206, "zs"]);
    assert.equal(part.headers.get("content-encoding"), "zstd");
    assert.equal((await ask(folder, { ...fields, "if-none-match": etag })).status, 304);
    assert.equal((await ask(folder, { "if-none-match": etag })).status, 200);
  });
});
