/** What becomes of a response in which the application asks the gateway to do something. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { INTERNAL_REDIRECTS_MAX } from "../../src/http/handover.ts";
import type { RouteOptions, SiteOptions } from "../../src/http/options.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { FASTCGI_ROUTE, freshPath, type Gateway, withGateway } from "../support/gateway.ts";
import type { HttpRequest } from "../support/raw_http.ts";

const ROUTES: readonly RouteOptions[] = [
  {
    path: "/protected/*",
    methods: undefined,
    internal: true,
    handler: { kind: "static", index: [], cacheControl: [["*", "max-age=1"]] },
  },
  {
    path: "/inner/*",
    methods: undefined,
    internal: true,
    handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
  },
  FASTCGI_ROUTE,
];

/**
 * A site whose application answers with the header section that the request's `X-Response` gives. Its
 * root has `/protected/report.txt`, ten bytes; beside it lies `secret.txt`.
 */
async function withSite(
  use: (gateway: Gateway, root: string) => Promise<void>,
  options: (root: string) => Partial<SiteOptions> = () => ({}),
): Promise<void> {
  const base = freshPath();
  const root = join(base, "www");
  mkdirSync(join(root, "protected"), { recursive: true });
  writeFileSync(join(root, "protected/report.txt"), "0123456789");
  writeFileSync(join(root, "protected/é a#b.txt"), "odd");
  writeFileSync(join(base, "secret.txt"), "secret");
  symlinkSync("../../secret.txt", join(root, "protected/link.txt"));
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const isInner = params.get("REQUEST_URI")?.startsWith("/inner/");
      const headers = isInner ? undefined : params.get("HTTP_X_RESPONSE");
      const shown = ["REQUEST_METHOD", "CONTENT_LENGTH", "HTTP_COOKIE", "HTTP_HOST", "REQUEST_URI"]
        .map((name) => `${name}=${params.get(name) ?? ""}`).join(" ");
      const text = headers === undefined ? `X-Inner: 1\n\n${shown}` : headers.replaceAll("|", "\n");
      const stdout = Buffer.from(headers === undefined ? text : `${text}\n\nown body`, "latin1");
      connection.send(new ResponseRecords().stdout(id, stdout).stdoutEnd(id).end(id));
    },
  };
  try {
    const sites = [{ hosts: [], root, routes: ROUTES, ...options(root) }];
    const server = { transport: "unix", path } as const;
    await withGateway({ server, sites }, (gateway) => use(gateway, root));
  } finally {
    await peer.stop();
  }
}

/** A request that is answered with these lines, "|" between them. */
function answeredBy(headers: string, request: HttpRequest = {}): HttpRequest {
  return { ...request, headers: { ...request.headers, "X-Response": headers } };
}

test("X-Accel-Redirect sends a file of an internal route that no client reaches", async () => {
  await withSite(async (gateway) => {
    const headers = "X-Accel-Redirect: /protected/report.txt|Content-Type: application/x-report";
    const response = await gateway.send(answeredBy(headers));
    assert.deepEqual([response.status, response.body.toString()], [200, "0123456789"]);
    assert.equal(response.headers.get("content-type"), "application/x-report");
    assert.equal(response.headers.get("content-length"), "10");
    assert.equal(response.headers.get("cache-control"), "max-age=1");
    assert.ok(response.headers.has("etag"));
    assert.equal(response.headers.has("x-accel-redirect"), false);
    for (const method of ["GET", "HEAD", "POST"]) {
      const direct = await gateway.send({ target: "/protected/report.txt", method });
      assert.equal(direct.status, 404, method);
    }
  });
});

test("A response that is handed over keeps what nginx keeps of it, and nothing else", async () => {
  await withSite(async (gateway) => {
    const section = "X-Accel-Redirect: /protected/report.txt|Set-Cookie: a=1|Set-Cookie: b=2|" +
      "Content-Disposition: attachment|Cache-Control: private|Expires: 0|X-Own: 1|ETag: own|" +
      "Content-Length: 8|Last-Modified: own";
    const { headers } = await gateway.send(answeredBy(section));
    assert.equal(headers.get("set-cookie"), "a=1, b=2");
    assert.equal(headers.get("content-disposition"), "attachment");
    assert.equal(headers.get("cache-control"), "private");
    assert.equal(headers.get("expires"), "0");
    assert.equal(headers.has("x-own"), false);
    assert.notEqual(headers.get("etag"), "own");
    assert.notEqual(headers.get("last-modified"), "own");
    assert.equal(headers.get("content-length"), "10");
  });
});

