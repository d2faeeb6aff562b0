/** What becomes of directives, one at a time; whole configurations are in tests/interop/. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { parseNginx } from "../../src/nginx/parser.ts";
import { translateNginx } from "../../src/nginx/translate.ts";

function translate(text: string) {
  const isFile = (path: string) => path.startsWith("/there/");
  const options = { source: "a.conf", isFile };
  const { yaml, notes, closed } = translateNginx(parseNginx(text, "a.conf"), options);
  return {
    closed,
    yaml: yaml ?? "",
    config: yaml === undefined ? undefined : withoutLineFeeds(parse(yaml)),
    notes: notes.map(({ kind, place, text }) => `${place} ${kind} ${text}`),
  };
}

const NO_LINE_FEEDS = { path: "~ \\n", respond: { status: 404 } };

/** Without the route that is there wherever a regular expression ends with "$". */
function withoutLineFeeds(config: { sites: { routes: { path?: string }[] }[] }) {
  for (const site of config.sites) {
    site.routes = site.routes.filter(({ path }) => path !== NO_LINE_FEEDS.path);
  }
  // deno-lint-ignore no-explicit-any
  return config as any;
}

/** The routes of a server with a root. */
function routesOf(text: string): unknown {
  return translate(`server { root /r; ${text} }`).config.sites[0].routes;
}

const PHP = "location ~ \\.php$ { fastcgi_pass unix:/s; }";
const RUN = { path: "*.php", php: { upstream: "php", index: [], split_path: [] } };

