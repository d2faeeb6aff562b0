/**
 * What responses that hand over get, by every way to say it: the kind of handover with each declared
 * length and body, and with each order of routes, method and kind of target.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";

const CONTENT = "0123456789";
const BODY = "own";

const ROUTES: Readonly<Record<string, string>> = {
  "static before everything":
    "[static: {}, { path: '*.php', php: { upstream: app } }, fastcgi: { upstream: app }]",
  "static before php with a front controller":
    "[static: {}, php: { upstream: app, front_controller: /index.php }]",
  "php before static": "[php: { upstream: app, front_controller: /index.php }, static: {}]",
  "fastcgi with split_path behind static":
    "[static: {}, fastcgi: { upstream: app, split_path: [.php] }]",
};

/** By what a path is answered. */
const TARGETS = {
  "a file": ["/file.txt", CONTENT],
  "a script": ["/run.php", "ran /run.php"],
  "a script in a directory": ["/sub/run.php", "ran /sub/run.php"],
  "a page of the front controller": ["/front/page?a=b", "ran /front/page"],
} as const;

/** `X-Response` gives the header section of the first response, `X-Body` its body. */
async function withSite(
  routes: string,
  use: (gateway: Gateway, root: string, methods: string[]) => Promise<void>,
): Promise<void> {
  const root = freshPath();
  mkdirSync(join(root, "sub"), { recursive: true });
  writeFileSync(join(root, "file.txt"), CONTENT);
  for (const name of ["index.php", "run.php", "sub/run.php"]) {
    writeFileSync(join(root, name), "source");
  }
  const path = freshPath();
  const methods: string[] = [];
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const uri = params.get("REQUEST_URI") ?? "";
      let text: string;
      if (uri.startsWith("/ask")) {
        const headers = params.get("HTTP_X_RESPONSE")!.replaceAll("|", "\n");
        text = `${headers}\n\n${params.get("HTTP_X_BODY") ?? ""}`;
      } else {
        methods.push(params.get("REQUEST_METHOD") ?? "");
        text = `X-Ran: 1\n\nran ${uri.split("?")[0]}`;
      }
      connection.send(new ResponseRecords().stdout(id, Buffer.from(text)).stdoutEnd(id).end(id));
    },
  };
  const text = `
upstreams: { app: { servers: ["unix:${path}"], multiplex: "on" } }
sites:
  - root: ${root}
    sendfile: [${root}]
    local_redirects: true
    routes: ${routes}
`;
  try {
    await withConfig({ text }, (gateway) => use(gateway, root, methods));
  } finally {
    await peer.stop();
  }
}

const KINDS: Readonly<Record<string, (path: string, root: string) => string>> = {
  "X-Accel-Redirect": (path) => `X-Accel-Redirect: ${path}`,
  "X-Sendfile": (path, root) => `X-Sendfile: ${root}${path}`,
  "a local redirect": (path) => `Location: ${path}`,
};

const LENGTHS: Readonly<Record<string, (body: string) => number | undefined>> = {
  "no length": () => undefined,
  "the body's length": (body) => body.length,
  "the file's length": () => CONTENT.length,
  "length 0": () => 0,
  "a length that is nobody's": () => 4711,
};

for (const [kind, line] of Object.entries(KINDS)) {
  for (const [what, lengthOf] of Object.entries(LENGTHS)) {
    for (const body of ["", BODY, "own ".repeat(10_000)]) {
      test(`${kind} with ${what} and a body of ${body.length} bytes sends the file`, async () => {
        await withSite(ROUTES["static before everything"]!, async (gateway, root) => {
          const length = lengthOf(body);
          const declared = length === undefined ? "" : `|Content-Length: ${length}`;
          for (const method of ["GET", "HEAD"]) {
            const response = await gateway.send({
              target: "/ask",
              method,
              headers: { "X-Response": line("/file.txt", root) + declared, "X-Body": body },
            });
            assert.equal(response.status, 200);
            assert.equal(response.headers.get("content-length"), String(CONTENT.length));
            assert.equal(response.body.toString(), method === "HEAD" ? "" : CONTENT);
          }
        });
      });
    }
  }
}

test("Of a response that hands nothing over the length is judged as ever", async () => {
  await withSite(ROUTES["static before everything"]!, async (gateway) => {
    for (
      const headers of [
        "X-Accel-Limit-Rate: 1000000",
        "X-Own: 1",
        "Status: 302|Location: /file.txt",
      ]
    ) {
      const response = await gateway.send({
        target: "/ask",
        headers: { "X-Response": `${headers}|Content-Length: 4711`, "X-Body": BODY },
      });
      assert.equal(response.status, 502, headers);
    }
  });
});

for (const [order, routes] of Object.entries(ROUTES)) {
  for (const kind of ["X-Accel-Redirect", "a local redirect"]) {
    test(`${kind} leads to what a client would be answered, with ${order}`, async () => {
      await withSite(routes, async (gateway, root, methods) => {
        for (const [what, [path, body]] of Object.entries(TARGETS)) {
          for (const method of ["GET", "POST", "HEAD", "PUT", "DELETE"]) {
            methods.length = 0;
            const response = await gateway.send({
              target: "/ask",
              method,
              headers: { "X-Response": KINDS[kind]!(path, root) },
              ...((method === "POST" || method === "PUT") && { body: "upload" }),
            });
            const text = `${what} for ${method}`;
            assert.equal(response.status, 200, text);
            assert.equal(response.body.toString(), method === "HEAD" ? "" : body, text);
            const asked = method === "HEAD" ? "HEAD" : "GET";
            assert.deepEqual(methods, what === "a file" ? [] : [asked], text);
          }
        }
      });
    });
  }
}

test("An internal route leaves what it has not to no other route", async () => {
  const routes = "[{ path: /sub/*, internal: true, static: {} }, fastcgi: { upstream: app }]";
  await withSite(routes, async (gateway, _root, methods) => {
    const headers = { "X-Response": "X-Accel-Redirect: /sub/none.txt" };
    assert.equal((await gateway.send({ target: "/ask", headers })).status, 404);
    assert.deepEqual(methods, []);
  });
});

test("An SVG picture that is packed is sent as one, and not packed again", async () => {
  const routes = "[static: { precompressed: [gzip] }]";
  await withSite(routes, async (gateway, root) => {
    for (const name of ["a.svgz", "B.SVGZ"]) writeFileSync(join(root, name), "packed");
    writeFileSync(join(root, "a.svgz.gz"), "packed twice");
    for (const target of ["/a.svgz", "/B.SVGZ"]) {
      for (const method of ["GET", "HEAD"]) {
        const headers = { "Accept-Encoding": "gzip" };
        const response = await gateway.send({ target, method, headers });
        assert.equal(response.headers.get("content-type"), "image/svg+xml");
        assert.equal(response.headers.get("content-encoding"), "gzip");
        assert.equal(response.body.toString(), method === "HEAD" ? "" : "packed");
      }
    }
  });
});
