/**
 * What `import nginx` makes of a configuration opens nothing that nginx kept closed. Random nests of
 * locations, each asked path by path: nginx itself, and afcgi with the imported file in the same
 * directory before the same application. What a nest was is told by its number, which makes it
 * again.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { parseNginx } from "../../src/nginx/parser.ts";
import { translateNginx } from "../../src/nginx/translate.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { Child } from "../support/child.ts";
import { freshPath, LISTEN, runtime, startGateway } from "../support/gateway.ts";
import { runCount } from "../support/long_runs.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const NESTS = runCount(24, 2000);

const DIRECTORIES = ["", "private/", "private/pub/", "a/", "a/b/", "up/12/"];
const NAMES = ["index.php", "x.php", "x.pdf", "x.js", "x"];
const FILES = [
  ...DIRECTORIES.flatMap((directory) => NAMES.map((name) => directory + name)),
  ...["ab.php", "privatex.php", "a/b.php", "admin.php"],
];

/** Mulberry32: the same numbers for the same seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 2654435761;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

const PREFIXES = [
  ...["/", "/", "/private/", "/private", "/a", "/a/", "/a/b/", "/private/pub/", "/up/"],
  ...["/admin.php", "/x", "/a/b"],
];
const EXACT = ["/", "/x.php", "/private/x.php", "/a/", "/index.php", "/private/x.pdf", "/a"];
const REGEXES = [
  ...["\\.php$", "\\.php$", "\\.(js|css|pdf)$", "^/private/", "^/a/.*\\.php$", "/b/"],
  ...["^/up/[0-9]+/", "\\.php(/|$)", "^/(a|up)/", "x\\.(php|pdf)$", "^/a", "^/x\\.p[hd]", "^/$"],
  ...["^/(?!private)", "/pub/x", "^/a(/b)?/x\\.php$", "^/private/(?<rest>.*)$"],
];
const GUARDS = [
  ...["deny all;", "deny all;", "return 403;", "return 404;", "internal;"],
  ...['auth_basic "x"; auth_basic_user_file USERS;', "allow 192.0.2.1; deny all;"],
  ...["limit_except POST { deny all; }", 'if ($http_x = "") { return 403; }'],
  ...['satisfy any; allow 192.0.2.1; deny all; auth_basic "x"; auth_basic_user_file USERS;'],
  ...["auth_request /authno;", "satisfy any; auth_request /authno; deny all;"],
  ...["satisfy any; auth_request /authyes; deny all;", "satisfy any; allow 127.0.0.1; deny all;"],
  ...["deny all; error_page 403 =200 /index.php;", "return 403; error_page 403 /x.pdf;"],
  ...["set_real_ip_from 127.0.0.0/8; deny 192.0.2.1;"],
  ...['if ($http_x !~ "y") { return 403; }', "if ($request_method = GET) { return 405; }"],
  ...["if (!-f $request_filename) { return 404; }", "if (-d $request_filename) { return 403; }"],
  ...["rewrite ^/a/(.*)$ /private/$1 last;"],
  ...["rewrite ^/(a|private)/x /login redirect;", "set $shut 1; if ($shut) { return 403; }"],
  "set $known 0; if ($http_x) { set $known 1; } if ($known = 0) { return 403; }",
  ...['if ($args = "") { return 404; }', "limit_except GET { deny all; }"],
  ...["rewrite ^ /none last;", "valid_referers a.example; if ($invalid_referer) { return 403; }"],
];
const COMMON =
  "fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri; " +
  "fastcgi_param SERVER_PROTOCOL $server_protocol; fastcgi_param SERVER_NAME $server_name;";
const RUN = `fastcgi_pass unix:SOCKET; ${COMMON} fastcgi_param SCRIPT_NAME $fastcgi_script_name; ` +
  "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;";
const CONTENTS = [
  ...["", "", "", "allow all;", "auth_basic off;", "autoindex off;", "index x.php;"],
  ...["try_files $uri =404;", "try_files $uri $uri/ /index.php?$args;", "try_files $uri @named;"],
  ...[RUN, RUN, RUN, `try_files $uri =404; ${RUN}`],
  `fastcgi_split_path_info ^(.+\\.php)(/.*)$; ${RUN}`,
  ...["error_page 404 /x.pdf;", "error_page 404 = /index.php;", "error_page 403 404 = @named;"],
  ...["error_page 404 =200 /private/x.pdf;", "satisfy all;", "auth_request off;"],
  ...["alias ROOT/PATH;", "alias ROOT/PATH;", "alias ROOT/a;", "alias ROOT/private/;"],
  ...["alias ROOT/a/b/;", `alias ROOT/PATH; ${RUN}`, "root ROOT/a;", "root ROOT/private;"],
  ...["try_files $uri.php $uri /a/x;", "try_files $uri /private/x.pdf;"],
  ...["rewrite ^/a/(.*)$ /a/b/$1;", "if ($http_x) { expires 1d; }"],
];

function locations(random: Random, within: string | undefined, depth: number): string {
  const taken = new Set<string>();
  let text = "";
  for (let left = 1 + random.below(depth === 0 ? 5 : 3); left > 0; left--) {
    const sign = random.pick(["", "", "^~", "=", "~", "~", "~*"]);
    const isRegex = sign.startsWith("~");
    const own = (paths: readonly string[]) =>
      paths.filter((path) => within === undefined || (path.startsWith(within) && path !== within));
    const choices = isRegex ? REGEXES : own(sign === "=" ? EXACT : PREFIXES);
    if (choices.length === 0) continue;
    const path = random.pick(choices);
    const key = `${sign === "^~" ? "" : sign} ${path}`;
    if (taken.has(key)) continue;
    taken.add(key);
    const said = random.below(3) === 0 ? random.pick(GUARDS) : random.pick(CONTENTS);
    const content = said.replace("/PATH", path.startsWith("/") ? path : "/a/");
    const canHold = depth < 2 && sign !== "=" && random.below(2) === 0;
    const inner = canHold ? locations(random, path, depth + 1) : "";
    text += `location ${sign} "${path}" { ${content}\n${inner}}\n`;
  }
  return text;
}

function serverText(seed: number, root: string): string {
  const random = new Random(seed);
  const guard = random.below(8) === 0 ? random.pick(GUARDS) : random.pick(["", "index index.php;"]);
  const own = /^(internal|limit_except)/.test(guard) ? "" : guard;
  const named = random.pick(["", "deny all; "]);
  return `server { listen PORT; server_name s${seed}; root ${root}; ${own}
${locations(random, undefined, 0)}
location = /authno { return 403; }
location = /authyes { return 204; }
location @named { ${named}fastcgi_pass unix:SOCKET; ${COMMON} fastcgi_param SCRIPT_NAME /index.php;
  fastcgi_param SCRIPT_FILENAME $document_root/index.php; }
}
`;
}

function targets(): string[] {
  const directories = DIRECTORIES.flatMap((
    directory,
  ) => [`/${directory}`, `/${directory}`.replace(/(.)\/$/, "$1")]);
  const scripts = FILES.filter((name) => name.endsWith(".php"));
  return [
    ...new Set([
      ...FILES.map((name) => `/${name}`),
      ...directories,
      ...scripts.flatMap((name) => [`/${name}/info`, `/${name}/x.php`]),
      ...["/none", "/none.php", "/a/none.php", "/private/none", "/X.PHP", "/private/X.PDF"],
    ]),
  ];
}

/** `RAN file`, the file that was sent, or the status. */
async function ask(port: number, host: string, target: string): Promise<string> {
  const { status, body } = await httpRequest(port, { target, headers: { Host: host } });
  return status === 200 ? body.toString() : String(status);
}

