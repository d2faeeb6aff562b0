/** A file as a response: from an open file and from memory alike, with nothing left open. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { type FileLookup, resolveBelowRoot } from "../../src/static/below_root.ts";
import { FileMemory } from "../../src/static/file_memory.ts";
import { type FileFields, readyFile } from "../../src/static/file_response.ts";
import { STATIC_REFUSAL_STATUS } from "../../src/static/refusal.ts";
import { serveStatic, type StaticOptions } from "../../src/static/static_files.ts";
import { fetched, MODIFIED_MS } from "./directory.ts";

const HOUR_MS = 3_600_000;
const CONTENT = Array.from({ length: 300 }, (_, index) => String.fromCharCode(97 + index % 26));
const ETAG = `"${MODIFIED_MS.toString(16)}-12c"`;

interface World {
  readonly files: MemoryFiles;
  readonly options: StaticOptions;
}

/** `/a.txt` of 300 bytes, `/index.html` and `/script.php`, from memory where files are kept. */
function world(isKept = false, more: Partial<StaticOptions> = {}): World {
  const files = new MemoryFiles();
  files.write("/root/a.txt", CONTENT.join(""), MODIFIED_MS);
  files.write("/root/one.txt", "1", MODIFIED_MS);
  files.write("/root/index.html", "<p>", MODIFIED_MS);
  files.write("/root/docs/page.html", "page", MODIFIED_MS);
  files.write("/root/script.php", "source", MODIFIED_MS);
  const clock = { nowMs: () => 0, wallMs: () => MODIFIED_MS + HOUR_MS };
  const memory = isKept ? { memory: new FileMemory(files, clock) } : {};
  const never = (path: string) => path.endsWith(".php");
  const options = { files, root: "/root", index: ["index.html"], never, ...memory, ...more };
  return { files, options };
}

