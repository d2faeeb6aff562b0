/**
 * At the limit of descriptors, on a disk that fails, behind a directory that may not be entered:
 * nobody can tell whether a file is there, so no response says that it is not. Each operation on
 * files fails once with each code, in each place where files are looked for; the response is 500 or
 * 503 with a line that says why, no other route and no application is asked, and the next request
 * is answered as ever.
 *
 * The executable with a low limit is tried in `tests/fault/descriptor_limit.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { FailingFiles } from "../support/failing_files.ts";
import type { Gateway } from "../support/gateway.ts";
import type { HttpRequest, HttpResponse } from "../support/raw_http.ts";

/** Out of something of our own: it may go better in a moment. */
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);
const CODES = [...EXHAUSTED, "EIO", "ESTALE", "EACCES"];

/** More than any of the requests needs. */
const OPERATIONS_MAX = 60;

interface Scenario {
  readonly routes: string;
  readonly site?: string;
  readonly request: HttpRequest;
  /** Of the request when nothing fails. */
  readonly status: number;
  readonly body: RegExp;
  /** Whether the application is asked before files are looked for. */
  readonly asksFirst?: boolean;
  /** Whether a page of ours stands in the place of a response, which stays where the page fails. */
  readonly isPage?: boolean;
  readonly isListing?: boolean;
  /** What is sent in the place of a compressed sibling that may not be read. */
  readonly unpacked?: string;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "a file, with an application behind it": {
    routes: "[static: {}, fastcgi: { upstream: app }]",
    request: { target: "/a.txt" },
    status: 200,
    body: /^text$/,
  },
  "a file through a link": {
    routes: "[static: {}, fastcgi: { upstream: app }]",
    site: "follow_symlinks_to: [/shared]",
    request: { target: "/link/b.txt" },
    status: 200,
    body: /^shared$/,
  },
  "a large file": {
    routes: "[static: {}, fastcgi: { upstream: app }]",
    request: { target: "/large.bin", headers: { Range: "bytes=0-3" } },
    status: 206,
    body: /^xxxx$/,
  },
  "a file with other headers": {
    routes: "[{ static: {}, headers: { set: { X-A: b } } }, fastcgi: { upstream: app }]",
    request: { target: "/large.bin" },
    status: 200,
    body: /^x+$/,
  },
  "several ranges": {
    routes: "[static: {}, fastcgi: { upstream: app }]",
    request: { target: "/large.bin", headers: { Range: "bytes=0-3,7-8" } },
    status: 206,
    body: /xxxx/,
  },
  "the index of a directory": {
    routes: "[static: {}, fastcgi: { upstream: app }]",
    request: { target: "/docs/" },
    status: 200,
    body: /^index$/,
  },
  "a listing": {
    routes: "[static: { listing: true }, fastcgi: { upstream: app }]",
    request: { target: "/list/" },
    status: 200,
    body: /one\.txt/,
    isListing: true,
  },
  "a compressed sibling": {
    routes: "[static: { precompressed: [br, gzip] }, fastcgi: { upstream: app }]",
    request: { target: "/a.txt", headers: { "Accept-Encoding": "br, gzip" } },
    status: 200,
    body: /^packed$/,
    unpacked: "text",
  },
  "a script": {
    routes: "[php: { upstream: app }, static: {}]",
    request: { target: "/run.php/info" },
    status: 200,
    body: /^ran \/run\.php$/,
  },
  "a front controller": {
    routes: "[php: { upstream: app, front_controller: /run.php }, static: {}]",
    request: { target: "/no/such/page" },
    status: 200,
    body: /^ran \/run\.php$/,
  },
  "a directory's script": {
    routes: "[php: { upstream: app }, static: {}]",
    request: { target: "/scripts/" },
    status: 200,
    body: /^ran \/scripts\/index\.php$/,
  },
  "a list of attempts": {
    routes: '[php: { upstream: app, try: [file, "${path}.php", /run.php] }, static: {}]',
    request: { target: "/run" },
    status: 200,
    body: /^ran \/run\.php$/,
  },
  "X-Sendfile": {
    routes: "[fastcgi: { upstream: app }]",
    site: "sendfile: [/shared]",
    request: { target: "/x", headers: { "X-Want": "X-Sendfile: /shared/b.txt" } },
    status: 200,
    body: /^shared$/,
    asksFirst: true,
  },
  "X-Accel-Redirect": {
    routes: "[{ path: /docs/*, internal: true, static: {} }, fastcgi: { upstream: app }]",
    request: { target: "/x", headers: { "X-Want": "X-Accel-Redirect: /docs/index.html" } },
    status: 200,
    body: /^index$/,
    asksFirst: true,
  },
  "an error page in a file's place": {
    routes: "[static: {}]",
    site: "error_pages: { 404: /404.html }",
    request: { target: "/missing.txt" },
    status: 404,
    body: /^our page$/,
    isPage: true,
  },
};