test("Ranges and conditions are of the file that is handed over to", async () => {
  await withSite(async (gateway) => {
    const section = "X-Accel-Redirect: /protected/report.txt|Set-Cookie: a=1";
    const send = (headers: Record<string, string>, method = "GET") =>
      gateway.send(answeredBy(section, { headers, method }));
    const part = await send({ Range: "bytes=2-4" });
    assert.deepEqual([part.status, part.body.toString()], [206, "234"]);
    const etag = part.headers.get("etag")!;
    const same = await send({ "If-None-Match": etag });
    assert.deepEqual([same.status, same.headers.get("set-cookie")], [304, "a=1"]);
    assert.equal((await send({ Range: "bytes=20-" })).status, 416);
    assert.equal((await send({}, "HEAD")).headers.get("content-length"), "10");
    const whole = await gateway.send(
      answeredBy(`${section}|Accept-Ranges: none`, { headers: { Range: "bytes=2-4" } }),
    );
    assert.deepEqual([whole.status, whole.headers.get("accept-ranges")], [200, "none"]);
  });
});

test("A path to hand over to is read as nginx reads it: odd bytes stand for themselves", async () => {
  await withSite(async (gateway) => {
    for (const path of ["/protected/é a#b.txt", "/protected/%C3%A9%20a%23b.txt"]) {
      const latin1 = Buffer.from(path, "utf8").toString("latin1");
      const response = await gateway.send(answeredBy(`X-Accel-Redirect: ${latin1}`));
      assert.equal(response.body.toString(), "odd", path);
    }
  });
});

test("A path that leads nowhere gets 404, one that leaves the root or is none 502", async () => {
  await withSite(async (gateway) => {
    const cases: [path: string, status: number][] = [
      ["/protected/none.txt", 404],
      ["/protected/link.txt", 403],
      ["/protected/.hidden", 403],
      ["/protected/../../secret.txt", 502],
      ["/protected/%2e%2e/%2e%2e/secret.txt", 502],
      ["/protected/%zz", 502],
      ["protected/report.txt", 502],
      ["http://host/protected/report.txt", 502],
      ["@named", 502],
    ];
    for (const [path, status] of cases) {
      const response = await gateway.send(answeredBy(`X-Accel-Redirect: ${path}`));
      assert.equal(response.status, status, path);
      assert.notEqual(response.body.toString(), "secret", path);
    }
    const line = await gateway.log.find(({ msg }) => String(msg).includes('"@named" is no path'));
    assert.equal(line.code, "bad_answer");
  });
});

test("X-Accel-Redirect to an application asks it with GET and without the body", async () => {
  await withSite(async (gateway) => {
    const request = { method: "POST", body: "upload", headers: { Cookie: "c=1" } };
    const headers = "X-Accel-Redirect: /inner/a?b=c|Set-Cookie: a=1";
    const response = await gateway.send(answeredBy(headers, request));
    assert.equal(
      response.body.toString(),
      "REQUEST_METHOD=GET CONTENT_LENGTH= HTTP_COOKIE=c=1 HTTP_HOST=test.example " +
        "REQUEST_URI=/inner/a?b=c",
    );
    assert.equal(response.headers.get("x-inner"), "1");
    assert.equal(response.headers.get("set-cookie"), "a=1");
    const line = await gateway.access.find(({ status }) => status === 200);
    assert.deepEqual([line.path, line.method], ["/", "POST"]);
    assert.equal(line.bytes_out, response.body.length);
  });
});

test("Responses that lead round in a circle end with 502", async () => {
  await withSite(async (gateway) => {
    const response = await gateway.send(answeredBy("X-Accel-Redirect: /again"));
    assert.equal(response.status, 502);
    const wanted = `more than ${INTERNAL_REDIRECTS_MAX} responses led to another path`;
    await gateway.log.find(({ msg }) => String(msg).includes(wanted));
    assert.equal((await gateway.access.findAll(1, () => true)).length, 1);
  });
});