interface Seen {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The response as a client sees it, with its boundary taken out; nothing is open behind it. */
async function ask(
  { files, options }: World,
  path: string,
  fields: Record<string, string> = {},
  { method = "GET", said }: { readonly method?: string; readonly said?: FileFields } = {},
): Promise<Seen> {
  const request = new Request("http://h/", { method, headers: fields });
  const response = await fetched(serveStatic(options, request, { path, query: "" }, said));
  if (!(response instanceof Response)) {
    assert.equal(files.openCount, 0);
    const headers = { code: response.code, ...response.headers };
    return { status: response.status, headers, body: "" };
  }
  const text = await response.text();
  assert.equal(files.openCount, 0);
  const headers = Object.fromEntries(response.headers);
  const boundary = /boundary=(.*)/.exec(headers["content-type"] ?? "")?.[1];
  if (boundary === undefined) return { status: response.status, headers, body: text };
  assert.equal(headers["content-length"], String(text.length));
  headers["content-type"] = headers["content-type"]!.replace(boundary, "-");
  return { status: response.status, headers, body: text.replaceAll(boundary, "-") };
}

const WHOLE = {
  "accept-ranges": "bytes",
  "content-length": "300",
  "content-type": "text/plain; charset=utf-8",
  etag: ETAG,
  "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
};
const { "content-length": _length, "content-type": _type, ...BARE } = WHOLE;

/** A piece of the file, with as many bytes before it as there are. */
function part(start: number, end: number): string {
  return `\r\n---\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ` +
    `${start}-${end - 1}/300\r\n\r\n${CONTENT.slice(start, end).join("")}`;
}

const PARTS = `${part(10, 20)}${part(290, 300)}\r\n-----\r\n`;

const ASKED: readonly (readonly [
  method: string,
  fields: Record<string, string>,
  expected: { readonly status: number; readonly headers: object; readonly body: string },
])[] = [
  ["GET", {}, { status: 200, headers: WHOLE, body: CONTENT.join("") }],
  ["HEAD", {}, { status: 200, headers: WHOLE, body: "" }],
  ["HEAD", { range: "bytes=0-1" }, { status: 200, headers: WHOLE, body: "" }],
  ["GET", { "if-none-match": ETAG }, { status: 304, headers: BARE, body: "" }],
  ["HEAD", { "if-none-match": ETAG }, { status: 304, headers: BARE, body: "" }],
  ["GET", { range: "bytes=1-2" }, {
    status: 206,
    headers: { ...WHOLE, "content-length": "2", "content-range": "bytes 1-2/300" },
    body: "bc",
  }],
  ["GET", { range: "bytes=1-2", "if-range": '"other"' }, {
    status: 200,
    headers: WHOLE,
    body: CONTENT.join(""),
  }],
  ["GET", { range: "bytes=10-19,-10" }, {
    status: 206,
    headers: {
      ...WHOLE,
      "content-type": "multipart/byteranges; boundary=-",
      "content-length": String(PARTS.length + 3 * 35),
    },
    body: PARTS,
  }],
  ["GET", { "if-match": '"other"' }, {
    status: 412,
    headers: { code: "precondition_failed" },
    body: "",
  }],
  ["GET", { range: "bytes=300-" }, {
    status: 416,
    headers: { code: "range_not_satisfiable", "content-range": "bytes */300" },
    body: "",
  }],
  ["POST", {}, {
    status: 405,
    headers: { code: "method_not_allowed", allow: "GET, HEAD" },
    body: "",
  }],
];

test("A file answers every request the same, from memory and where it lies", async () => {
  for (const [method, fields, expected] of ASKED) {
    const name = `${method} ${JSON.stringify(fields)}`;
    assert.deepEqual(await ask(world(), "/a.txt", fields, { method }), expected, name);
    const kept = world(true);
    await ask(kept, "/a.txt");
    assert.equal(kept.options.memory?.size, 1);
    assert.deepEqual(await ask(kept, "/a.txt", fields, { method }), expected, `kept: ${name}`);
  }
});

test("A kept file, and a kept index, is not opened again", async () => {
  const { files, options } = world(true);
  let count = 0;
  const openNow = (path: string): OpenFile | undefined => (count++, files.openNow(path));
  const lookup: StaticOptions["files"] = {
    stat: (path) => files.stat(path),
    realPath: (path) => files.realPath(path),
    list: (path, namesMax) => files.list(path, namesMax),
    openNow,
  };
  const counted = { files, options: { ...options, files: lookup } };
  for (let round = 1; round <= 3; round++) {
    assert.equal((await ask(counted, "/a.txt")).status, 200);
    assert.equal((await ask(counted, "/")).body, "<p>");
    assert.equal((await ask(counted, "/", {}, { method: "POST" })).status, 405);
  }
  assert.equal(count, 2);
});

test("What is said of a file goes out with it, and a file of which a type is said is not kept", async () => {
  const cacheControl = (path: string) => path === "/a.txt" ? "max-age=60" : undefined;
  const kept = world(true, { cacheControl });
  const said = await ask(kept, "/a.txt", {}, { said: { contentType: "text/odd" } });
  assert.equal(said.headers["content-type"], "text/odd");
  assert.equal(kept.options.memory?.size, 0);
  for (let round = 1; round <= 2; round++) {
    const { headers } = await ask(kept, "/a.txt");
    assert.equal(headers["content-type"], "text/plain; charset=utf-8");
    assert.equal(headers["cache-control"], "max-age=60");
  }
  const again = await ask(kept, "/a.txt", {}, { said: { contentType: "text/odd" } });
  assert.equal(again.headers["content-type"], "text/odd");
  assert.equal((await ask(kept, "/index.html")).headers["cache-control"], undefined);
  const same = await ask(kept, "/a.txt", { "if-none-match": ETAG });
  assert.deepEqual([same.status, same.headers["cache-control"]], [304, "max-age=60"]);
});

test("A packed picture says so, is never packed once more, and another type has no coding", async () => {
  const kept = world(false, { precompressed: ["gzip"] });
  kept.files.write("/root/a.svgz", "packed", MODIFIED_MS);
  kept.files.write("/root/a.svgz.gz", "twice", MODIFIED_MS);
  const picture = await ask(kept, "/a.svgz", { "accept-encoding": "gzip" });
  assert.deepEqual(
    [picture.body, picture.headers["content-encoding"], picture.headers["content-type"]],
    ["packed", "gzip", "image/svg+xml"],
  );
  assert.equal(picture.headers["vary"], undefined);
  const bytes = await ask(kept, "/a.svgz", {}, { said: { contentType: "application/odd" } });
  assert.equal(bytes.headers["content-encoding"], undefined);
});

test("A sibling is sent and not kept; without one that is offered the file is", async () => {
  const kept = world(true, { precompressed: ["gzip"] });
  kept.files.write("/root/a.txt.gz", "packed", MODIFIED_MS);
  const packed = await ask(kept, "/a.txt", { "accept-encoding": "gzip" });
  assert.deepEqual([packed.body, packed.headers["content-encoding"]], ["packed", "gzip"]);
  assert.equal(packed.headers["etag"], `"${MODIFIED_MS.toString(16)}-6-gzip"`);
  const said = { contentType: "text/odd" };
  const odd = await ask(kept, "/a.txt", { "accept-encoding": "gzip" }, { said });
  assert.deepEqual([odd.body, odd.headers["content-type"]], ["packed", "text/odd"]);
  assert.equal((await ask(kept, "/a.txt")).body, CONTENT.join(""));
  assert.equal(kept.options.memory?.size, 0);
  const none = world(true, { precompressed: [] });
  await ask(none, "/a.txt");
  assert.equal(none.options.memory?.size, 1);
});

test("A sibling that is gone once it is opened leaves the file itself", async () => {
  const gone = world(false, { precompressed: ["gzip"] });
  gone.files.write("/root/a.txt.gz", "packed", MODIFIED_MS);
  const whole = opening(gone, () => gone.files.remove("/root/a.txt.gz"));
  const response = await ask(whole, "/a.txt", { "accept-encoding": "gzip" });
  assert.deepEqual([response.status, response.body], [200, CONTENT.join("")]);
  assert.equal(response.headers["content-encoding"], undefined);
  assert.equal(response.headers["etag"], ETAG);
});

/** Opens with `change` before it, and says of the open file what `said` has. */
function opening(
  { files, options }: World,
  change: () => void,
  said: Partial<OpenFile> = {},
): World {
  const openNow = (path: string): OpenFile | undefined => {
    change();
    const file = files.openNow(path);
    return file && {
      descriptor: -1,
      info: file.info,
      path: file.path,
      read: (bytes, offset) => file.read(bytes, offset),
      stream: (pieces) => file.stream(pieces),
      close: () => file.close(),
      ...said,
    };
  };
  const lookup: FileLookup = {
    stat: (path) => files.stat(path),
    realPath: (path) => files.realPath(path),
  };
  const list = options.files.list.bind(options.files);
  return { files, options: { ...options, files: { ...lookup, list, openNow } } };
}

test("What turns out to be another file at its opening is refused as that one is", async () => {
  const outside = world();
  outside.files.write("/secret.txt", "secret", MODIFIED_MS);
  const linked = opening(outside, () => outside.files.symlink("/root/a.txt", "/secret.txt"));
  assert.equal((await ask(linked, "/a.txt")).headers["code"], "outside_root");
  const script = opening(world(), () => {}, { path: "/root/script.php" });
  assert.equal((await ask(script, "/a.txt")).headers["code"], "script_source");
});

test("A file that cannot be read is closed, and the failure is told", async () => {
  const read = (): never => {
    throw Object.assign(new Error("the disk"), { code: "EIO" });
  };
  const broken = opening(world(true), () => {}, { read });
  await assert.rejects(
    ask(broken, "/a.txt"),
    (error) => error instanceof FileError && error.code === "EIO",
  );
  assert.equal(broken.files.openCount, 0);
});

test("A range of a file of one byte is that byte", async () => {
  const { status, body } = await ask(world(), "/one.txt", { range: "bytes=0-" });
  assert.deepEqual([status, body], [206, "1"]);
});

test("A ready file has the fields of what was said of it, and no others", () => {
  const { files, options } = world();
  files.write("/root/a.js", "js", MODIFIED_MS);
  const found = resolveBelowRoot(options, "/a.js");
  assert.ok(found.kind === "file");
  const names = (said: FileFields) => [...readyFile(found, said).wholeFields.keys()].sort();
  const usual = ["accept-ranges", "content-length", "content-type", "etag", "last-modified"];
  assert.deepEqual(names({}), usual);
  assert.deepEqual(
    names({ encoding: "br", varies: true, cacheControl: "no-cache" }),
    [...usual, "cache-control", "content-encoding", "vary"].sort(),
  );
  assert.deepEqual(names({ varies: false }), usual);
});

test("A refusal has the status of its code", () => {
  assert.deepEqual(STATIC_REFUSAL_STATUS, {
    no_such_file: 404,
    hidden_file: 403,
    outside_root: 403,
    script_source: 403,
    unreadable_file: 403,
    method_not_allowed: 405,
    precondition_failed: 412,
    range_not_satisfiable: 416,
  });
});

test("A listing that fails is refused where the directory is closed or gone, else thrown", async () => {
  const cases: [code: string, refusal: string | undefined][] = [
    ["EACCES", "unreadable_file"],
    ["EPERM", "unreadable_file"],
    ["ENOENT", "no_such_file"],
    ["EMFILE", undefined],
  ];
  for (const [code, refusal] of cases) {
    const { files, options } = world(false, { listing: true });
    const error = new FileError("list", "/root/docs", code);
    const list = () => Promise.reject(error);
    const lookup = { ...opening({ files, options }, () => {}).options.files, list };
    const failing = { files, options: { ...options, files: lookup } };
    if (refusal !== undefined) {
      assert.equal((await ask(failing, "/docs/")).headers["code"], refusal);
    } else await assert.rejects(ask(failing, "/docs/"), (thrown) => thrown === error);
  }
  const { files, options } = world(false, { listing: true });
  const ours = new TypeError("ours");
  const lookup = {
    ...opening({ files, options }, () => {}).options.files,
    list: () => Promise.reject(ours),
  };
  const broken = { files, options: { ...options, files: lookup } };
  await assert.rejects(ask(broken, "/docs/"), (thrown) => thrown === ours);
});

test("A listing shows its path behind the prefix, and a redirect leads there", async () => {
  const prefixed = world(false, { listing: true, prefix: "/pre fix" });
  const { body } = await ask(prefixed, "/docs/");
  assert.match(body, /<title>\/pre fix\/docs\/<\/title>/);
  assert.equal((await ask(prefixed, "/docs")).headers["location"], "/pre%20fix/docs/");
  assert.equal((await ask(prefixed, "")).headers["location"], "/pre%20fix/");
  assert.equal((await ask(prefixed, "/docs/")).headers["cache-control"], "no-cache");
});
