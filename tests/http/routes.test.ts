/** Which site and which route a request meets, and what it gets where there is none. */
import assert from "node:assert/strict";
import { REFUSED_TARGET_SHOWN_MAX } from "../../src/http/gateway.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compilePattern } from "../../src/routing/route_pattern.ts";
import type { HandlerOptions, RouteOptions, SiteOptions } from "../../src/http/options.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import { echoParameters, freshPath, type Gateway, withGateway } from "../support/gateway.ts";
import { HttpConnection, rawRequest } from "../support/raw_http.ts";

function respond(body: string, status = 200): HandlerOptions {
  return { kind: "respond", status, body };
}

function route(
  path: string | undefined,
  handler: HandlerOptions,
  methods?: readonly string[],
): RouteOptions {
  return { path, methods, handler };
}

async function bodyAt(gateway: Gateway, target: string): Promise<string> {
  const response = await gateway.send(target);
  return response.status === 200 ? response.body.toString() : String(response.status);
}

test("A pattern is exact, a directory, a beginning, a suffix, both, or everything", () => {
  const paths = ["/", "/api", "/api/", "/api/x", "/apis", "/x.php", "/a/x.php", "/x.php/y"];
  const matched = (pattern: string | undefined) => paths.filter(compilePattern(pattern));
  assert.deepEqual(matched("/api"), ["/api"]);
  assert.deepEqual(matched("/api/*"), ["/api", "/api/", "/api/x"]);
  assert.deepEqual(matched("/api*"), ["/api", "/api/", "/api/x", "/apis"]);
  assert.deepEqual(matched("*.php"), ["/x.php", "/a/x.php"]);
  assert.deepEqual(matched("/a/*.php"), ["/a/x.php"]);
  assert.deepEqual(matched("/x*x.php"), [], "both ends do not share a character");
  for (const everything of [undefined, "/*"]) assert.deepEqual(matched(everything), paths);
});

test("A host finds its own site, then the longest wildcard, then the site for every host", () => {
  const table = new SiteTable<string>();
  table.add([], "every");
  table.add(["*.example.com"], "wildcard");
  table.add(["*.deep.example.com"], "longer");
  table.add(["www.example.com", "example.com"], "exact");
  table.add(["www.example.com"], "too late");
  const hosts = {
    "www.example.com": "exact",
    "example.com": "exact",
    "a.example.com": "wildcard",
    "a.b.example.com": "wildcard",
    "a.deep.example.com": "longer",
    "deep.example.com": "wildcard",
    "badexample.com": "every",
    ".example.com": "every",
    "other.org": "every",
    "": "every",
  };
  for (const [host, site] of Object.entries(hosts)) assert.equal(table.find(host), site, host);
});

test("The first route that matches answers, by the decoded path", async () => {
  const routes = [
    route("/exact", respond("exact")),
    route("/api/*", respond("api")),
    route("*.txt", respond("text")),
    route("/", respond("root")),
  ];
  await withGateway({ routes }, async (gateway) => {
    const seen: Record<string, string> = {};
    for (
      const target of [
        "/exact",
        "/exact?query",
        "/e%78act",
        "/exact/",
        "/api",
        "/api/x.txt",
        "//api//x",
        "/x/%2e%2e/api/y",
        "/a.txt",
        "/",
        "/none",
      ]
    ) seen[target] = await bodyAt(gateway, target);
    assert.deepEqual(seen, {
      "/exact": "exact",
      "/exact?query": "exact",
      "/e%78act": "exact",
      "/exact/": "404",
      "/api": "api",
      "/api/x.txt": "api",
      "//api//x": "api",
      "/x/%2e%2e/api/y": "api",
      "/a.txt": "text",
      "/": "root",
      "/none": "404",
    });
    const line = await gateway.access.ofPath("/none");
    assert.equal(line["code"], "no_such_route");
  });
});

test("A configured response has its status, text and length; one without body has none", async () => {
  const routes = [
    route("/ok", respond("né\n", 201)),
    route("/empty", respond("")),
    ...[204, 205, 304].map((status) => route(`/${status}`, respond("", status))),
  ];
  await withGateway({ routes }, async (gateway) => {
    const response = await gateway.send("/ok");
    assert.equal(response.status, 201);
    assert.equal(response.body.toString(), "né\n");
    assert.equal(response.headers.get("content-length"), "4");
    assert.match(response.headers.get("content-type")!, /^text\/plain/);
    const headers = await gateway.send({ method: "HEAD", target: "/ok" });
    assert.equal(headers.headers.get("content-length"), "4");
    assert.equal((await gateway.send("/empty")).headers.get("content-length"), "0");
    for (const status of [204, 205, 304]) {
      const connection = await HttpConnection.open(gateway.port);
      await connection.send({ target: `/${status}` });
      assert.equal((await connection.readHeaders()).status, status);
      connection.destroy();
    }
    const lines = await gateway.access.findAll(2, (line) => line["path"] === "/ok");
    assert.deepEqual(lines.map((line) => line["bytes_out"]), [4, 0]);
  });
});

