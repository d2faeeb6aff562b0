/** Caddyfiles → sites, listeners and routes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importedFile } from "../cli/imported_file.ts";

const PHP = "php_fastcgi unix//run/fpm.sock";

async function routesOf(body: string) {
  return (await importedFile("caddy", `:8080 {\n root * /srv/www\n${body}\n}\n`)).sites[0]!.routes;
}

test("php_fastcgi becomes a php route that tries what Caddy tries, and file_server the files", async () => {
  assert.deepEqual(await routesOf(`file_server\n${PHP} {\n env A b\n index app.php\n}`), [
    {
      php: {
        upstream: "php",
        index: ["app.php"],
        params: { A: "b" },
        try: ["script", "file", "folder", "/app.php"],
      },
    },
    { static: { index: ["index.html", "index.txt"] } },
  ]);
});

test("Addresses become hosts, listeners and certificates as Caddy's automatic HTTPS has them", async () => {
  const shape = async (address: string, options = "") => {
    const { file, sites } = await importedFile("caddy", `${options}${address} {\n respond ok\n}\n`);
    const { hosts, tls, https, listen } = sites[0]!;
    return { listen: file["listen"], hosts, tls, https, own: listen };
  };
  const none = { hosts: undefined, tls: undefined, https: undefined, own: undefined };
  const secure = [":80", { address: ":443", tls: {} }];
  assert.deepEqual(await shape("example.com, www.example.com"), {
    ...none,
    listen: secure,
    hosts: ["example.com", "www.example.com"],
    tls: "auto",
  });
  assert.deepEqual(await shape("app.localhost"), {
    ...none,
    listen: secure,
    hosts: ["app.localhost"],
    tls: "internal",
  });
  assert.deepEqual(await shape("http://example.com"), {
    ...none,
    listen: [":80"],
    hosts: ["example.com"],
  });
  assert.deepEqual(await shape(":9000"), { ...none, listen: [":9000"] });
  assert.deepEqual(await shape("example.com:8443", "{\n auto_https disable_redirects\n}\n"), {
    ...none,
    listen: [{ address: ":8443", tls: {} }],
    hosts: ["example.com"],
    tls: "auto",
  });
  assert.deepEqual(await shape("http://a.example, https://a.example"), {
    ...none,
    listen: [{ address: ":443", tls: {} }, ":80"],
    hosts: ["a.example"],
    tls: "auto",
    https: "allow",
  });
});

test("Directives stand in Caddy's order whatever the file's is, and in the file's within route", async () => {
  const body = "file_server\nrespond /z second\nredir /x /y\n";
  const sorted = await routesOf(body);
  assert.deepEqual(sorted.map((route) => Object.keys(route).at(-1)), [
    "redirect",
    "respond",
    "static",
  ]);
  const kept = await routesOf(`route {\nrespond /x first\nredir /x /y\n}`);
  assert.ok("respond" in kept[0]! && kept[0]!["path"] === "~* ^/x$");
  const longer = await routesOf("respond /a/* one\nrespond /a/b/* two\n");
  assert.deepEqual(longer.slice(0, 2).map((route) => (route["respond"] as { body: string }).body), [
    "two",
    "one",
  ]);
});

test("What guards is kept by every route that is behind it", async () => {
  const hash = "$2y$04$hw/m58m10EwjFyPB1W/x9uYUOVxviHHf6TUgMc0VajgevCQKshk0u";
  const basic = await routesOf(`basicauth /in/* {\n anna ${hash}\n}\n${PHP}\nfile_server\n`);
  const guarded = basic.filter(({ path }) => String(path).includes("in/"));
  assert.equal(guarded.length, 3);
  for (const route of guarded) {
    assert.deepEqual(route["basic_auth"], { realm: "restricted", users: { anna: { hash } } });
  }
  const addresses = await routesOf(
    `@out not remote_ip 10.0.0.0/8 private_ranges\nrespond @out 403\nfile_server\n`,
  );
  for (const route of addresses) {
    const { allow } = route["ip_restriction"] as { allow: string[] };
    assert.ok(allow.includes("10.0.0.0/8") && allow.includes("192.168.0.0/16"));
  }
  const denied = await routesOf("@bad remote_ip 192.0.2.1\nabort @bad\nfile_server\n");
  assert.deepEqual(denied[0]!["ip_restriction"], { deny: ["192.0.2.1"] });
});

test("A matcher of methods that are not meant is for those that nobody has heard of, too", async () => {
  const routes = await routesOf("@other not method GET POST\nrespond @other 405\nfile_server\n");
  assert.deepEqual(routes[0], {
    when: { "${request.method}": { not: ["GET", "POST"] } },
    respond: { status: 405 },
  });
});

test("What cannot be said is refused for what it is for, by name, and the rest stays open", async () => {
  const { status, stderr, sites } = await importedFile(
    "caddy",
    `:8080 {\n root * /srv/www\n templates /t/*\n reverse_proxy /p/* {http.request.host}:80\n file_server\n}`,
  );
  assert.equal(status, 0);
  assert.match(stderr, /site:3: refused: templates \/t\/\*/);
  assert.match(stderr, /site:4: refused: reverse_proxy/);
  const [first, second, third] = sites[0]!.routes;
  assert.deepEqual([first!["path"], first!["respond"]], ["~* ^/t/", { status: 403 }]);
  assert.deepEqual([second!["path"], second!["respond"]], ["~* ^/p/", { status: 403 }]);
  assert.ok("static" in third!);
});