test("Every route has a comment that names the line of its location", () => {
  const { yaml } = translate("server {\n  root /r;\n  location = /x { return 204; }\n}\n");
  assert.match(yaml, /# a\.conf:1: server\n/);
  assert.match(yaml, /# a\.conf:3: location = \/x\n {6}- path: \/x\n/);
});

test("A line feed behind a name goes around no expression that ends there", () => {
  const { yaml } = translate(`server { root /r; location ~ \\.bak$ { deny all; } ${PHP} }`);
  assert.deepEqual(parse(yaml).sites[0].routes[0], NO_LINE_FEEDS);
  assert.doesNotMatch(translate("server { root /r; location ~ ^/a/ { deny all; } }").yaml, /\\n/);
});

test("A deny that no pattern says is an expression", () => {
  const text = `server { root /r; location ~ ^/a/.*/b/ { deny all; } ${PHP} }`;
  const { config, notes } = translate(text);
  assert.deepEqual(config.sites[0].routes[0], { path: "~ ^/a/.*/b/", respond: { status: 403 } });
  assert.deepEqual(notes, []);
});

test("A deny that no expression says closes more than nginx does, and is told", () => {
  const text = `server { root /r; location ~ ^/a/(x)\\1/b/ { deny all; } ${PHP} }`;
  const { config, notes } = translate(text);
  assert.deepEqual(config.sites[0].routes[0], { path: "/a/*", respond: { status: 403 } });
  assert.match(notes[0]!, /^a\.conf:1 refused location ~ \^\/a/);
});

test("A deny of which nothing can be said closes everything behind it", () => {
  assert.deepEqual(
    routesOf(`location = /x { return 204; } location ~ ^/([a-z])\\1+$ { deny all; } ${PHP}`),
    [
      { path: "/x", respond: { status: 204 } },
      { respond: { status: 403 } },
    ],
  );
});

test("A location whose content has no counterpart answers 501", () => {
  for (
    const content of [
      "proxy_pass http://$unknown;",
      "uwsgi_pass u;",
      "secure_link x;",
      "alias /elsewhere;",
      "root /other/$host;",
    ]
  ) {
    const text = `location /p/ { ${content} }`;
    assert.deepEqual(
      (routesOf(text) as unknown[])[0],
      { path: "/p/*", respond: { status: 501 } },
      text,
    );
  }
});

test("A rule of which nothing can be said closes what it decides about", () => {
  for (
    const rule of [
      "return 301 $unknown;",
      "return 200 $uri;",
      "rewrite ^ /x$unknown last;",
      "if ($unknown) { return 404; }",
    ]
  ) {
    const { config, notes } = translate(`server { root /r; location /p/ { ${rule} } }`);
    assert.deepEqual(config.sites[0].routes[0], { path: "/p/*", respond: { status: 403 } }, rule);
    assert.ok(notes.some((note) => note.startsWith("a.conf:1 refused ")), rule);
  }
});

test("A redirect keeps what it says of the request", () => {
  assert.deepEqual(
    (routesOf("location /p/ { return 301 https://$host$request_uri; }") as unknown[])[0],
    {
      path: "/p/*",
      redirect: { to: "https://${request.host}${request.target}", status: 301 },
    },
  );
});

test("What decides before all locations closes the site when it cannot be said", () => {
  const { config, notes } = translate("server { root /r; if ($bad) { return 403; } }");
  assert.deepEqual(config.sites[0].routes, [{ respond: { status: 403 } }]);
  assert.match(notes[0]!, /^a\.conf:1 refused if \(\$bad\)/);
});

test("Scripts of a closed directory run neither by their name nor as its index", () => {
  const routes = routesOf(`index index.php; location ~ ^/up/.*\\.php$ { deny all; } ${PHP}
    location / { try_files $uri $uri/ /index.php?$args; }`);
  const tries = ["file", "folder", "/index.php"];
  const last = { upstream: "php", index: ["index.php"], try: tries, no_scripts: ["/up"] };
  assert.deepEqual(routes, [
    { path: "/up/*.php", respond: { status: 403 } },
    RUN,
    { static: { index: [] } },
    { php: last },
  ]);
});

test("A closed directory is closed for paths behind a script's name, too", () => {
  const routes = routesOf(`location ~ ^/(up|tmp)/.*\\.php$ { deny all; }
    location ~ \\.php(/|$) { fastcgi_split_path_info ^(.+\\.php)(/.*)$; fastcgi_pass unix:/s; }`);
  assert.deepEqual((routes as unknown[])[2], {
    php: { upstream: "php", index: [], no_scripts: ["/up", "/tmp"] },
  });
});

test("Directories of which only the beginning is said run no index where their scripts are closed", () => {
  const routes = routesOf(`index index.php; location ~ ^/wp-.*\\.php$ { deny all; } ${PHP}
    location / { try_files $uri $uri/ /index.php?$args; }`);
  assert.deepEqual((routes as unknown[]).slice(2, 4), [
    { path: "/wp-*", static: { index: [] } },
    { path: "/wp-*", php: { upstream: "php", try: ["file", "/index.php"] } },
  ]);
});

test("Scripts that only other locations run are not tried by their name", () => {
  const routes = routesOf(`location = /index.php { fastcgi_pass unix:/s; }
    location / { try_files $uri /index.php?$args; }`) as unknown[];
  // Before static, which would send a directory's path to its slash.
  assert.deepEqual(routes.slice(1), [
    { php: { upstream: "php", try: ["file", "/index.php"] } },
    { static: { index: [] } },
  ]);
});

test("Scripts that nginx would show as files are refused", () => {
  const routes = routesOf(`location = /index.php { fastcgi_pass unix:/s; }
    location /docs/ { try_files $uri =404; }`) as unknown[];
  assert.deepEqual(routes[1], { path: "/docs/*.php", respond: { status: 403 } });
});

test("Who may not ask for a script by its name may not by another way", () => {
  const guarded = (rules: string, own = "") =>
    (routesOf(`index index.php; location ~ \\.php$ { ${rules} fastcgi_pass unix:/s; }
      location / { ${own} try_files $uri $uri/ /index.php?$args; }`) as unknown[]).slice(1);
  const tries = ["file", "folder", "/index.php"];
  const last = { upstream: "php", index: ["index.php"], try: tries };
  const inside = { allow: ["10.0.0.0/8"] };
  const files = { static: { index: [] } };
  assert.deepEqual(guarded("allow 10.0.0.0/8; deny all;"), [files, {
    php: last,
    ip_restriction: inside,
  }]);
  assert.deepEqual(guarded("deny all;"), [files, { respond: { status: 403 } }]);
  assert.deepEqual(guarded("auth_basic x;"), [files, { respond: { status: 403 } }]);
  const denied = { ip_restriction: { deny: ["10.1.1.1"] } };
  assert.deepEqual(guarded("allow 10.0.0.0/8; deny all;", "deny 10.1.1.1;"), [
    {
      path: "~ /$",
      exists: "${request.path}index.php",
      rewrite: "${request.path}index.php",
      ...denied,
    },
    { ...files, ...denied },
    { rewrite: "/index.php", ...denied },
  ]);
  const asked = { realm: "x", file: "/etc/nginx/users" };
  assert.deepEqual(guarded("auth_basic x; auth_basic_user_file users;"), [files, {
    php: last,
    basic_auth: asked,
  }]);
});

test("An index whose scripts' location differs from the front controller's has its own route", () => {
  const routes = routesOf(`index index.php; location = /front.php { fastcgi_pass unix:/s; }
    location ~ \\.php$ { deny 10.0.0.1; fastcgi_pass unix:/s; }
    location / { try_files $uri $uri/ /front.php?$args; }`) as unknown[];
  assert.deepEqual(routes.slice(2), [
    { static: { index: [] } },
    {
      php: { upstream: "php", index: ["index.php"], try: ["folder"] },
      ip_restriction: { deny: ["10.0.0.1"] },
    },
    { php: { upstream: "php", try: ["file", "/front.php"] } },
  ]);
});

test("A rewrite to the path with .php behind it tries that script", () => {
  const routes = routesOf(`${PHP} location / { try_files $uri @script; }
    location @script { rewrite ^(.*)$ $1.php last; }`) as unknown[];
  assert.deepEqual(routes, [
    RUN,
    { php: { upstream: "php", try: ["file", "${path}.php", "=404"] } },
    { static: { index: [] } },
  ]);
});

test("Where hidden names are closed, a location for one script closes them as well", () => {
  const toOne = "location /app/ { rewrite ^ /index.php last; }";
  const params = { SCRIPT_FILENAME: "/r/index.php", SCRIPT_NAME: "/index.php", PATH_INFO: null };
  const last = (text: string) => (routesOf(`${PHP} ${toOne} ${text}`) as unknown[]).at(1);
  assert.deepEqual(last(""), { path: "/app/*", fastcgi: { upstream: "php", params } });
  const closed = routesOf(`${PHP} ${toOne} location ~ /\\. { deny all; }`) as unknown[];
  assert.deepEqual(closed.find((route) => JSON.stringify(route).includes("/app/*")), {
    path: "/app/*",
    php: { upstream: "php", try: ["/index.php"] },
  });
});

test("$realpath_root becomes resolve_root", () => {
  const { config, notes } = translate(`server { root /r; location = /x.php {
    fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
    fastcgi_param DOCUMENT_ROOT $realpath_root; fastcgi_pass unix:/s; } }`);
  assert.equal(config.sites[0].routes[0].php.resolve_root, true);
  assert.deepEqual(notes, []);
});

test("client_max_body_size holds where nginx has it", () => {
  const { config, notes } = translate(`client_max_body_size 2m; server { root /r;
    client_max_body_size 8m;
    location = /up.php { client_max_body_size 0; fastcgi_pass unix:/s; }
    location /small/ { client_max_body_size 100k; try_files $uri /index.php; }
    location @named { client_max_body_size 1k; fastcgi_pass unix:/s;
      fastcgi_param SCRIPT_FILENAME $document_root/n.php; }
    location /named/ { try_files $uri @named; }
    ${PHP} }
    server { server_name other; root /r; client_max_body_size 2m; }`);
  assert.deepEqual(config.limits, { request_body: "2MiB" });
  const [site, other] = config.sites;
  assert.deepEqual([site.limits, other.limits], [{ request_body: "8MiB" }, undefined]);
  const limits = site.routes.filter((route: Record<string, unknown>) => route["php"])
    .map((route: Record<string, unknown>) => [route["path"], route["limits"]]);
  assert.deepEqual(limits, [
    ["/up.php", { request_body: "0B" }],
    ["*.php", undefined],
    ["/small/*", { request_body: "100KiB" }],
    ["/named/*", undefined],
  ]);
  assert.deepEqual(notes, [
    "a.conf:5 unneeded client_max_body_size 1k: no body's length is looked at there",
  ]);
});

test("allow and deny become ip_restriction where their order allows it", () => {
  const restriction = (rules: string) =>
    (routesOf(`location /p/ { ${rules} }`) as Record<string, unknown>[])
      .find(({ path }) => path === "/p/*");
  assert.deepEqual(restriction("allow 10.0.0.0/8; deny all;")?.["ip_restriction"], {
    allow: ["10.0.0.0/8"],
  });
  assert.deepEqual(restriction("deny 10.0.0.1; allow 10.0.0.0/8; deny all;")?.["ip_restriction"], {
    allow: ["10.0.0.0/8"],
    deny: ["10.0.0.1"],
  });
  assert.deepEqual(restriction("deny 10.0.0.1;")?.["ip_restriction"], { deny: ["10.0.0.1"] });
  const closed = { path: "/p/*", respond: { status: 403 } };
  assert.deepEqual(restriction("allow 10.0.0.1; deny 10.0.0.0/8; allow all;"), closed);
});

test("An upstream keeps weights and backups, and what its locations say", () => {
  const { config, notes } = translate(`upstream app {
    least_conn;
    server 10.0.0.1:9000 weight=3 max_fails=2;
    server unix:/s backup;
    server 10.0.0.2:9000 down;
    keepalive 8;
  }
  server { location = /x.php {
    fastcgi_pass app; fastcgi_read_timeout 90; fastcgi_connect_timeout 500ms; fastcgi_keep_conn off;
  } }`);
  assert.deepEqual(config.upstreams.app, {
    servers: [{ address: "tcp://10.0.0.1:9000", weight: 3 }, { address: "unix:/s", backup: true }],
    balance: "least_requests",
    timeouts: { connect: "500ms", first_byte: "90s", idle: "90s" },
    connections: { reuse: false },
  });
  assert.ok(notes.some((note) => note.startsWith("a.conf:3 lost") && note.includes("max_fails=2")));
  assert.ok(notes.some((note) => note.startsWith("a.conf:5 lost") && note.includes("down")));
});

test("Hosts, listeners and the default server are nginx's", () => {
  const { config } = translate(`
    server { listen 443 ssl; listen [::]:80; listen 80; server_name a.b .c.d; ssl_certificate /there/c;
      ssl_certificate_key /there/k; root /r; }
    server { listen 80 default_server; server_name x.y; root /r; }`);
  assert.deepEqual(config.listen, [
    { address: "0.0.0.0:443", tls: { cert: "/there/c", key: "/there/k" } },
    ":80",
  ]);
  // The first one is the default at 443, the second one at 80, where it is marked.
  const places = config.sites.map(({ hosts, listen }: Record<string, string[]>) => [hosts, listen]);
  assert.deepEqual(places, [
    [undefined, ["0.0.0.0:443"]],
    [["a.b", "c.d", "*.c.d"], [":80"]],
    [undefined, [":80"]],
  ]);
});

test("Each server's certificates and the authorities of its clients are its site's", () => {
  const { config } = translate(`
    server { listen 443 ssl; server_name a.b; root /r;
      ssl_certificate /there/a; ssl_certificate_key /there/a.key; }
    server { listen 443 ssl; server_name c.d; root /r;
      ssl_certificate /there/rsa; ssl_certificate_key /there/rsa.key;
      ssl_certificate /there/ec; ssl_certificate_key /there/ec.key;
      ssl_client_certificate /there/ca; ssl_verify_client optional; }
    server { listen 443 ssl; server_name e.f; root /r;
      ssl_certificate /gone; ssl_certificate_key /gone; }
    server { listen 443 ssl; server_name g.h; root /r;
      ssl_certificate /there/a; ssl_certificate_key /there/a.key;
      ssl_client_certificate /gone; ssl_verify_client on; }`);
  const [a, c, e, g] = config.sites;
  assert.deepEqual([a.tls, a.https], [{ cert: "/there/a", key: "/there/a.key" }, "allow"]);
  assert.deepEqual(c.tls, [
    { cert: "/there/rsa", key: "/there/rsa.key" },
    { cert: "/there/ec", key: "/there/ec.key" },
  ]);
  assert.deepEqual(c.client_auth, { ca: "/there/ca", mode: "request" });
  for (const site of [e, g]) assert.deepEqual(site.routes, [{ respond: { status: 403 } }]);
});

const CERT = "ssl_certificate /there/c; ssl_certificate_key /there/k;";

test("Versions and ciphers of TLS are the listener's, wherever they are said", () => {
  const tls = (text: string) => translate(text).config.listen[0].tls;
  const pair = { cert: "/there/c", key: "/there/k" };
  const site = (text: string) => `server { listen 443 ssl; server_name a.b; root /r; ${text} }`;
  const modern = { ...pair, min: "1.3" };
  assert.deepEqual(tls(site(`${CERT} ssl_protocols TLSv1.3;`)), modern);
  assert.deepEqual(tls(`http { ssl_protocols TLSv1.3; ${CERT} ${site("")} }`), modern);
  assert.deepEqual(tls(site(`${CERT} ssl_protocols TLSv1.2 TLSv1.3;`)), pair);
  assert.deepEqual(tls(site(`${CERT} ssl_protocols TLSv1 TLSv1.1 TLSv1.2;`)), pair);
  assert.deepEqual(tls(site(`${CERT} ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:HIGH:!aNULL;`)), {
    ...pair,
    ciphers: "ECDHE-RSA-AES128-GCM-SHA256:HIGH:!aNULL",
  });
  assert.deepEqual(tls(`server { listen 443; ssl on; root /r; ${CERT} }`), pair);
});

test("Of the servers of a listener the strictest version counts, and the others are told", () => {
  const { config, notes, closed } = translate(`
    server { listen 443 ssl; server_name a.b; root /r; ${CERT} ssl_protocols TLSv1.2; }
    server { listen 443 ssl; server_name c.d; root /r; ${CERT} ssl_protocols TLSv1.3;
      ssl_ciphers HIGH; }
    server { listen 8443 ssl; listen 443 ssl; server_name e.f; root /r; ${CERT} }`);
  assert.deepEqual(config.listen.map(({ tls }: { tls: { min?: string } }) => tls.min), [
    "1.3",
    undefined,
  ]);
  assert.ok(
    notes.some((it) => it.startsWith("a.conf:2 differs ssl_protocols TLSv1.2")),
    `${notes}`,
  );
  assert.ok(notes.some((it) => it.startsWith("a.conf:4 differs ssl_ciphers HIGH")), `${notes}`);
  assert.deepEqual(closed, []);
});

test("Certificates of the whole file are each server's", () => {
  const { config } = translate(`http { ${CERT}
    ssl_client_certificate /there/ca; ssl_verify_client on;
    server { listen 443 ssl; server_name a.b; root /r; }
    server { listen 443 ssl; server_name c.d; root /r; ssl_verify_client off; } }`);
  assert.deepEqual(config.listen, [
    { address: "0.0.0.0:443", tls: { cert: "/there/c", key: "/there/k" } },
  ]);
  const [a, c] = config.sites;
  for (const site of [a, c]) assert.deepEqual(site.tls, { cert: "/there/c", key: "/there/k" });
  assert.deepEqual(a.client_auth, { ca: "/there/ca", mode: "require" });
  assert.equal(c.client_auth, undefined);
});

test("What protects by TLS and cannot be said closes the site", () => {
  for (
    const guard of [
      "ssl_protocols TLSv1.1",
      "ssl_protocols SSLv3 TLSv1",
      "ssl_client_certificate /there/ca; ssl_verify_client on; ssl_crl /there/crl",
      "ssl_client_certificate /there/ca; ssl_verify_client optional; ssl_crl /there/crl",
      "ssl_client_certificate /gone; ssl_verify_client optional",
      "ssl_verify_client on",
      "ssl_trusted_certificate /there/ca; ssl_verify_client on",
    ]
  ) {
    const { config, closed } = translate(
      `server { listen 443 ssl; server_name a.b; root /r; ${CERT} ${guard}; }`,
    );
    assert.deepEqual(config.sites[0].routes, [{ respond: { status: 403 } }], guard);
    assert.deepEqual(closed, ["a.conf:1 server a.b"], guard);
  }
});

test("A listener whose proxies speak first is not opened to all others", () => {
  const { config, notes } = translate(
    `server { listen 443 ssl proxy_protocol; listen 81 http2; root /r; ${CERT} }`,
  );
  assert.deepEqual(config.listen, ["0.0.0.0:81"]);
  assert.deepEqual(notes.filter((it) => it.includes("lost")), []);
  assert.match(notes[0]!, /^a\.conf:1 refused listen 443 ssl proxy_protocol/);
});

test("A listener whose certificate is not there is told, and not opened without", () => {
  const { config, notes } = translate(
    "server { listen 443 ssl; listen 81; ssl_certificate /no; ssl_certificate_key /no; root /r; }",
  );
  assert.deepEqual(config.listen, ["0.0.0.0:81"]);
  assert.match(notes[0]!, /^a\.conf:1 refused listen 443 ssl/);
});

test("Parameters are carried over, those with unknown variables are told", () => {
  const { config, notes } = translate(`server { root /r; location = /x.php {
    fastcgi_param A "b $remote_addr"; fastcgi_param X $unknown; fastcgi_param QUERY_STRING $args;
    fastcgi_pass 127.0.0.1; } }`);
  assert.deepEqual(config.sites[0].routes[0].php.params, { A: "b ${client.address}" });
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /^a\.conf:2 lost fastcgi_param X/);
});

test("gzip, sizes and error pages have their counterparts", () => {
  const { config, notes } = translate(`server { root /there; gzip on; gzip_types text/css;
    client_max_body_size 3k; error_page 500 502 /50x.html; error_page 404 =410 /no.html; }`);
  const [site] = config.sites;
  assert.deepEqual(site.compression, {
    encodings: ["gzip"],
    min_size: 20,
    types: ["text/html", "text/css"],
  });
  assert.deepEqual(site.error_pages, { 500: "/50x.html", 502: "/50x.html" });
  assert.deepEqual(site.limits, { request_body: "3KiB" });
  assert.match(notes[0]!, /^a\.conf:2 lost error_page 404/);
});

test("Every directive that nobody made something of is told", () => {
  const { notes } = translate(
    "server {\n root /r;\n fastcgi_store on;\n sendfile on;\n}\nworker_priority 1;\nzstd on;\n",
  );
  assert.deepEqual(notes, [
    "a.conf:3 lost fastcgi_store on: it has no counterpart",
    "a.conf:4 unneeded sendfile on: afcgi has its own way",
    "a.conf:6 unneeded worker_priority 1: afcgi has its own way",
    "a.conf:7 lost zstd on: it has no counterpart",
  ]);
});

test("disable_symlinks off is told of, and what closes symlinks is lost", () => {
  const { notes } = translate("server {\n root /r;\n disable_symlinks off;\n}\n");
  assert.deepEqual(notes, [
    "a.conf:3 differs disable_symlinks off: " +
    "symlinks out of the root are followed where follow_symlinks_to says so",
  ]);
  const closed = translate("server {\n root /r;\n disable_symlinks on;\n}\n");
  assert.deepEqual(closed.notes, ["a.conf:3 lost disable_symlinks on: it has no counterpart"]);
});

test("A file without a server that can be said makes no configuration", () => {
  assert.equal(translate("events { }").config, undefined);
});

test("A server that only leads to HTTPS is https: redirect of the site that has its hosts", () => {
  const secure = "server { listen 443 ssl; server_name a.b; root /r; ssl_certificate /there/c; " +
    "ssl_certificate_key /there/k; }";
  const { config, notes } = translate(
    `server { listen 80; server_name a.b; return 301 https://$host$request_uri; } ${secure}`,
  );
  assert.deepEqual(
    config.listen.map((it: string | { address: string }) =>
      typeof it === "string" ? it : it.address
    ),
    ["0.0.0.0:80", "0.0.0.0:443"],
  );
  assert.equal(config.sites.length, 1);
  assert.equal(config.sites[0].https, "redirect");
  assert.ok(notes.some((note) => note.includes("differs return 301")), `${notes}`);
  // Of another host it is a site of its own, and so it is with more to say.
  for (const other of ["server_name c.d;", "server_name a.b; location /x/ { return 404; }"]) {
    const { sites } = translate(
      `server { listen 80; ${other} return 301 https://$host$request_uri; } ${secure}`,
    ).config;
    assert.deepEqual(sites[0].routes, [{
      redirect: { to: "https://${request.host}${request.target}", status: 301 },
    }], other);
    assert.deepEqual([sites[0].listen, sites[1].https], [["0.0.0.0:80"], "allow"]);
  }
});

test("What is tried before a script is tried for no other paths", () => {
  const routes = routesOf(
    "location /a/ { try_files $uri =404; location ~ \\.php(/|$) " +
      "{ try_files $uri /a/b.php =404; fastcgi_pass unix:/s; } }",
  ) as readonly { readonly path?: string; readonly php?: unknown }[];
  const scripts = routes.filter(({ php }) => php !== undefined);
  assert.equal(scripts.length, 2);
  for (const { path } of scripts) assert.equal(path, "~ ^(?=/a/).*?(?:\\.php(/|$))");
});

test("Of a closed location that is internal a client is told that there is nothing", () => {
  const closed = (more: string) =>
    routesOf(`location /a/ { deny all; ${more} } location / { root /r; }`);
  assert.ok(JSON.stringify(closed("internal;")).includes('"status":404'));
  assert.ok(JSON.stringify(closed("")).includes('"status":403'));
});

test("A redirect has the fields of its location", () => {
  const [redirect] = routesOf(
    'location /a { return 301 /b; } location / { add_header X-Other "2"; }',
  ) as readonly { readonly redirect?: unknown; readonly headers?: unknown }[];
  assert.ok(redirect?.redirect !== undefined);
  assert.equal(redirect.headers, undefined);
  const [own] = routesOf(
    'location /a { add_header X-Own "1"; return 301 /b; } location / { add_header X-Other "2"; }',
  ) as readonly { readonly headers?: unknown }[];
  assert.deepEqual(own?.headers, { add: { "X-Own": "1" } });
});