function layOut(): MemoryFiles {
  const files = new MemoryFiles();
  files.write("/www/a.txt", "text");
  files.write("/www/a.txt.br", "packed");
  files.write("/www/large.bin", "x".repeat(100_000));
  files.write("/www/docs/index.html", "index");
  files.write("/www/list/one.txt", "1");
  files.write("/www/run.php", "source");
  files.write("/www/scripts/index.php", "source");
  files.write("/www/404.html", "our page");
  files.write("/shared/b.txt", "shared");
  files.symlink("/www/link", "/shared");
  return files;
}

for (const [what, scenario] of Object.entries(SCENARIOS)) {
  for (const code of CODES) {
    test(`With ${code} at any operation, ${what} is never missing`, async () => {
      let failures = 0;
      for (let n = 1; n <= OPERATIONS_MAX; n++) {
        const failed = await failOnce(scenario, code, n);
        if (!failed) break;
        failures++;
      }
      assert.ok(failures > 0 && failures < OPERATIONS_MAX, `${failures} operations`);
    });
  }
}

/** Whether the n-th operation was reached. */
async function failOnce(scenario: Scenario, code: string, n: number): Promise<boolean> {
  const memory = layOut();
  const files = new FailingFiles(memory);
  let asked = 0;
  const text = `
${APP_UPSTREAM}
sites:
  - root: /www
    ${scenario.site ?? ""}
    routes: ${scenario.routes}
`;
  let hasFailed = false;
  await withConfig({ text, files, application: application(() => asked++) }, async (gateway) => {
    files.arm(n, code);
    const response = await gateway.send(scenario.request);
    hasFailed = files.failed !== undefined;
    files.disarm();
    if (hasFailed) {
      await assertFailure(gateway, response, files, code, scenario);
      assert.equal(asked, scenario.asksFirst ? 1 : 0, `application after ${files.failed}`);
    } else assertFine(response, scenario);
    assertFine(await gateway.send(scenario.request), scenario);
  });
  assert.equal(memory.openCount, 0);
  return hasFailed;
}

function application(onAsked: () => void): FastCgiHandler {
  return (_request, { params }) => {
    onAsked();
    const [name, value] = params.get("HTTP_X_WANT")?.split(": ") ?? [];
    if (name !== undefined) return new Response(null, { headers: { [name]: value! } });
    return new Response(`ran ${params.get("SCRIPT_NAME")}`);
  };
}

async function assertFailure(
  gateway: Gateway,
  response: HttpResponse,
  { failed }: FailingFiles,
  code: string,
  { isPage, isListing, unpacked, status, body }: Scenario,
): Promise<void> {
  // An entry that may not be looked at is not shown, as one that may not be served.
  if (isListing && code === "EACCES" && response.status === 200) {
    assert.doesNotMatch(response.body.toString(), body);
    return;
  }
  // Its header section has gone: it is cut, which no client and no cache takes for the file.
  if (failed === "read" && response.body.length < Number(response.headers.get("content-length"))) {
    return;
  }
  // A file that is there and may not be read.
  const isUnreadable = code === "EACCES" && (failed === "openNow" || failed === "list");
  if (isUnreadable && response.body.toString() === unpacked) return;
  if (isPage && response.status === status) {
    // The response is not about the page.
    assert.doesNotMatch(response.body.toString(), /our page/);
  } else {
    const expected = isUnreadable ? 403 : EXHAUSTED.has(code) ? 503 : 500;
    assert.equal(response.status, expected, `${failed} with ${code}`);
    assert.doesNotMatch(response.body.toString(), body);
  }
  assert.equal(response.headers.get("etag"), undefined);
  if (response.headers.get("cache-control") !== undefined) {
    assert.equal(response.headers.get("cache-control"), "no-store");
  }
  if (isUnreadable) return;
  const line = await gateway.log.find((line) => String(line["msg"]).includes(code));
  assert.equal(line["errno"], code);
  assert.equal(line["code"], EXHAUSTED.has(code) ? "local_limit" : "file_error");
}

function assertFine(response: HttpResponse, { status, body }: Scenario): void {
  assert.equal(response.status, status);
  assert.match(response.body.toString(), body);
}