test("A configured redirect has its status and Location", async () => {
  const routes = [
    route("/old/*", { kind: "redirect", to: "/new/?a=b", status: 308 }),
    route("/other", { kind: "redirect", to: "https://example.com/", status: 302 }),
  ];
  await withGateway({ routes }, async (gateway) => {
    const moved = await gateway.send("/old/x");
    assert.equal(moved.status, 308);
    assert.equal(moved.headers.get("location"), "/new/?a=b");
    const other = await gateway.send({ method: "POST", target: "/other", body: "x" });
    assert.equal(other.status, 302);
    assert.equal(other.headers.get("location"), "https://example.com/");
  });
});

test("A method that no route allows gets 405 with those that some do", async () => {
  const routes = [
    route("/x", respond("get"), ["GET"]),
    route("/x", respond("put"), ["PUT", "DELETE"]),
    route("/head", respond("head"), ["HEAD"]),
  ];
  await withGateway({ routes }, async (gateway) => {
    const statuses: Record<string, string> = {};
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"]) {
      const response = await gateway.send({ method, target: "/x" });
      statuses[method] = `${response.status} ${response.headers.get("allow") ?? ""}`.trim();
    }
    const refused = "405 GET, PUT, DELETE, HEAD";
    assert.deepEqual(statuses, {
      GET: "200",
      HEAD: "200",
      PUT: "200",
      DELETE: "200",
      POST: refused,
      OPTIONS: refused,
    });
    assert.equal((await gateway.send({ method: "HEAD", target: "/head" })).status, 200);
    const get = await gateway.send("/head");
    assert.equal(get.status, 405);
    assert.equal(get.headers.get("allow"), "HEAD");
    assert.equal((await gateway.access.ofPath("/head"))["method"], "HEAD");
  });
});

test("Allow has the methods of all routes that match, also beside those of files", async () => {
  const root = freshPath();
  mkdirSync(join(root, "folder"), { recursive: true });
  writeFileSync(join(root, "a.txt"), "file");
  const files: HandlerOptions = { kind: "static", index: [] };
  const routes = [
    route("/a.txt", respond("posted"), ["POST"]),
    route("/api/*", respond("api"), ["POST", "PUT"]),
    route(undefined, files),
  ];
  await withGateway({ routes, root }, async (gateway) => {
    const outcome = async (method: string, target: string) => {
      const { status, headers } = await gateway.send({ method, target });
      return `${status} ${headers.get("allow") ?? ""}`.trim();
    };
    assert.equal(await outcome("DELETE", "/a.txt"), "405 GET, HEAD, POST");
    assert.equal(await outcome("DELETE", "/folder"), "405 GET, HEAD");
    // No file is there, but that is not why a DELETE cannot be done.
    assert.equal(await outcome("DELETE", "/api/x"), "405 POST, PUT");
    assert.equal(await outcome("GET", "/api/x"), "404");
    assert.equal(await outcome("HEAD", "/api/x"), "404");
    assert.equal(await outcome("DELETE", "/none"), "404");
    assert.equal((await gateway.access.ofPath("/folder"))["code"], "method_not_allowed");
  });
});

test("A route that does not allow the method leaves the request to the next", async () => {
  const routes = [
    route("/x", respond("posted"), ["POST"]),
    route(undefined, respond("other")),
  ];
  await withGateway({ routes }, async (gateway) => {
    assert.equal(await bodyAt(gateway, "/x"), "other");
    const posted = await gateway.send({ method: "POST", target: "/x", body: "" });
    assert.equal(posted.body.toString(), "posted");
  });
});