test("X-Sendfile sends files below the directories that are allowed, and no others", async () => {
  await withSite(async (gateway, root) => {
    const allowed = join(root, "protected");
    const file = (path: string) => gateway.send(answeredBy(`X-Sendfile: ${path}|Set-Cookie: a=1`));
    const response = await file(`${allowed}/report.txt`);
    assert.deepEqual([response.status, response.body.toString()], [200, "0123456789"]);
    assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(response.headers.get("set-cookie"), "a=1");
    assert.equal(response.headers.has("x-sendfile"), false);
    const odd = Buffer.from(`${allowed}/é a#b.txt`, "utf8").toString("latin1");
    assert.equal((await file(odd)).body.toString(), "odd");
    const cases: [path: string, status: number][] = [
      [`${allowed}/none.txt`, 404],
      [`${allowed}/`, 404],
      [`${allowed}/link.txt`, 403],
      [`${allowed}/../../secret.txt`, 403],
      [`${root}/../secret.txt`, 502],
      [`${allowed}-other/x`, 502],
      ["/etc/passwd", 502],
      ["report.txt", 502],
      ["\xff", 502],
    ];
    for (const [path, status] of cases) assert.equal((await file(path)).status, status, path);
  }, (root) => ({ sendfile: ["/nowhere", join(root, "protected")] }));
});

test("Ranges and conditions are of a file that X-Sendfile names", async () => {
  await withSite(async (gateway, root) => {
    const section = `X-Sendfile: ${root}/protected/report.txt|Content-Type: a/b`;
    const part = await gateway.send(answeredBy(section, { headers: { Range: "bytes=-2,0-0" } }));
    assert.equal(part.status, 206);
    assert.match(part.headers.get("content-type") ?? "", /^multipart\/byteranges/);
    assert.match(
      part.body.toString(),
      /Content-Type: a\/b\r\nContent-Range: bytes 8-9\/10\r\n\r\n89/,
    );
    const headers = { "If-None-Match": part.headers.get("etag")! };
    assert.equal((await gateway.send(answeredBy(section, { headers }))).status, 304);
  }, (root) => ({ sendfile: [`${root}/`] }));
});

test("X-Sendfile without directories that are allowed is 502, and the path stays here", async () => {
  await withSite(async (gateway, root) => {
    const response = await gateway.send(answeredBy(`X-Sendfile: ${root}/protected/report.txt`));
    assert.equal(response.status, 502);
    assert.equal(response.headers.has("x-sendfile"), false);
    assert.ok(!response.body.toString().includes(root));
    await gateway.log.find(({ msg }) =>
      String(msg).includes("below no directory of the site's sendfile")
    );
  });
});

test("Fields for the gateway never reach the client", async () => {
  await withSite(async (gateway) => {
    const headers =
      "X-Accel-Buffering: no|x-accel-expires: 10|X-Accel-Charset: utf-8|X-Accel-Other: 1|" +
      "X-Accel-Limit-Rate: off|Content-Type: text/plain";
    const response = await gateway.send(answeredBy(headers));
    assert.deepEqual([response.status, response.body.toString()], [200, "own body"]);
    const names = [...response.headers.keys()].filter((name) => name.startsWith("x-accel"));
    assert.deepEqual(names, ["x-accel-other"]);
  });
});

test("A field for the gateway that is there twice is a bad response", async () => {
  await withSite(async (gateway) => {
    const headers = "X-Accel-Redirect: /protected/report.txt|x-accel-redirect: /inner/a";
    assert.equal((await gateway.send(answeredBy(headers))).status, 502);
  });
});

test("X-Accel-Limit-Rate sends every byte, and they are counted", async () => {
  await withSite(async (gateway) => {
    const headers = "X-Accel-Redirect: /protected/report.txt|X-Accel-Limit-Rate: 50";
    const response = await gateway.send(answeredBy(headers));
    assert.equal(response.body.toString(), "0123456789");
    assert.ok(response.complete);
    assert.equal((await gateway.access.find(({ status }) => status === 200)).bytes_out, 10);
  });
});

test("A local Location without Status is answered here where the site wants it", async () => {
  const headers = "Location: /inner/a?b|Set-Cookie: a=1|X-Own: 1";
  await withSite(async (gateway) => {
    const response = await gateway.send(answeredBy(headers));
    assert.equal(response.status, 200);
    assert.match(response.body.toString(), /REQUEST_URI=\/inner\/a\?b$/);
    assert.equal(response.headers.get("set-cookie"), "a=1");
    assert.equal(response.headers.has("x-own"), false);
    for (const other of ["Location: //host/a", "Location: http://h/a", `Status: 302|${headers}`]) {
      assert.equal((await gateway.send(answeredBy(other))).status, 302, other);
    }
  }, () => ({ localRedirects: true }));
  await withSite(async (gateway) => {
    const response = await gateway.send(answeredBy(headers));
    assert.deepEqual([response.status, response.headers.get("location")], [302, "/inner/a?b"]);
  });
});
