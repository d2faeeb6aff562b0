import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { FileError } from "../../src/runtime/file_error.ts";
import { isScriptName } from "../../src/cgi/script_path.ts";
import { parseTarget } from "../../src/http/target.ts";
import type { StaticRefusal } from "../../src/static/refusal.ts";
import { serveStatic, type StaticOptions } from "../../src/static/static_files.ts";
import { type Directory, fetched, files, MODIFIED_MS, SECRET, withDirectory } from "./directory.ts";

const ETAG = `"${MODIFIED_MS.toString(16)}-a"`;
const LAST_MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT";

function optionsFor(directory: Directory): StaticOptions {
  return { files, root: directory.root, index: ["index.html"], never: isScriptName };
}

async function serve(
  options: StaticOptions,
  raw: string,
  init: RequestInit = {},
): Promise<Response | StaticRefusal> {
  const target = parseTarget(`http://h${raw}`);
  assert.ok(target.kind === "target", raw);
  return fetched(serveStatic(options, new Request("http://h/", init), target));
}

async function served(
  options: StaticOptions,
  raw: string,
  init: RequestInit = {},
): Promise<Response> {
  const response = await serve(options, raw, init);
  assert.ok(response instanceof Response, JSON.stringify(response));
  return response;
}

async function refused(
  options: StaticOptions,
  raw: string,
  init: RequestInit = {},
): Promise<StaticRefusal> {
  const response = await serve(options, raw, init);
  assert.ok(!(response instanceof Response), `${raw} was served`);
  return response;
}

test("serveStatic sends a file with its type, length and validators", async () => {
  await withDirectory(async (directory) => {
    const response = await served(optionsFor(directory), "/hello.txt");
    assert.equal(response.status, 200);
    assert.deepEqual(Object.fromEntries(response.headers), {
      "accept-ranges": "bytes",
      "content-length": "10",
      "content-type": "text/plain; charset=utf-8",
      etag: ETAG,
      "last-modified": LAST_MODIFIED,
    });
    assert.equal(await response.text(), "0123456789");
  });
});

test("serveStatic sends an empty file and a file without a known type", async () => {
  await withDirectory(async (directory) => {
    const empty = await served(optionsFor(directory), "/empty.txt", {
      headers: { range: "bytes=0-" },
    });
    assert.equal(empty.status, 200);
    assert.equal(empty.headers.get("content-length"), "0");
    assert.equal(await empty.text(), "");
    const unknown = await served(optionsFor(directory), "/noextension");
    assert.equal(unknown.headers.get("content-type"), "application/octet-stream");
  });
});

test("serveStatic decodes a path once", async () => {
  await withDirectory(async (directory) => {
    const options = optionsFor(directory);
    assert.equal(await (await served(options, "/docs/caf%C3%A9%20%c3%a9.css")).text(), "body {}");
    assert.equal((await refused(options, "/hello%252etxt")).code, "no_such_file");
  });
});

test("serveStatic answers HEAD with the fields of GET and no body", async () => {
  await withDirectory(async (directory) => {
    const init = { method: "HEAD", headers: { range: "bytes=0-1" } };
    const response = await served(optionsFor(directory), "/hello.txt", init);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-length"), "10");
    assert.equal(response.headers.get("etag"), ETAG);
    assert.equal(response.body, null);
  });
});

test("serveStatic refuses other methods and says which are allowed", async () => {
  await withDirectory(async (directory) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      for (const raw of ["/hello.txt", "/docs", "/docs/"]) {
        const refusal = await refused(optionsFor(directory), raw, { method });
        assert.equal(refusal.status, 405);
        assert.equal(refusal.headers["allow"], "GET, HEAD");
      }
    }
  });
});

test("serveStatic answers 304 when the client has the file", async () => {
  await withDirectory(async (directory) => {
    const fields: HeadersInit[] = [
      { "if-none-match": ETAG, range: "bytes=0-1" },
      { "if-modified-since": LAST_MODIFIED },
    ];
    for (const headers of fields) {
      const response = await served(optionsFor(directory), "/hello.txt", { headers });
      assert.equal(response.status, 304);
      assert.equal(response.headers.get("etag"), ETAG);
      assert.equal(response.headers.get("content-length"), null);
      assert.equal(response.body, null);
    }
  });
});

test("serveStatic refuses with 412 what was asked for in another version", async () => {
  await withDirectory(async (directory) => {
    const headers = { "if-match": '"other"' };
    const refusal = await refused(optionsFor(directory), "/hello.txt", { headers });
    assert.deepEqual([refusal.status, refusal.code], [412, "precondition_failed"]);
  });
});

test("serveStatic sends one range", async () => {
  await withDirectory(async (directory) => {
    const headers = { range: "bytes=2-4", "if-range": ETAG };
    const response = await served(optionsFor(directory), "/hello.txt", { headers });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get("content-range"), "bytes 2-4/10");
    assert.equal(response.headers.get("content-length"), "3");
    assert.equal(await response.text(), "234");
  });
});

test("serveStatic sends the whole file when a range is of another version, or one of too many", async () => {
  await withDirectory(async (directory) => {
    const fields: HeadersInit[] = [
      { range: "bytes=2-4", "if-range": '"other"' },
      { range: `bytes=${"0-1,".repeat(16)}3-4` },
    ];
    for (const headers of fields) {
      const response = await served(optionsFor(directory), "/hello.txt", { headers });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-range"), null);
      assert.equal(await response.text(), "0123456789");
    }
  });
});

