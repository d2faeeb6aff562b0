/** Configured parameters as they arrive: constants, references, removal, and who wins. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { echoParameters, type Gateway } from "../support/gateway.ts";
import { type HttpRequest, rawRequest } from "../support/raw_http.ts";

type Parameters = Record<string, string>;

async function parametersOf(gateway: Gateway, request: HttpRequest | string): Promise<Parameters> {
  const response = await gateway.send(request);
  assert.equal(response.status, 200, response.body.toString());
  return JSON.parse(response.body.toString()) as Parameters;
}

test("A route's parameter wins over its site's, and that over its upstream's", async () => {
  const text = `
upstreams:
  app: { servers: ["\${env.APP}"], params: { A: upstream, B: upstream, C: upstream, D: upstream } }
sites:
  - params: { B: site, C: site, D: null }
    routes:
      - { path: /own, fastcgi: { upstream: app, params: { C: route, A: "" } } }
      - fastcgi: { upstream: app }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const own = await parametersOf(gateway, "/own");
    assert.deepEqual([own["A"], own["B"], own["C"], "D" in own], ["", "site", "route", false]);
    const other = await parametersOf(gateway, "/");
    assert.deepEqual([other["A"], other["B"], other["C"]], ["upstream", "site", "site"]);
  });
});

test("References are filled in for each request", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - routes:
      - path: /t/*
        fastcgi:
          upstream: app
          params:
            ALL: "\${request.method} \${request.host} \${request.path}?\${request.query}"
            MATCH: "\${match}"
            SECRET: "\${env.SECRET}"
            AGENT: "<\${request.header.User-Agent}>"
            REMOTE_ADDR: "\${client.address}!"
            DOCUMENT_ROOT: "/srv/\${request.host}"
            HTTP_X_REQUEST_ID: "\${request.id}"
`;
  const env = { SECRET: "a${request.id}b" };
  await withConfig({ text, application: echoParameters, env }, async (gateway) => {
    for (const name of ["one", "two"]) {
      const sent = await parametersOf(gateway, {
        target: `/t/${name}?q=${name}`,
        headers: { "Host": `${name}.example`, "User-Agent": name, "X-Request-Id": "forged" },
      });
      assert.equal(sent["ALL"], `GET ${name}.example /t/${name}?q=${name}`);
      assert.equal(sent["MATCH"], name);
      assert.equal(sent["SECRET"], env.SECRET);
      assert.equal(sent["AGENT"], `<${name}>`);
      assert.equal(sent["REMOTE_ADDR"], "127.0.0.1!");
      assert.equal(sent["DOCUMENT_ROOT"], `/srv/${name}.example`);
      const line = await gateway.access.ofPath(`/t/${name}?q=${name}`);
      assert.equal(sent["HTTP_X_REQUEST_ID"], line["request_id"]);
    }
  });
});

test("null takes away a usual parameter, and one that comes from a header", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - params: { SERVER_SOFTWARE: null, QUERY_STRING: null, SERVER_NAME: null, HTTP_COOKIE: null }
    routes: [{ fastcgi: { upstream: app } }]
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const sent = await parametersOf(gateway, { headers: { Cookie: "a=1", Accept: "*/*" } });
    for (const name of ["SERVER_SOFTWARE", "QUERY_STRING", "SERVER_NAME", "HTTP_COOKIE"]) {
      assert.equal(name in sent, false, name);
    }
    assert.equal(sent["HTTP_ACCEPT"], "*/*");
  });
});

test("Names that could be mistaken for a parameter of ours do not arrive", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const sent = await parametersOf(gateway, {
      headers: {
        "Remote_User": "root",
        "Content_Length": "7",
        "Content_Type": "x/y",
        "Remote.Addr": "192.0.2.1",
        "X_Forwarded-For": "192.0.2.1",
        "Authorization": "Basic eDp5",
        "Proxy-Authorization": "Basic eDp5",
        "Proxy": "http://evil.example",
        "Cookie": "a=1",
      },
    });
    const usual = ["HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_HOST"];
    assert.deepEqual(Object.keys(sent).filter((name) => name.startsWith("HTTP_")).sort(), usual);
    for (const name of ["REMOTE_USER", "CONTENT_LENGTH", "CONTENT_TYPE"]) {
      assert.equal(name in sent, false, name);
    }
  });
});

test("Cookies of several fields arrive as one, joined with semicolons", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const headers = "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n";
    const response = await rawRequest(gateway.port, headers);
    assert.equal(JSON.parse(response.body.toString())["HTTP_COOKIE"], "a=1; b=2");
  });
});

test("strip, split_path and index make the script's names; REQUEST_URI stays", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - root: /usr
    routes:
      - path: /cgi-bin/*
        fastcgi: { upstream: app, strip: /cgi-bin, split_path: [.cgi], index: index.cgi }
      - { path: "*.run", fastcgi: { upstream: app } }
      - { fastcgi: { upstream: app } }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const seen: Record<string, unknown[]> = {};
    // What names no script is no file that PHP might run in its place.
    const others = ["/cgi-bin/other", "/b.run", "/c"];
    for (const path of ["/cgi-bin/a.cgi/b/c?d", "/cgi-bin/", "/cgi-bin", ...others]) {
      const sent = await parametersOf(gateway, path);
      assert.equal(sent["REQUEST_URI"], path);
      seen[path] = [sent["SCRIPT_NAME"], sent["PATH_INFO"], sent["PATH_TRANSLATED"]];
    }
    assert.deepEqual(seen, {
      "/cgi-bin/a.cgi/b/c?d": ["/a.cgi", "/b/c", undefined],
      "/cgi-bin/": ["/index.cgi", undefined, undefined],
      "/cgi-bin": ["/index.cgi", undefined, undefined],
      "/cgi-bin/other": ["", "/other", undefined],
      "/b.run": ["", "/b.run", undefined],
      "/c": ["", "/c", "/usr/c"],
    });
  });
});
