/** Routes that give a request another path, and what keeps guarding it; maps; redirects with groups. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, freshPath, type Gateway } from "../support/gateway.ts";
import type { HttpRequest } from "../support/raw_http.ts";

function site(...routes: readonly string[]): string {
  return `${APP_UPSTREAM}\nsites:\n  - routes:\n${
    routes.map((route) => `      - ${route}\n`).join("")
  }`;
}

const APP = "fastcgi: { upstream: app }";

async function parameters(
  gateway: Gateway,
  request: HttpRequest | string,
): Promise<Record<string, string>> {
  const response = await gateway.send(request);
  assert.equal(response.status, 200, response.body.toString());
  return JSON.parse(response.body.toString());
}

test("A rewritten request has the new path, and REQUEST_URI as it came", async () => {
  const text = site(
    `{ path: "~ ^/(?<site>[^/]+)/wp-(?<rest>.*)$", rewrite: "/wp-\${path.rest}?site=\${path.site}",` +
      ` fastcgi: { upstream: app, params: { SITE: "\${path.site}", NOW: "\${request.path}" } } }`,
    `{ ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const got = await parameters(gateway, "/b%20log/wp-admin/x.php?a=b&c");
    assert.equal(got["REQUEST_URI"], "/b%20log/wp-admin/x.php?a=b&c");
    assert.equal(got["PATH_INFO"], "/wp-admin/x.php");
    assert.equal(got["QUERY_STRING"], "site=b%20log&a=b&c");
    assert.equal(got["SITE"], "b log");
    assert.equal(got["NOW"], "/wp-admin/x.php");
  });
});

test("A query of the new path stands before the client's, a ? at its end leaves that out", async () => {
  const seen: Record<string, string> = {};
  for (const to of ["/x", "/x?", "/x?a=1", "/x?a=1?", "/x?q=${path.1}", "/x?p=${request.path}"]) {
    const text = site(`{ path: /old/*, rewrite: "${to}" }`, `{ ${APP} }`);
    await withConfig({ text, application: echoParameters }, async (gateway) => {
      seen[to] = (await parameters(gateway, "/old/%26a=%C3%A4%0d%0a?b=2"))["QUERY_STRING"]!;
    });
  }
  assert.deepEqual(seen, {
    "/x": "b=2",
    "/x?": "",
    "/x?a=1": "a=1&b=2",
    "/x?a=1?": "a=1",
    "/x?q=${path.1}": "q=%26a%3D%C3%A4%0D%0A&b=2",
    "/x?p=${request.path}": "p=/old/%26a%3D%C3%A4%0D%0A&b=2",
  });
});

test("A route rewrites a request once, and again only where it says so", async () => {
  const route = (repeat: boolean) =>
    site(`{ path: "~ ^/a(.+)$", rewrite: { to: "/\${path.1}", repeat: ${repeat} } }`, `{ ${APP} }`);
  for (const [repeat, path] of [[false, "/aab"], [true, "/b"]] as const) {
    await withConfig({ text: route(repeat), application: echoParameters }, async (gateway) => {
      assert.equal((await parameters(gateway, "/aaab"))["PATH_INFO"], path);
    });
  }
});

test("Several routes may rewrite, and there is a bound", async () => {
  const text = site(
    `{ path: /one/*, rewrite: "/two/\${match}" }`,
    `{ path: /two/*, rewrite: "/one/\${match}" }`,
    `{ path: /loop/*, rewrite: { to: "/loop/x\${match}", repeat: true } }`,
    `{ ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.equal((await parameters(gateway, "/one/x"))["PATH_INFO"], "/one/x");
    const response = await gateway.send("/loop/");
    assert.equal(response.status, 500);
    assert.equal((await gateway.access.ofPath("/loop/"))["code"], "rewrite_loop");
  });
});

test("A request is rewritten ten times, and not eleven times", async () => {
  const text = site(
    `{ path: "~ ^/less/x(.*)$", rewrite: { to: "/less/\${path.1}", repeat: true } }`,
    `{ ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    for (const [count, status] of [[9, 200], [10, 200], [11, 500], [12, 500]] as const) {
      assert.equal((await gateway.send(`/less/${"x".repeat(count)}`)).status, status, `${count}`);
    }
  });
});

test("What a route rewrote and leaves to others is the new path's to them", async () => {
  const root = freshPath();
  mkdirSync(root);
  const text = `${APP_UPSTREAM}
sites:
  - root: ${root}
    routes:
      - { path: /files/*, rewrite: "/\${match}", static: {} }
      - { path: /docs/*, fastcgi: { upstream: app, params: { MATCH: "\${match}" } } }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.equal((await parameters(gateway, "/files/docs/a/b"))["MATCH"], "a/b");
  });
});

test("A route with a handler takes what it rewrites, and leaves what it does not have", async () => {
  const root = freshPath();
  mkdirSync(root);
  writeFileSync(join(root, "a.txt"), "file");
  const text = `${APP_UPSTREAM}
sites:
  - root: ${root}
    routes:
      - { path: /files/*, rewrite: "/\${match}", static: {} }
      - { path: /b.txt, respond: { body: next } }
      - { ${APP} }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.equal((await gateway.send("/files/a.txt")).body.toString(), "file");
    assert.equal((await gateway.send("/files/b.txt")).body.toString(), "next");
    assert.equal((await parameters(gateway, "/files/c.txt"))["PATH_INFO"], "/c.txt");
  });
});

/** Each keeps `/private/x` from everybody who is not let in. */
const GUARDS: Readonly<Record<string, readonly [route: string, status: number]>> = {
  "a refusal": ["{ path: /private/*, respond: { status: 403 } }", 403],
  "an internal route": [`{ path: /private/*, internal: true, ${APP} }`, 404],
  "addresses": [`{ path: /private/*, ip_restriction: { deny: [127.0.0.0/8] }, ${APP} }`, 403],
  "passwords": [`{ path: /private/*, basic_auth: { users: { a: b } }, ${APP} }`, 401],
};