test("serveStatic refuses a range behind the end and says how long the file is", async () => {
  await withDirectory(async (directory) => {
    const headers = { range: "bytes=10-" };
    const refusal = await refused(optionsFor(directory), "/hello.txt", { headers });
    assert.equal(refusal.status, 416);
    assert.equal(refusal.headers["content-range"], "bytes */10");
  });
});

test("serveStatic sends the first index of a directory that is there", async () => {
  await withDirectory(async (directory) => {
    const options = { ...optionsFor(directory), index: ["none.html", "a.php", "index.html"] };
    assert.equal(await (await served(options, "/")).text(), "<h1>root</h1>");
    assert.equal(await (await served(options, "/docs/")).text(), "<h1>docs</h1>");
    assert.equal((await refused(options, "/empty/")).code, "no_such_file");
    assert.equal((await refused({ ...options, index: [] }, "/docs/")).code, "no_such_file");
  });
});

test("serveStatic sends a client to a directory's path with its slash, and keeps the query", async () => {
  await withDirectory(async (directory) => {
    const options = optionsFor(directory);
    const response = await served(options, "/docs?a=%20b&c");
    assert.equal(response.status, 308);
    assert.equal(response.headers.get("location"), "/docs/?a=%20b&c");
    assert.equal((await served(options, "/link-docs")).headers.get("location"), "/link-docs/");
  });
});

test("serveStatic encodes a directory's path anew", async () => {
  await withDirectory(async (directory) => {
    const raw = "/odd%20%3f%23%5C%c3%a9%25";
    const response = await served(optionsFor(directory), raw);
    assert.equal(response.headers.get("location"), "/odd%20%3F%23%5C%C3%A9%25/");
  });
});

test("serveStatic sends no client to another host", async () => {
  await withDirectory(async (directory) => {
    const targets = ["//docs", "//evil.example/%2e%2e/docs", "/.//docs", "/evil.example/..//docs"];
    for (const raw of targets) {
      assert.equal(
        (await served(optionsFor(directory), raw)).headers.get("location"),
        "/docs/",
        raw,
      );
    }
  });
});

test("serveStatic never sends source code, not even through a link", async () => {
  await withDirectory(async (directory) => {
    const options = optionsFor(directory);
    for (const raw of ["/script.php", "/source.txt", "/scrip%74.php", "//script%2ephp"]) {
      assert.equal((await refused(options, raw)).code, "script_source", raw);
    }
    const refusal = await refused({ ...options, index: ["script.php"] }, "/");
    assert.deepEqual([refusal.status, refusal.code], [403, "script_source"]);
    assert.equal((await refused(options, "/none.php")).status, 404);
  });
});

test("serveStatic refuses what is missing, hidden or outside with its status", async () => {
  await withDirectory(async (directory) => {
    const cases: [raw: string, status: number, code: string][] = [
      ["/none", 404, "no_such_file"],
      ["/hello.txt/", 404, "no_such_file"],
      ["/link-dead", 404, "no_such_file"],
      ["/.env", 403, "hidden_file"],
      ["/docs/%2ehidden/file", 403, "hidden_file"],
      ["/link-out.txt", 403, "outside_root"],
      ["/link-folder/", 403, "outside_root"],
    ];
    for (const [raw, status, code] of cases) {
      const refusal = await refused(optionsFor(directory), raw);
      assert.deepEqual([refusal.status, refusal.code], [status, code], raw);
    }
  });
});

test("serveStatic refuses a file that cannot be read, or is gone by now", async () => {
  await withDirectory(async (directory) => {
    const openNow = (path: string): never => {
      throw new FileError("open", path, "EACCES");
    };
    const unreadable = { ...optionsFor(directory), files: { ...files, openNow } };
    assert.equal((await refused(unreadable, "/hello.txt")).code, "unreadable_file");

    let looks = 0;
    const stat = (path: string) => looks++ === 0 ? files.stat(path) : undefined;
    const none = () => undefined;
    const gone = { ...optionsFor(directory), files: { ...files, openNow: none, stat } };
    assert.equal((await refused(gone, "/hello.txt")).code, "no_such_file");
  });
});

test("serveStatic sends no secret for any target, however encoded", async () => {
  const piece = fc.oneof(
    fc.constantFrom("/", "/", "%2f", "//", "/../", "..%2F", "%2e%2e/", "/./", "\\", "%5c", "%252f"),
    fc.constantFrom("www", "www-other", "secret.txt", "outside", "index.html", ".git", ".env"),
    fc.constantFrom("link-out.txt", "link-up.txt", "link-folder", "source.txt", "docs", "config"),
    fc.constantFrom(
      ".well-known",
      ".x",
      "file",
      "script.php",
      "script%2ePHP",
      ".hidden",
      "file.txt",
    ),
  );
  const targets = fc.array(piece, { maxLength: 6 }).map((parts) => `/${parts.join("")}`);
  await withDirectory(async (directory) => {
    const options = optionsFor(directory);
    await fc.assert(
      fc.asyncProperty(targets, async (raw) => {
        const target = parseTarget(`http://h${raw}`);
        if (target.kind === "refused") return;
        const response = await fetched(serveStatic(options, new Request("http://h/"), target));
        if (response instanceof Response) assert.notEqual(await response.text(), SECRET, raw);
      }),
      { numRuns: 1000 },
    );
  });
});