test("TRACE and CONNECT never reach an application", async () => {
  let requests = 0;
  const application = () => {
    requests++;
    return new Response("reached");
  };
  await withGateway({ application }, async (gateway) => {
    const trace = await rawRequest(gateway.port, "TRACE /t HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(trace.status, 405);
    assert.ok(trace.headers.get("x-request-id"));
    const connect = await rawRequest(gateway.port, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    assert.ok([400, 405].includes(connect.status), String(connect.status));
    assert.equal(requests, 0);
    assert.equal((await gateway.access.ofPath("/t"))["code"], "method_not_allowed");
  });
});

function site(hosts: readonly string[], body: string): SiteOptions {
  return { hosts, root: undefined, routes: [route(undefined, respond(body))] };
}

test("A request meets the site of its host, whatever its case and port", async () => {
  const sites = [site(["example.com"], "exact"), site(["*.example.com"], "wildcard")];
  await withGateway({ sites }, async (gateway) => {
    const seen: Record<string, string> = {};
    for (const host of ["example.com", "EXAMPLE.com:8080", "example.com.", "a.example.com"]) {
      const response = await gateway.send({ headers: { Host: host } });
      seen[host] = response.body.toString();
    }
    assert.deepEqual(seen, {
      "example.com": "exact",
      "EXAMPLE.com:8080": "exact",
      "example.com.": "exact",
      "a.example.com": "wildcard",
    });
  });
});

test("A host of no site gets 404", async () => {
  await withGateway({ sites: [site(["example.com"], "exact")] }, async (gateway) => {
    const response = await gateway.send({ headers: { Host: "other.org" }, target: "/lost" });
    assert.equal(response.status, 404);
    assert.equal((await gateway.access.ofPath("/lost"))["code"], "no_such_site");
  });
});

/** What is sent, and what its line in the log says; none where a runtime refuses by itself. */
const MALFORMED: readonly (readonly [what: string, headers: string, code: string | undefined])[] = [
  ["A broken percent-encoding", "GET /%zz HTTP/1.1\r\nHost: a", "bad_target"],
  ["A NUL in the path", "GET /a%00b HTTP/1.1\r\nHost: a", "bad_target"],
  ["A path that is not UTF-8", "GET /%ff HTTP/1.1\r\nHost: a", "bad_target"],
  ["A target without a slash", "GET a HTTP/1.1\r\nHost: a", undefined],
  ["A Host with a slash", "GET / HTTP/1.1\r\nHost: a/b", "bad_host"],
  ["A Host with a bad port", "GET / HTTP/1.1\r\nHost: a:port", "bad_host"],
  ["A Host that is markup", "GET / HTTP/1.1\r\nHost: <script>", "bad_host"],
  ["Two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", undefined],
];

for (const [what, headers, code] of MALFORMED) {
  test(`${what} gets 400 and reaches no application`, async () => {
    let requests = 0;
    const application = () => {
      requests++;
      return new Response("reached");
    };
    await withGateway({ application }, async (gateway) => {
      const response = await rawRequest(gateway.port, `${headers}\r\n\r\n`);
      assert.equal(response.status, 400);
      assert.equal(requests, 0);
      if (code === undefined) return;
      assert.ok(response.headers.get("x-request-id"));
      const line = await gateway.access.find((each) => each["status"] === 400);
      assert.equal(line["code"], code);
      const why = await gateway.log.find((each) => each["request_id"] === line["request_id"]);
      assert.equal(why["code"], code);
    });
  });
}

test("A target beyond its limit gets 414", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const response = await gateway.send(`/${"a".repeat(17_000)}`);
    assert.equal(response.status, 414);
    const line = await gateway.access.find((each) => each["status"] === 414);
    assert.equal(line["code"], "target_too_long");
    assert.ok(String(line["path"]).length <= REFUSED_TARGET_SHOWN_MAX + 6);
    await gateway.log.find(({ code }) => code === "target_too_long");
    assert.doesNotMatch(gateway.log.text, /aaaa/, "it stands in the log once");
  });
});

test("A redirect may carry parts of the request, and none of them makes it another host", async () => {
  const redirect = (to: string): HandlerOptions => ({ kind: "redirect", to, status: 308 });
  const routes = [
    route("/old/*", redirect("/new/${match}?${request.query}")),
    route("*.html", redirect("/${match}")),
    route("/all/*", redirect("https://${request.host}${request.target}")),
    route("/path/*", redirect("/${request.path}")),
    route("/header", redirect("/${request.header.X-To}")),
  ];
  await withGateway({ routes }, async (gateway) => {
    const to = async (target: string, headers = {}) => {
      return (await gateway.send({ target, headers })).headers.get("location");
    };
    assert.equal(await to("/old/a%20b/%C3%A9%25?q=%20"), "/new/a%20b/%C3%A9%25?q=%20");
    assert.equal(await to("/old"), "/new/?");
    assert.equal(await to("//evil.example/x.html"), "/evil.example/x");
    assert.equal(await to("/all/%41?q"), "https://test.example/all/%41?q");
    assert.equal(await to("/path/a%0D%0Ab"), "/path/a%0D%0Ab");
    assert.equal(await to("/header", { "X-To": "/evil.example" }), "/evil.example");
    assert.equal(
      await to("/header", { "X-To": "\\evil.example <b>" }),
      "/%5Cevil.example%20%3Cb%3E",
    );
  });
});