test("What guards a path keeps guarding it against a route that rewrites", async () => {
  const rewrites = {
    "with a handler": `{ path: /x/*, rewrite: "/\${match}", ${APP} }`,
    "without one": `{ path: /x/*, rewrite: "/\${match}" }`,
    "with dots":
      `{ path: "~ ^/x(\\\\.\\\\.)?/(.*)$", rewrite: "/y/\${path.1}/\${path.2}", ${APP} }`,
  };
  for (const [what, [guard, status]] of Object.entries(GUARDS)) {
    for (const [how, rewrite] of Object.entries(rewrites)) {
      for (const routes of [[guard, rewrite], [rewrite, guard]]) {
        const text = site(...routes, `{ ${APP} }`);
        await withConfig({ text, application: echoParameters }, async (gateway) => {
          const target = how === "with dots" ? "/x../private/x" : "/x/private/x";
          const response = await gateway.send(target);
          assert.equal(response.status, status, `${what}, ${how}, ${routes.indexOf(guard)}`);
          assert.equal((await gateway.send("/x/open")).status, 200, `${what}, ${how}`);
        });
      }
    }
  }
});

test("A guard that both routes have is none between them", async () => {
  const text = `${APP_UPSTREAM}
sites:
  - basic_auth: { users: { a: b } }
    routes:
      - { path: /x/*, rewrite: "/\${match}", fastcgi: { upstream: app, params: { OF: x } } }
      - { path: /private/*, ${APP} }
      - { ${APP} }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.equal((await gateway.send("/x/private/x")).status, 401);
    const headers = { Authorization: `Basic ${btoa("a:b")}` };
    const got = await parameters(gateway, { target: "/x/private/x", headers });
    assert.equal(got["OF"], "x");
  });
});

test("A new path leaves no root and grows no further than a target may", async () => {
  const text = site(
    `{ path: "~ ^/up/(.*)$", rewrite: "/\${request.header.x-path}" }`,
    `{ path: /long, rewrite: "/\${request.header.x-path}\${request.header.x-path}" }`,
    `{ ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const at = (target: string, path: string) =>
      gateway.send({ target, headers: { "X-Path": path } });
    assert.equal((await at("/up/", "../etc/passwd")).status, 400);
    const merged = await at("/up/", "a/../b//c/./d");
    assert.equal(JSON.parse(merged.body.toString())["PATH_INFO"], "/b/c/d");
    assert.equal((await at("/long", "x".repeat(12_000))).status, 414);
  });
});

