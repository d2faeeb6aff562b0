/** Files that go through a FastCGI Filter: which, with what beside them, and what becomes of errors. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";

const MODIFIED_S = 1_600_000_000;
/** Beyond what is kept in memory of a body that is gathered. */
const LONG = "0123456789abcdef".repeat(16 * 1024);

function makeRoot(): string {
  const root = freshPath();
  mkdirSync(join(root, "folder"), { recursive: true });
  writeFileSync(join(root, "page.html"), "<p>page</p>");
  writeFileSync(join(root, "empty.html"), "");
  writeFileSync(join(root, "long.html"), LONG);
  writeFileSync(join(root, "code.php"), "<?php secret();");
  writeFileSync(join(root, ".hidden"), "hidden");
  symlinkSync("/etc/hostname", join(root, "link.html"));
  symlinkSync("page.html", join(root, "named.php"));
  symlinkSync("code.php", join(root, "code.html"));
  utimesSync(join(root, "page.html"), MODIFIED_S + 0.9, MODIFIED_S + 0.9);
  return root;
}

/** Gives back parameters, what came as the body and what came as the file. */
const reflect: FastCgiHandler = async (request, info) => {
  const body = await request.text();
  const data = await new Response(info.data).text();
  return Response.json({ role: info.role, params: Object.fromEntries(info.params), body, data });
};

async function withFilter(
  application: FastCgiHandler,
  use: (gateway: Gateway, root: string) => Promise<void>,
  multiplex = "on",
): Promise<void> {
  const root = makeRoot();
  const text = `upstreams: { app: { servers: ["\${env.APP}"], multiplex: "${multiplex}" } }
sites:
  - root: ${root}
    routes:
      - { path: "*.run", php: { upstream: app } }
      - filter: { upstream: app, params: { NAME: "\${request.path}" } }
      - { path: /missing.html, respond: { body: the next route } }
`;
  await withConfig({ text, application }, (gateway) => use(gateway, root));
}

for (const multiplex of ["on", "off"]) {
  test(`A filter gets the file with its length and time, multiplex ${multiplex}`, async () => {
    await withFilter(reflect, async (gateway, root) => {
      const { status, body } = await gateway.send("/page.html?a=b");
      assert.equal(status, 200);
      const { role, params, data, body: stdin } = JSON.parse(body.toString());
      assert.deepEqual([role, stdin, data], ["filter", "", "<p>page</p>"]);
      assert.equal(params.FCGI_DATA_LENGTH, "11");
      assert.equal(params.FCGI_DATA_LAST_MOD, String(MODIFIED_S));
      assert.equal(params.SCRIPT_NAME, "/page.html");
      assert.equal(params.SCRIPT_FILENAME, join(root, "page.html"));
      assert.equal(params.QUERY_STRING, "a=b");
      assert.equal(params.NAME, "/page.html");
    }, multiplex);
  });

  test(`A filter gets long and empty files, and bodies before them, multiplex ${multiplex}`, async () => {
    await withFilter(reflect, async (gateway) => {
      const long = JSON.parse((await gateway.send("/long.html")).body.toString());
      assert.ok(long.data === LONG);
      const empty = JSON.parse((await gateway.send("/empty.html")).body.toString());
      assert.deepEqual([empty.data, empty.params.FCGI_DATA_LENGTH], ["", "0"]);
      const request = { method: "POST", target: "/page.html", body: LONG };
      const posted = JSON.parse((await gateway.send(request)).body.toString());
      assert.ok(posted.body === LONG);
      assert.deepEqual([posted.data, posted.params.CONTENT_LENGTH], [
        "<p>page</p>",
        String(LONG.length),
      ]);
    }, multiplex);
  });
}

test("A filter is sent no file that would not be served", async () => {
  let asked = 0;
  const application: FastCgiHandler = () => {
    asked++;
    return new Response("asked");
  };
  await withFilter(application, async (gateway) => {
    const statusOf = async (target: string) => (await gateway.send(target)).status;
    assert.equal(await statusOf("/.hidden"), 403);
    assert.equal(await statusOf("/link.html"), 403);
    // By its own name or by the one that it leads to, there or not.
    for (const target of ["/code.php", "/code.html", "/named.php", "/none.php"]) {
      assert.equal(await statusOf(target), 403, target);
    }
    assert.equal(await statusOf("/folder"), 404);
    assert.equal(await statusOf("/page.html/"), 404);
    assert.equal(await statusOf("/folder/%2e%2e/page.html"), 200);
    assert.equal((await gateway.send("/missing.html")).body.toString(), "the next route");
  });
  assert.equal(asked, 1);
});

test("A client cannot say for a filter how long the file is", async () => {
  await withFilter(reflect, async (gateway) => {
    const headers = { "FCGI_DATA_LENGTH": "5", "FCGI-Data-Length": "5" };
    const response = await gateway.send({ target: "/page.html", headers });
    const { params, data } = JSON.parse(response.body.toString());
    assert.deepEqual([params.FCGI_DATA_LENGTH, data], ["11", "<p>page</p>"]);
  });
});

test("A file that becomes shorter while it is sent fails the request", async () => {
  const began = Promise.withResolvers<void>();
  const cut = Promise.withResolvers<void>();
  const application: FastCgiHandler = async (_request, info) => {
    const reader = info.data!.getReader();
    await reader.read();
    began.resolve();
    await cut.promise;
    while (!(await reader.read()).done);
    return new Response("whole");
  };
  await withFilter(application, async (gateway, root) => {
    writeFileSync(join(root, "huge.html"), Buffer.alloc(32 * 1024 * 1024));
    const response = gateway.send("/huge.html");
    await began.promise;
    truncateSync(join(root, "huge.html"), 100);
    cut.resolve();
    const { status, body } = await response;
    assert.equal(status, 500);
    assert.doesNotMatch(body.toString(), /huge/);
    const { msg } = await gateway.log.find((line) => line["code"] === "request_body_failed");
    assert.match(
      String(msg),
      /^Cannot read the file ".*huge\.html": Cannot read .* cut meanwhile$/,
    );
  });
});

test("A filter behind an authorizer gets its variables", async () => {
  const root = makeRoot();
  const text = `${APP_UPSTREAM}
sites:
  - root: ${root}
    routes: [{ authorize: { upstream: app }, filter: { upstream: app } }]
`;
  const application: FastCgiHandler = (request, info) => {
    if (info.role === "filter") return reflect(request, info);
    return new Response(null, { headers: { "variable-remote_user": "ali" } });
  };
  await withConfig({ text, application }, async (gateway) => {
    const { params, data } = JSON.parse((await gateway.send("/page.html")).body.toString());
    assert.deepEqual([params.REMOTE_USER, data], ["ali", "<p>page</p>"]);
  });
});
