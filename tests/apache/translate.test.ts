/** Virtual hosts and `.htaccess` files → sites and routes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importedFile } from "../cli/imported_file.ts";
import type { Tree } from "../config/memory_files.ts";

const PHP =
  '<FilesMatch "\\.php$">\n SetHandler "proxy:unix:/run/fpm.sock|fcgi://localhost"\n</FilesMatch>';
const OVERRIDE = "<Directory /srv/www>\n AllowOverride All\n</Directory>";

async function imported(body: string, tree: Tree = {}) {
  const text =
    `<VirtualHost *:80>\nServerName a.example\nDocumentRoot /srv/www\nDirectoryIndex index.php\n${body}\n</VirtualHost>\n`;
  return await importedFile("apache", text, { tree });
}

const routesOf = async (body: string, tree?: Tree) => (await imported(body, tree)).sites[0]!.routes;

test("SetHandler and ProxyPassMatch run scripts; what is there is files", async () => {
  const files = { static: { index: [] } };
  assert.deepEqual(await routesOf(PHP), [
    { php: { upstream: "php", try: ["script", "file", "folder"] } },
    files,
  ]);
  const passed = await routesOf(
    "ProxyPassMatch ^/(.*\\.php(/.*)?)$ fcgi://127.0.0.1:9000/var/www/$1",
  );
  assert.equal((passed[0]!["php"] as { application_root: string }).application_root, "/var/www");
  assert.ok(passed.some((route) => (route["php"] as { try?: string[] })?.try?.includes("folder")));
});

test("A front controller of a .htaccess file is one php route, where AllowOverride lets it", async () => {
  const rules =
    "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\nRewriteRule . /index.php [L]\n";
  const tree = { "/srv/www/.htaccess": rules };
  const expected = [
    { php: { upstream: "php", try: ["script", "file", "folder", "/index.php"] } },
    { static: { index: [] } },
  ];
  assert.deepEqual(await routesOf(`${PHP}\n${OVERRIDE}`, tree), expected);
  const without = await routesOf(PHP, tree);
  assert.deepEqual((without[0]!["php"] as { try: string[] }).try, ["script", "file", "folder"]);
});

test(".htaccess files in directories below are applied: what they deny is denied", async () => {
  const routes = await routesOf(`${PHP}\n${OVERRIDE}`, {
    "/srv/www/up/.htaccess": "Deny from all\n",
    "/srv/www/in/deep/.htaccess": "<Files *.txt>\nRequire all denied\n</Files>\n",
  });
  assert.deepEqual(routes[1], { path: "/up/*", respond: { status: 403 } });
  assert.match(String(routes[0]!["path"]), /\/in\/deep.*\.txt/);
  assert.deepEqual(routes[0]!["respond"], { status: 403 });
});

test("A .htaccess file that says what AllowOverride does not let it closes its directory", async () => {
  const only = "<Directory /srv/www>\n AllowOverride FileInfo\n</Directory>";
  const { sites, stderr } = await imported(`${PHP}\n${only}`, {
    "/srv/www/in/.htaccess": "Options +Indexes\n",
  });
  assert.match(stderr, /refused: Options \+Indexes: AllowOverride does not let it/);
  assert.deepEqual(sites[0]!.routes[0], { path: "/in/*", respond: { status: 403 } });
});

test("Sections are merged as Apache does: locations after files after directories, the longer later", async () => {
  const routes = await routesOf(`
<Directory /srv/www/a/b>
 Require all granted
</Directory>
<Directory /srv/www/a>
 Require all denied
</Directory>
<Location /a/b/c>
 Require ip 10.1 192.0.2.0/255.255.255.0
</Location>`);
  assert.deepEqual(routes[0], {
    path: "/a/b/c/*",
    ip_restriction: { allow: ["10.1.0.0/16", "192.0.2.0/24"] },
    static: { index: ["index.php"] },
  });
  assert.deepEqual([routes[2]!["path"], "static" in routes[2]!], ["/a/b/*", true]);
  assert.deepEqual(routes.find(({ path }) => path === "/a/*"), {
    path: "/a/*",
    respond: { status: 403 },
  });
});

test("Passwords: a file for valid-user, the hashes of those that are named for user", async () => {
  const hash = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
  const tree = { "/etc/users": `anna:${hash}\notto:${hash}\n` };
  const auth = (rule: string) =>
    `<Location /in>\nAuthType Basic\nAuthName In\nAuthUserFile /etc/users\n${rule}\n</Location>`;
  const all = await routesOf(auth("Require valid-user"), tree);
  assert.deepEqual(all[0]!["basic_auth"], { realm: "In", file: "/etc/users" });
  const one = await routesOf(auth("Require user otto"), tree);
  assert.deepEqual(one[0]!["basic_auth"], { realm: "In", users: { otto: { hash } } });
  const absent = await routesOf(auth("Require valid-user"));
  assert.deepEqual(absent[0], { path: "/in/*", respond: { status: 403 } });
});

test("Order, Allow and Deny of before are understood", async () => {
  const access = async (rules: string) => {
    const [first] = await routesOf(`<Location /x>\n${rules}\n</Location>`);
    return first!["ip_restriction"] ?? first!["respond"];
  };
  assert.deepEqual(await access("Order deny,allow\nDeny from all"), { status: 403 });
  assert.deepEqual(await access("Order allow,deny\nAllow from 10.0.0.0/8"), {
    allow: ["10.0.0.0/8"],
  });
  assert.deepEqual(await access("Order allow,deny\nAllow from all\nDeny from 192.0.2.1"), {
    deny: ["192.0.2.1"],
  });
  assert.deepEqual(await access("Order deny,allow\nDeny from all\nAllow from 127.0.0.1"), {
    allow: ["127.0.0.1"],
  });
  assert.deepEqual(await access("Deny from env=bad"), { status: 403 });
});

test("What guards and cannot be said closes its section alone, by name", async () => {
  const { status, stderr, sites } = await imported(
    `${PHP}\n<Location /in>\nRequire expr "%{TIME_HOUR} -gt 9"\n</Location>\n<Location /ldap>\nAuthLDAPURL x\n</Location>`,
  );
  assert.equal(status, 0);
  assert.match(stderr, /refused: Require expr/);
  assert.match(stderr, /refused: AuthLDAPURL x/);
  const closed = sites[0]!.routes.filter((route) => "respond" in route).map(({ path }) => path);
  assert.deepEqual(closed, ["/ldap/*", "/in/*"]);
  const whole = await imported("SecRuleEngine On\n" + PHP);
  assert.equal(whole.status, 3);
  assert.deepEqual(whole.sites[0]!.routes, [{ respond: { status: 403 } }]);
});

test("A script that only some may ask for is closed as an index and as a front controller, too", async () => {
  const guard = '<FilesMatch "\\.php$">\nRequire ip 10.0.0.0/8\n</FilesMatch>';
  const routes = await routesOf(`${PHP}\n${guard}\nFallbackResource /index.php`);
  const open = routes.filter((route) => route["ip_restriction"] === undefined);
  assert.ok(open.length > 0);
  for (const { php } of open) {
    const { try: tries = [] } = (php ?? {}) as { try?: string[] };
    assert.ok(!tries.includes("/index.php"), JSON.stringify(open));
  }
  assert.ok(open.some(({ rewrite }) => rewrite === "/index.php"));
  const [guarded] = routes;
  assert.ok(new RegExp(String(guarded!["path"]).replace(/^~ /, "")).test("/any/"));
});

test("LimitExcept and conditions of methods are for methods that nobody has heard of, too", async () => {
  const limited = await routesOf(
    "<Location />\n<LimitExcept GET POST>\nRequire all denied\n</LimitExcept>\n</Location>",
  );
  assert.deepEqual(limited[0], {
    when: { "${request.method}": { not: ["GET", "POST", "HEAD"] } },
    respond: { status: 403 },
  });
  const rule =
    "RewriteEngine On\nRewriteCond %{REQUEST_METHOD} ^(PURGE|DELETE)$\nRewriteRule ^ - [F]";
  assert.deepEqual((await routesOf(rule))[0], {
    when: { "${request.method}": "~ ^(PURGE|DELETE)$" },
    respond: { status: 403 },
  });
});

test("The first virtual host of an address is for the hosts that nobody names", async () => {
  const text = `Listen 80
<VirtualHost *:80>
 ServerName a.example
 Redirect permanent / https://a.example/
</VirtualHost>
<VirtualHost *:80>
 ServerName b.example
 ServerAlias *.b.example
 DocumentRoot /srv/www
</VirtualHost>
<VirtualHost *:443>
 ServerName a.example
 DocumentRoot /srv/www
 SSLEngine on
 SSLCertificateFile /etc/a.pem
 SSLCertificateKeyFile /etc/a.key
</VirtualHost>
`;
  const { file, sites, stderr } = await importedFile("apache", text);
  assert.deepEqual(file["listen"], [":80", { address: ":443", tls: {} }]);
  assert.deepEqual(sites.map(({ hosts, listen, tls }) => [hosts, listen, tls]), [
    [undefined, [":80"], undefined],
    [["b.example", "*.b.example"], [":80"], undefined],
    [undefined, [":443"], "internal"],
  ]);
  assert.deepEqual(sites[0]!.routes.map((route) => route["redirect"]), [
    { to: "https://a.example${request.target}", status: 301 },
  ]);
  assert.match(stderr, /lost: SSLCertificateFile \/etc\/a\.pem/);
});

test("Conditions of modules, versions and defines are decided, and variables filled in", async () => {
  const routes = await routesOf(`Define where /x
<IfModule mod_alias.c>
 Redirect 302 \${where} /y
</IfModule>
<IfModule mod_php.c>
 Redirect 302 /php /z
</IfModule>
<IfModule !mod_authz_core.c>
 Redirect 302 /old /z
</IfModule>
<IfVersion >= 2.4>
 Redirect 410 /version
</IfVersion>`);
  const redirected = routes.filter((route) => "redirect" in route || "respond" in route);
  assert.deepEqual(redirected.map(({ path }) => path), [
    "~ ^/x(/.*)?$",
    "~ ^/x(/.*)?$",
    "/version/*",
  ]);
});

test("A configuration that cannot be read is told with its line", async () => {
  const { runCommand } = await import("../cli/run_program.ts");
  const tree = { "/a": "<VirtualHost *:80>\n", "/b": "</Directory>\n", "/c": 'ServerName "x\n' };
  const lines = {
    a: "a:1: Section <VirtualHost>",
    b: "b:1: There is no section",
    c: "c:1: The quote",
  };
  for (const [name, line] of Object.entries(lines)) {
    const { status, stderr } = await runCommand(`import apache ${name}`, { tree, cwd: "/" });
    assert.equal(status, 1);
    assert.ok(stderr.includes(line), stderr);
  }
});

test("What turns scripts off holds in a location, and in a directory loses against files, as in Apache", async () => {
  const off = ["SetHandler none", "php_flag engine off", "php_admin_flag engine off"];
  for (const line of [...off, "RemoveHandler .php", "RemoveType .php"]) {
    const location = await routesOf(`${PHP}\n<Location /up>\n ${line}\n</Location>`);
    const below = location.filter(({ path }) => path === "/up/*");
    assert.ok(below.length > 0, line);
    assert.ok(below.every((route) => !("php" in route) && !("fastcgi" in route)), line);
    assert.deepEqual(below.at(-1)!["respond"], { status: 404 }, line);
    const directory = await routesOf(`${PHP}\n<Directory /srv/www/up>\n ${line}\n</Directory>`);
    assert.deepEqual(directory, await routesOf(PHP), line);
  }
});