test("A directive that nobody knows closes its site, with status 3", async () => {
  const text = ":8080 {\n root * /srv/www\n waf on\n file_server\n}\n:8081 {\n respond ok\n}\n";
  const { status, stderr, sites } = await importedFile("caddy", text);
  assert.equal(status, 3);
  assert.match(stderr, /closed, because not all of it could be said: site:1: :8080\n$/);
  assert.deepEqual(sites.map(({ routes }) => routes), [
    [{ respond: { status: 403 } }],
    [{ respond: { status: 200, body: "ok" } }],
  ]);
});

test("Snippets, imported files, their arguments and variables are put in", async () => {
  const text =
    "(one) {\n header X-A {args[0]}\n}\n{$HOST:a.example} {\n import one b\n import php.caddy\n}\n";
  const { sites, stdout } = await importedFile("caddy", text, {
    tree: { "/etc/x/php.caddy": `root * /srv/www\n${PHP}\n` },
    env: { HOST: "b.example" },
  });
  assert.deepEqual(sites[0]!["hosts"], ["b.example"]);
  assert.deepEqual(sites[0]!["headers"], { set: { "X-A": "b" } });
  assert.ok("php" in sites[0]!.routes[0]!);
  assert.match(stdout, /\{\$HOST:a\.example\}: its value now stands here/);
});

test("handle_path takes its path off, for files, scripts and proxies", async () => {
  const routes = await routesOf(
    `handle_path /app/* {\n ${PHP}\n file_server\n}\nhandle_path /api/* {\n reverse_proxy :3000\n}`,
  );
  const by = (key: string) => routes.find((route) => key in route)!;
  assert.equal((by("php")["php"] as { strip: string }).strip, "/app");
  assert.equal(by("static")["strip_prefix"], "/app");
  assert.equal(by("proxy")["strip_prefix"], "/api");
});

test("A Caddyfile that cannot be read is told with its line", async () => {
  const { runCommand } = await import("../cli/run_program.ts");
  const tree = { "/a": ":80 {\n respond ok\n", "/b": ":80 {\n import none\n}\n" };
  for (
    const [name, line] of [["a", "a:1: The block does not end"], [
      "b",
      "b:2: There is no snippet or file",
    ]]
  ) {
    const { status, stderr } = await runCommand(`import caddy ${name}`, { tree, cwd: "/" });
    assert.equal(status, 1);
    assert.ok(stderr.includes(line!), stderr);
  }
});