test("Rules of responses and the access line are those of the route that answers", async () => {
  const text = site(
    `{ path: /x/*, rewrite: "/\${match}", headers: { set: { X-Of: first } } }`,
    `{ headers: { set: { X-Of: "second \${request.path}" } }, ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const response = await gateway.send("/x/y?z");
    assert.equal(response.headers.get("x-of"), "second /y");
    assert.equal((await gateway.access.ofPath("/x/y?z"))["status"], 200);
  });
});

test("HEAD and bodies go the same way", async () => {
  const guarded = "ip_restriction: { allow: [127.0.0.1] }";
  for (const more of ["", `${guarded}, `]) {
    const text = site(`{ path: /x/*, ${more}rewrite: "/\${match}" }`, `{ ${more}${APP} }`);
    await withConfig({
      text,
      application: async (request, info) =>
        Response.json({ path: info.params.get("PATH_INFO"), body: await request.text() }),
    }, async (gateway) => {
      const asked = await gateway.send({ method: "HEAD", target: "/x/y" });
      assert.deepEqual([asked.status, asked.body.length], [200, 0]);
      const post = await gateway.send({ method: "POST", target: "/x/y", body: "hello" });
      assert.deepEqual(JSON.parse(post.body.toString()), { path: "/y", body: "hello" });
    });
  }
});

test("A map stands for a text by a value", async () => {
  const text = `${APP_UPSTREAM}
map:
  kind:
    of: "\${request.header.x-kind}"
    values: { "": none, a: "is a", "b*": "begins with b", "~* ^[cé]\\\\d$": "\${request.path}", ü: u }
    default: "other \${map.way}"
  way: { of: "\${request.method}", values: { GET: read }, default: write }
sites:
  - routes:
      - path: /to/*
        redirect: { to: "/\${map.way}/\${match}" }
      - headers: { set: { X-Kind: "\${map.kind}" } }
        fastcgi: { upstream: app, params: { KIND: "\${map.kind}" } }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const kind = async (value: string) => {
      const got = await gateway.send({ target: "/p", headers: { "X-Kind": value } });
      const told = JSON.parse(got.body.toString())["KIND"];
      assert.equal(got.headers.get("x-kind"), told);
      return told;
    };
    assert.equal(await kind("a"), "is a");
    assert.equal(await kind("bcd"), "begins with b");
    assert.equal(await kind("C1"), "/p");
    assert.equal(await kind("A"), "other read");
    assert.equal(await kind(""), "none");
    assert.equal((await gateway.send("/to/x")).headers.get("location"), "/read/x");
    const posted = await gateway.send({ method: "POST", target: "/to/x", body: "" });
    assert.equal(posted.headers.get("location"), "/write/x");
  });
});

/** Where a redirect leads for a hostile path: never to another host, never into another field. */
const REDIRECTS:
  readonly (readonly [path: string, to: string, target: string, location: string])[] = [
    ["~ ^/go/(.*)$", "/${path.1}", "/go//evil.example", "/evil.example"],
    ["~ ^/go(.*)$", "/${path.1}", "/go/%5cevil.example", "/%5Cevil.example"],
    ["~ ^/go/(.*)$", "/${path.1}", "/go/a%0d%0aSet-Cookie:%20x=y", "/a%0D%0ASet-Cookie%3A%20x%3Dy"],
    ["~ ^/go/(.*)$", "https://a.b${path.1}", "/go/.evil.example", "https://a.b/.evil.example"],
    ["~ ^/go(/.*)$", "https://a.b${path.1}", "/go/x/y", "https://a.b/x/y"],
    ["~ ^/go/(.*)$", "https://a.b${path.1}", "/go/@evil.example", "https://a.b/%40evil.example"],
    ["~ ^/go/(.*)$", "https://${path.1}.a.b/x", "/go/tenant", "https://tenant.a.b/x"],
    [
      "~ ^/go/(.*)$",
      "https://${path.1}.a.b/x",
      "/go/evil.example%2f",
      "https://evil%2Eexample%2F.a.b/x",
    ],
    ["/*", "https://${request.host}${request.target}", "/x?y", "https://test.example/x?y"],
    ["/go/*", "https://a.b?of=${match}", "/go/x", "https://a.b?of=x"],
  ];

test("A redirect takes groups, and leads to no host that the configuration does not name", async () => {
  for (const [path, to, target, location] of REDIRECTS) {
    const text = site(`{ path: '${path}', redirect: { to: "${to}" } }`);
    await withConfig({ text }, async (gateway) => {
      const response = await gateway.send(target);
      assert.equal(response.headers.get("location"), location, `${to} ${target}`);
      assert.equal(response.headers.get("set-cookie"), undefined);
    });
  }
});

test("An internal route is reached by a rewrite that says so, and by no client", async () => {
  const text = site(
    "{ path: /in/*, internal: true, respond: { body: inside } }",
    "{ path: /open, rewrite: { to: /in/x, internal: true } }",
    "{ path: /shut, rewrite: /in/x }",
    `{ ${APP} }`,
  );
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.equal((await gateway.send("/open")).body.toString(), "inside");
    for (const target of ["/shut", "/in/x"]) {
      assert.equal((await gateway.send(target)).status, 404, target);
    }
  });
});

test("A redirect may begin with the path or the target, and stays on its host", async () => {
  const text = `sites:
  - routes:
      - { path: /p/*, redirect: { to: "\${request.path}/" } }
      - { redirect: { to: "\${request.target}" } }
`;
  await withConfig({ text }, async (gateway) => {
    const led = async (target: string) => (await gateway.send(target)).headers.get("location");
    assert.equal(await led("/p/a%20b"), "/p/a%20b/");
    assert.equal(await led("//evil.example/x?y"), "/evil.example/x?y");
    assert.equal(await led("/p//evil.example"), "/p/evil.example/");
  });
});