/** What afcgi must not give where nginx gives this. */
function isOpened(nginx: string, afcgi: string): boolean {
  if (/^\d{3}$/.test(afcgi)) return false;
  if (/^[45]\d\d$/.test(nginx)) return true;
  // A script that nginx sends as a file.
  return nginx.startsWith("FILE") && afcgi.startsWith("RAN") &&
    afcgi.endsWith(`/www/${nginx.slice("FILE ".length)}`);
}

interface World {
  readonly root: string;
  readonly socket: string;
  readonly servers: readonly string[];
  readonly port: number;
}

async function startNginx(directory: string, { servers, port }: World): Promise<Child> {
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};\n`).join("");
  writeFileSync(
    join(directory, "nginx.conf"),
    `${
      process.getuid?.() === 0 ? "user root;\n" : ""
    }daemon off;\npid ${directory}/pid;\nevents {}\nhttp {\naccess_log off;\n${temporary}` +
      `server_names_hash_max_size 4096;\n${servers.join("")}}\n`,
  );
  const args = ["-e", "stderr", "-p", directory, "-c", join(directory, "nginx.conf")];
  const child = new Child("nginx", args, { env: { PATH: PEER_PATH } });
  await Promise.race([
    waitForListener({ network: "tcp", host: "127.0.0.1", port }),
    child.exited.then(() => {
      throw new Error(`nginx ended:\n${child.stderr.lines.join("\n")}`);
    }),
  ]);
  return child;
}

async function makeWorld(directory: string): Promise<World> {
  const root = join(directory, "www");
  for (const name of FILES) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `FILE ${name}`);
  }
  writeFileSync(join(directory, "users"), "a:{PLAIN}b\n");
  const port = await freePort();
  const socket = freshPath();
  const servers = Array.from(
    { length: NESTS },
    (_none, seed) =>
      serverText(seed, root).replaceAll("SOCKET", socket).replaceAll("PORT", `127.0.0.1:${port}`)
        .replaceAll("USERS", join(directory, "users")).replaceAll("ROOT", root),
  );
  return { root, socket, servers, port };
}

test("A random nest of locations opens nothing that nginx closes", {
  skip: missingPeer("nginx"),
}, async () => {
  const directory = temporaryDirectory();
  const world = await makeWorld(directory);
  const application = await serveFastCgi(
    (_request, { params }) => new Response(`RAN ${params.get("SCRIPT_FILENAME")}`),
    { listen: { transport: "unix", path: world.socket } },
  );
  const nginx = await startNginx(directory, world);
  const found: string[] = [];
  let open = 0;
  try {
    for (const [seed, server] of world.servers.entries()) {
      open += await compare(world.port, seed, server, found);
    }
  } finally {
    await nginx.stop();
    await application.shutdown({ grace: 0 });
  }
  assert.deepEqual(found, []);
  // Else it would pass by closing everything.
  assert.ok(open > NESTS * 5, `${open}`);
});

/** How many paths both open. */
async function compare(
  port: number,
  seed: number,
  server: string,
  found: string[],
): Promise<number> {
  const parsed = parseNginx(server, "nest.conf");
  const isDirectory = (path: string) => runtime.files.stat(path)?.kind === "directory";
  const options = { source: "nest.conf", isFile: () => false, isDirectory };
  const { yaml } = translateNginx(parsed, options);
  const { options: read, errors } = readConfig(yaml!, {
    source: "afcgi.yaml",
    directory: "/",
    files: runtime.files,
    readVariable: () => undefined,
    rootGiven: false,
  });
  assert.deepEqual(errors.map(formatError), [], `${seed}: ${server}\n${yaml}`);
  const gateway = await startGateway({ ...read!, listen: [LISTEN] });
  let open = 0;
  try {
    for (const target of targets()) {
      const theirs = await ask(port, `s${seed}`, target);
      const ours = await ask(gateway.port, "a", target);
      if (theirs === ours && !/^\d/.test(ours)) open++;
      if (!isOpened(theirs, ours)) continue;
      found.push(`nest ${seed} ${target}: ${theirs}, here ${ours}`);
    }
  } finally {
    await gateway.app.stop();
  }
  return open;
}

function imported(text: string, hasDirectories = false) {
  const parsed = parseNginx(text, "a.conf");
  const isDirectory = (path: string) =>
    hasDirectories || runtime.files.stat(path)?.kind === "directory";
  const options = { source: "a.conf", isFile: () => true, isDirectory };
  const { yaml, notes, closed } = translateNginx(parsed, options);
  const { errors: errors } = readConfig(yaml!, {
    source: "afcgi.yaml",
    directory: "/",
    files: runtime.files,
    readVariable: () => undefined,
    rootGiven: false,
  });
  return { errors: errors.map(formatError), notes, closed, yaml: yaml! };
}

const PHP = "location ~ \\.php$ { fastcgi_pass unix:/s; }";

/** Each guards a server in a way that no route says. */
const CLOSES: Readonly<Record<string, string>> = {
  "listen 443 ssl; ssl_certificate a; ssl_certificate_key a; ssl_verify_client on;":
    "ssl_verify_client on",
  "listen 443 ssl; ssl_certificate a; ssl_certificate_key a; ssl_protocols TLSv1.1;":
    "ssl_protocols TLSv1.1",
  "modsecurity on;": "modsecurity on",
  "access_by_lua_file guard.lua;": "access_by_lua_file guard.lua",
  "auth_jwt x;": "auth_jwt x",
  // Of modules that nobody here knows, named like harmless ones.
  ...Object.fromEntries(
    [
      ...["more_auth on", "more_clear_input_headers X-User", "add_guard x", "fastcgi_auth on"],
      ...["client_body_guard x", "limit_users 3", "log_auth x"],
      ...["geoip_allow SE", "ssl_reject_handshake on", "proxy_auth on", "userid_required on"],
      ...["slice_guard x", "gzip_auth x", "lua_guard x", "set_real_ip_deny all"],
    ].map((guard) => [`${guard};`, guard]),
  ),
  "if ($unknown = '') { return 302 /login; }": "if ($unknown = )",
};

for (const [guard, told] of Object.entries(CLOSES)) {
  test(`${guard} closes its site, and is told`, () => {
    const { yaml, notes, closed } = imported(
      `server { listen 80; listen 443 ssl; server_name open.example; root /srv;
         ssl_certificate a; ssl_certificate_key a; ${PHP} }
       server { server_name closed.example; root /srv; ${guard} ${PHP}
         location / { try_files $uri /index.php; add_header X y; limit_rate 1k; } }`,
    );
    const sites: { hosts?: string[]; routes: unknown[] }[] = parse(yaml).sites;
    const site = sites.find(({ hosts }) => hosts?.includes("closed.example"));
    assert.deepEqual(site?.routes, [{ respond: { status: 403 } }]);
    assert.deepEqual(closed, ["a.conf:3 server closed.example"]);
    const refused = notes.filter(({ kind }) => kind === "refused");
    assert.ok(refused.length === 1 && refused[0]!.text.includes(told.replace("= )", "= ")), told);
    // One reason is enough: nothing else of a closed site is told.
    const others = notes.filter((it) => it.kind === "lost" && it.place !== "a.conf:1");
    assert.deepEqual(others, []);
  });
}

/** What only some can reach, by where it listens: it stays there. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  "listen unix:/run/x.sock;": ["unix:/run/x.sock"],
  "listen 8443;": ["0.0.0.0:8443"],
  "listen 127.0.0.1:8080; listen [::1]:8080;": ["127.0.0.1:8080", "[::1]:8080"],
  "listen 127.0.0.1:80; listen 127.0.0.1:8080;": ["127.0.0.1:8080"],
};

for (const [listens, addresses] of Object.entries(INNER)) {
  for (const isFirst of [true, false]) {
    test(`A server with ${listens} is served there alone, ${isFirst ? "first" : "second"} of two`, () => {
      const open = `server { listen 80; listen 443 ssl; server_name open.example; root /srv;
        ssl_certificate a; ssl_certificate_key a; ${PHP} }`;
      const inner = `server { ${listens} server_name inner.example; root /srv; ${PHP} }`;
      const { yaml, closed, errors } = imported(isFirst ? inner + open : open + inner);
      // The certificate is not there.
      assert.deepEqual(errors.filter((it) => !it.includes("PEM file")), []);
      assert.deepEqual(closed, []);
      const { sites, listen } = parse(yaml) as {
        sites: { hosts?: string[]; listen?: string[] }[];
        listen: unknown[];
      };
      const site = sites.find((it) => it.listen?.join() === addresses.join());
      assert.ok(site, yaml);
      for (const address of addresses) assert.ok(listen.includes(address), address);
      assert.ok(!listen.includes("127.0.0.1:80"), "the system would refuse it beside 0.0.0.0:80");
      // The other one is at none of these addresses.
      const others = sites.filter((it) => it !== site);
      for (const { listen: places } of others) {
        assert.ok(places?.every((it) => !addresses.includes(it)), yaml);
      }
    });
  }
}

test("Who is asked for and cannot be asked here closes each location, and is told by name", () => {
  for (
    const [guard, told] of [
      ["auth_basic x;", "auth_basic x: its file of users cannot be said"],
      ["auth_request /ask;", "auth_request /ask"],
      ["satisfy any; allow 10.0.0.0/8; deny all; auth_basic x;", "auth_basic x"],
      ["set_real_ip_from 10.0.0.1; deny 192.0.2.0/24;", "set_real_ip_from 10.0.0.1"],
    ] as const
  ) {
    const { yaml, notes, closed } = imported(
      `server { root /srv; ${guard} ${PHP} location / { } }`,
    );
    assert.deepEqual(closed, ["a.conf:1 server"], guard);
    assert.ok(!/static:|php: \{/.test(yaml), yaml);
    assert.ok(notes.some(({ kind, text }) => kind === "refused" && text.includes(told)), guard);
  }
});

/** Of one host, by listener: what is open on one, what is guarded on the other, and where that is. */
const TWINS: readonly (readonly [open: string, guarded: string, address: string])[] = [
  ["listen 80;", "listen 443 ssl; auth_basic x; auth_basic_user_file u;", "0.0.0.0:443"],
  ["listen 443 ssl;", "listen 80; location / { allow 10.0.0.0/8; deny all; }", "0.0.0.0:80"],
  ["listen 443 ssl;", "listen 80; location / { return 403; }", "0.0.0.0:80"],
  ["listen 80; listen 443 ssl;", "listen 8443 ssl; ssl_verify_client on;", "0.0.0.0:8443"],
  ["listen 80;", "listen unix:/run/x.sock; location / { deny all; }", "unix:/run/x.sock"],
  ["listen 80;", "listen 8080; location / { auth_request /ask; }", "0.0.0.0:8080"],
  ["listen 443 ssl;", "listen 80; more_auth on;", "0.0.0.0:80"],
  ["listen 443 ssl;", "listen 80 default_server; location / { internal; }", "0.0.0.0:80"],
  // The system opens one of these, so both are closed.
  ["listen 80;", "listen 127.0.0.1:80; location / { deny all; }", "0.0.0.0:80"],
  ["listen 80; location / { deny all; }", "listen 127.0.0.1:80;", "0.0.0.0:80"],
];

for (const [open, guarded, address] of TWINS) {
  for (const [first, second] of [[open, guarded], [guarded, open]]) {
    test(`Of two servers of one host nothing opens: ${first} then ${second}`, () => {
      const server = (text = "") =>
        `server { ${text} server_name x.example; root /srv;
           ssl_certificate a; ssl_certificate_key a; ${text.includes("location") ? "" : PHP} }\n`;
      const { yaml, errors } = imported(server(first) + server(second));
      // The certificate is not there.
      assert.deepEqual(errors.filter((it) => !it.includes("PEM file")), []);
      const sites: { listen?: string[]; routes: Record<string, unknown>[] }[] = parse(yaml).sites;
      const isOpen = (it: Record<string, unknown>) => "static" in it || "php" in it;
      const isGuarded = (it: Record<string, unknown>) =>
        "ip_restriction" in it || "basic_auth" in it || it["internal"] === true;
      const there = sites.filter(({ listen }) => listen === undefined || listen.includes(address));
      assert.ok(there.length > 0, yaml);
      for (const { routes } of there) {
        assert.ok(!routes.some((it) => isOpen(it) && !isGuarded(it)), yaml);
      }
    });
  }
}

test("A server that only leads to HTTPS closes nothing", () => {
  const tls = `server { listen 443 ssl; server_name x.example; root /srv;
    ssl_certificate a; ssl_certificate_key a; ${PHP} }\n`;
  for (
    const plain of [
      "return 301 https://$host$request_uri;",
      "return 301 https://x.example/;",
      "if ($host = x.example) { return 301 https://$host$request_uri; } return 404;",
    ]
  ) {
    const { closed, yaml } = imported(
      `${tls}server { listen 80; server_name x.example; ${plain} }`,
    );
    assert.deepEqual(closed, [], plain);
    assert.match(yaml, /php:/);
  }
});

test("An alias counts to the slash, and for its own location alone", () => {
  for (
    const [locations, isOpen] of [
      ["location /a/ { alias /srv/a/; }", true],
      ["location /a { alias /srv/a; }", true],
      ["location /a/ { alias /srv/a; }", false],
      // nginx gives "/ab" as "/srv/a/b".
      ["location /a { alias /srv/a/; }", true],
      ["location /a/ { alias /srv/a/b/; location /a/b/ { } }", true],
    ] as const
  ) {
    const text = `server { root /srv; ${locations} location / { return 404; } }`;
    const { yaml } = imported(text, true);
    assert.equal(/static:/.test(yaml), isOpen, `${locations}\n${yaml}`);
  }
});

test("A field of nginx's own word is never the client's", () => {
  const { yaml, errors } = imported(`server { root /srv; location ~ \\.php$ { fastcgi_pass unix:/s;
    fastcgi_param HTTP_X_VERIFIED $unknown; fastcgi_param HTTP_X_USER ""; } }`);
  assert.deepEqual(errors, []);
  const [route] = parse(yaml).sites[0].routes.filter((it: object) => "php" in it);
  assert.deepEqual(route.php.params, { HTTP_X_VERIFIED: null, HTTP_X_USER: "" });
});

test("What a server sends elsewhere as a whole is sent there, not opened", () => {
  const { yaml } = imported(`server { root /srv; return 301 https://example.com/; ${PHP} }`);
  assert.match(yaml, /redirect:/);
  assert.ok(!yaml.includes("php: { upstream"));
});

test("Every import is a file that check takes", () => {
  for (
    const server of [
      "location /x/ { alias /srv/x/; }",
      `location /x/ { alias /srv/x/; ${PHP} }`,
      "location / { }",
      PHP,
      "root $some; location / { }",
      "location / { root /srv; }",
    ]
  ) assert.deepEqual(imported(`server { ${server} }`).errors, [], server);
});

test("Where the whole path is tried as a file, nothing behind a script's name runs", () => {
  const { yaml } = imported(`server { root /srv; location ~ \\.php(/|$) {
    fastcgi_split_path_info ^(.+\\.php)(/.*)$; try_files $uri =404; fastcgi_pass unix:/s; } }`);
  assert.match(yaml, /split_path: \[\]/);
});

test("off, as it is here anyway, is not told as lost", () => {
  const { notes } = imported(`server { root /srv; auth_basic off; autoindex off;
    location /a/ { auth_basic off; autoindex off; } ${PHP} }`);
  assert.deepEqual(notes.filter(({ kind }) => kind === "lost" || kind === "refused"), []);
});
