/**
 * Mistakes that people make who come from another web server, or whose YAML slips: each is told in
 * one line, at its place, with what would be right. `errors.test.ts` has the errors of each kind of
 * value.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

/** What it is, the file, and what is said of it without the file's name. */
type Mistake = readonly [mistake: string, text: string, ...said: string[]];

const SITES = `sites: [{ routes: [{ respond: {} }] }]\n`;

/** A file with this route. */
function route(line: string): string {
  const upstreams = 'upstreams: { app: { servers: ["h:1"] } }';
  return `${upstreams}\nsites:\n  - root: www\n    routes:\n      - ${line}\n`;
}

/** A file whose upstream says this. */
function upstream(line: string): string {
  return `${SITES}upstreams:\n  app:\n    servers: ["h:1"]\n    ${line}\n`;
}

const YAML: readonly Mistake[] = [
  [
    "a tab among the spaces",
    "sites:\n  - routes:\n\t\t- respond: {}\n",
    "3:1: Tabs are not allowed as indentation (indent with spaces)",
  ],
  [
    "a key without colon",
    "sites\n  - routes: []\n",
    '1:1: The key has no value (write ":" and a space after it)',
  ],
  [
    "a colon without space",
    "sites:\n  - root:/srv/www\n    routes: []\n",
    '2:5: The key has no value (write ":" and a space after it)',
  ],
  [
    "a colon without space before a map",
    "log:{ level: info }\n" + SITES,
    '1:1: Unknown key "log:{ level" (write a space after "log:")',
  ],
  [
    "a line between two columns",
    "sites:\n  - routes:\n    - respond: {}\n   hosts: [a]\n",
    "4:1: The line stands between two columns (indent it as its neighbours are)",
  ],
  [
    "a line that is indented for no reason",
    "log:\n  level: info\n format: text\n",
    "3:1: The line stands between two columns (indent it as its neighbours are)",
  ],
  [
    "a list where a map goes on",
    "log:\n  level: info\n- a\n",
    '3:1: A "-" stands where a key should ' +
    "(take it out, or indent it as its neighbours are)",
  ],
  [
    "a quote that is not closed",
    `log: { level: "info }\n${SITES}`,
    '1:15: The text has no " at its end (add it)',
  ],
  [
    "a map that is not closed",
    `log: { level: info\n${SITES}`,
    '2:1: A "{" has no "}" (close it, or indent what is in it)',
  ],
  [
    "a comma that is missing",
    `log: { level: info format: text }\n${SITES}`,
    "1:15: A comma is missing (add it)",
  ],
  [
    "a value with a colon and a space",
    `log: { access: a }\nshutdown: grace: 3s\n`,
    "2:11: A value has a key in it (put it in quotes, or indent it as its neighbours are)",
  ],
  [
    "a value that begins with a sign of YAML's",
    `log: { access: @logs }\n${SITES}`,
    "1:16: No value begins with @ (put it in quotes)",
  ],
  [
    "a pattern without quotes",
    "sites: [{ routes: [{ path: *.php, respond: {} }] }]\n",
    '1:28: "*.php" is an alias as it stands (put it in quotes)',
  ],
  [
    "a merged map",
    `${SITES}upstreams: { a: &a { servers: ["h:1"] }, b: { <<: *a } }\n`,
    '2:47: Unknown key "<<" ' +
    "(write out what it would merge, or use an alias for a whole map)",
  ],
  [
    "a configuration of nginx",
    "server {\n  listen 80;\n}\n",
    '1:1: This is a configuration of nginx ("afcgi import nginx FILE" carries it over)',
  ],
  [
    "a longer configuration of nginx",
    "user www-data;\nhttp {\n  include mime.types;\n  log_format x '$a: $b';\n}\n",
    '2:1: This is a configuration of nginx ("afcgi import nginx FILE" carries it over)',
  ],
];

const PLACES: readonly Mistake[] = [
  [
    "a listener's files beside its address",
    `${SITES}listen: [{ address: ":443", cert: a, key: b }]\n`,
    '2:29: Unknown key "cert" (put it into tls)',
    '2:38: Unknown key "key" (put it into tls)',
  ],
  [
    "tls beside listen",
    `${SITES}listen: [":443"]\ntls: { cert: a, key: b }\n`,
    '3:8: Unknown key "cert" (it belongs to listen[].tls or sites[].tls)',
    '3:17: Unknown key "key" (it belongs to listen[].tls or sites[].tls)',
  ],
  [
    "a level outside of log",
    `${SITES}level: debug\n`,
    '2:1: Unknown key "level" (put it into log)',
  ],
  [
    "timeouts in a route",
    route("fastcgi: { upstream: app, timeouts: { idle: 1s } }"),
    '5:35: Unknown key "timeouts" (it belongs to upstreams.NAME)',
  ],
  [
    "a root in a route",
    route("static: { root: /srv/www }"),
    '5:19: Unknown key "root" (it belongs to sites[].routes[])',
  ],
  [
    "an upstream's name beside its handler",
    route("{ fastcgi: {}, upstream: app }"),
    '5:20: sites[0].routes[0].fastcgi has no key "upstream" (add it)',
    '5:24: Unknown key "upstream" (put it into authorize, forward_auth, fastcgi, php, proxy or filter)',
  ],
  [
    "a limit of responses in a site",
    `sites: [{ limits: { spill: 1MiB }, routes: [{ respond: {} }] }]\n`,
    '1:21: Unknown key "spill" (it belongs to limits)',
  ],
  [
    "a listener in a site",
    `sites: [{ listen: [":80"], routes: [{ respond: {} }] }]\n`,
    '1:20: There is no listener ":80" (add it to the file\'s listen)',
  ],
  [
    "upstreams in a list",
    `${SITES}upstreams: [{ name: app, servers: ["h:1"] }]\n`,
    "2:12: upstreams is a list " +
    '(use a map of names and upstreams, such as { app: { servers: ["tcp://127.0.0.1:9000"] } })',
  ],
  [
    "sites without their dash",
    "sites: { routes: [{ respond: {} }] }\n",
    '1:8: sites is a map (use a list of sites, with "- " before each)',
  ],
  [
    "routes without their dash",
    "sites: [{ routes: { path: /a, respond: {} } }]\n",
    '1:19: sites[0].routes is a map (use a list of routes, with "- " before each)',
  ],
];

const NAMES: readonly Mistake[] = [
  [
    "server for servers",
    `${SITES}upstreams: { app: { server: "h:1" } }\n`,
    '2:21: Unknown key "server" (did you mean "servers"?)',
  ],
  [
    "server_name for hosts",
    "sites: [{ server_name: a.example, routes: [{ respond: {} }] }]\n",
    '1:11: Unknown key "server_name" (did you mean "hosts"?)',
  ],
  [
    "location for path",
    route("{ location: /a, respond: {} }"),
    '5:11: Unknown key "location" (did you mean "path"?)',
  ],
  [
    "pass for upstream",
    route("fastcgi: { pass: app }"),
    '5:20: Unknown key "pass" (did you mean "upstream"?)',
  ],
  [
    "max_body for request_body",
    `${SITES}limits: { max_body: 1MiB }\n`,
    '2:11: Unknown key "max_body" (did you mean "request_body"?)',
  ],
  [
    "client_max_body_size in a site",
    "sites: [{ client_max_body_size: 1MiB, routes: [{ respond: {} }] }]\n",
    '1:11: Unknown key "client_max_body_size" (did you mean "limits.request_body"?)',
  ],
  [
    "code for status",
    route("redirect: { to: /, code: 301 }"),
    '5:28: Unknown key "code" (did you mean "status"?)',
  ],
  [
    "an upstream mistyped",
    route("fastcgi: { upstream: ap }"),
    '5:30: Unknown upstream "ap" (did you mean "app"?)',
  ],
  [
    "a word mistyped",
    upstream("balance: round_robbin"),
    '5:14: upstreams.app.balance is "round_robbin" (did you mean "round_robin"?)',
  ],
  [
    "a word in upper case",
    `${SITES}log: { level: WARN }\n`,
    '2:15: log.level is "WARN" (did you mean "warn"?)',
  ],
  [
    "true for on",
    upstream("multiplex: true"),
    "5:16: upstreams.app.multiplex is true (use auto, on or off)",
  ],
];

const SHORT: readonly Mistake[] = [
  [
    "an upstream that is its address",
    `${SITES}upstreams: { app: "tcp://h:1" }\n`,
    '2:19: upstreams.app is "tcp://h:1" (use { servers: [tcp://h:1] })',
  ],
  [
    "a server that is no list",
    `${SITES}upstreams: { app: { servers: "h:1" } }\n`,
    '2:30: upstreams.app.servers is "h:1" (use a list: [h:1])',
  ],
  [
    "a listener that is no list",
    `${SITES}listen: 0.0.0.0:8080\n`,
    '2:9: listen is "0.0.0.0:8080" (use a list: [0.0.0.0:8080])',
  ],
  [
    "hosts as nginx has them",
    "sites: [{ hosts: a.example b.example, routes: [{ respond: {} }] }]\n",
    '1:18: sites[0].hosts is "a.example b.example" (use a list: [a.example, b.example])',
  ],
  [
    "a handler that is its upstream",
    route("fastcgi: app"),
    '5:18: sites[0].routes[0].fastcgi is "app" (use { upstream: app })',
  ],
  [
    "a redirect that is its target",
    route("redirect: /new"),
    '5:19: sites[0].routes[0].redirect is "/new" (use { to: /new })',
  ],
  [
    "a response that is its text",
    route("respond: not here"),
    '5:18: sites[0].routes[0].respond is "not here" (use { body: "not here" })',
  ],
  [
    "a response that is its status",
    route("respond: 404"),
    "5:18: sites[0].routes[0].respond is 404 (use { status: 404 })",
  ],
  [
    "a handler with nothing",
    route("static:"),
    "5:9: sites[0].routes[0].static is empty " +
    "(use {} for the defaults, or a map with index, precompressed, cache_control or listing)",
  ],
  [
    "connections that are their number",
    upstream("connections: 8"),
    "5:18: upstreams.app.connections is 8 (use { max: 8 })",
  ],
  [
    "a command that is one text",
    `${SITES}upstreams: { app: { spawn: php-fpm -R } }\n`,
    '2:28: upstreams.app.spawn is "php-fpm -R" (use { command: [php-fpm, -R] })',
  ],
  [
    "a command that is no list",
    `${SITES}upstreams: { app: { spawn: { command: node app.js } } }\n`,
    '2:39: upstreams.app.spawn.command is "node app.js" (use a list: [node, app.js])',
  ],
  [
    "admin that is its address",
    `${SITES}admin: 127.0.0.1:9180\n`,
    '2:8: admin is "127.0.0.1:9180" (use { listen: 127.0.0.1:9180 })',
  ],
  [
    "shutdown that is its time",
    `${SITES}shutdown: 30s\n`,
    '2:11: shutdown is "30s" (use { grace: 30s })',
  ],
];

const VALUES: readonly Mistake[] = [
  [
    "a time without unit",
    upstream("timeouts: { idle: 60 }"),
    "5:23: upstreams.app.timeouts.idle is 60 " +
    "(use a whole number with ms, s, m or h, such as 60s)",
  ],
  [
    "a time with a space",
    upstream("timeouts: { idle: 60 s }"),
    '5:23: upstreams.app.timeouts.idle is "60 s" ' +
    "(use a whole number with ms, s, m or h, such as 60s)",
  ],
  [
    "a time with a word",
    upstream("timeouts: { idle: 5min }"),
    '5:23: upstreams.app.timeouts.idle is "5min" ' +
    "(use a whole number with ms, s, m or h, such as 5m)",
  ],
  [
    "a size as nginx has it",
    `${SITES}limits: { request_body: 64m }\n`,
    '2:25: limits.request_body is "64m" ' +
    "(use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB, such as 64MiB)",
  ],
  [
    "a size with a space",
    `${SITES}limits: { request_body: 64 MB }\n`,
    '2:25: limits.request_body is "64 MB" ' +
    "(use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB, such as 64MB)",
  ],
  [
    "a number in quotes",
    upstream('connections: { max: "8" }'),
    '5:25: upstreams.app.connections.max is "8" ' +
    "(use auto or a whole number from 1 to 65535)",
  ],
  [
    "a word that looks like a number",
    "gemini: [{ hosts: [a], tls: { self_signed: true, store: www, min: 1.3 }, " +
    "routes: [{ respond: { code: 51, meta: a } }] }]\n",
    '1:67: gemini[0].tls.min is 1.3 (put it in quotes: "1.3")',
  ],
  [
    "an access log that is false",
    `${SITES}log: { access: false }\n`,
    '2:16: log.access is false (use a path, "-" for standard output, or off)',
  ],
  [
    "a parameter that is a number",
    route("fastcgi: { upstream: app, params: { DEBUG: 1 } }"),
    "5:52: sites[0].routes[0].fastcgi.params.DEBUG is 1 " +
    "(use text, in quotes where it looks like something else)",
  ],
  [
    "a path as a regular expression",
    route("{ path: ^/a$, respond: {} }"),
    '5:17: sites[0].routes[0].path is "^/a$" ' +
    '(use "/exact", "/prefix/*", "*.suffix" or an expression "~ ^/…$", or leave it out for all)',
  ],
  [
    "an expression without its blank",
    route("{ path: ~\\.php$, respond: {} }"),
    '5:17: An expression is written as "~ ^/…$" (mind the space)',
  ],
  [
    "an expression that takes exponential time",
    route('{ path: "~ ^/(a+)+$", respond: {} }'),
    '5:17: The expression can go through "(a+)+" in many ways ' +
    "(repeat once, and let no choice begin as another)",
  ],
  [
    "such an expression in a condition",
    route('{ headers: { x-a: "~ (.*)*" }, respond: {} }'),
    '5:27: The expression repeats with "(.*)*" what can be empty ' +
    "(let it be one character or more)",
  ],
  [
    "a condition that is a number",
    route("{ query: { id: 1 }, respond: {} }"),
    '5:24: sites[0].routes[0].query.id is 1 (use a text in quotes, "*" in it for anything, ' +
    '"~ …" for an expression, true or false, or a list)',
  ],
  [
    "a group that the path does not have",
    route('{ path: "~ ^/(a)", redirect: { to: "/${path.2}" } }'),
    '5:44: "${path.2}" is no part of the route\'s path (use ${path.1})',
  ],
  [
    "every host as nginx has it",
    "sites: [{ hosts: [_], routes: [{ respond: {} }] }]\n",
    '1:19: sites[0].hosts[0] is "_" (leave hosts out for every host)',
  ],
  [
    "every host as a star",
    'sites: [{ hosts: ["*"], routes: [{ respond: {} }] }]\n',
    '1:19: sites[0].hosts[0] is "*" (leave hosts out for every host)',
  ],
  [
    "a directory named by a variable of a shell's",
    'sites: [{ root: "${ROOT}", routes: [{ static: {} }] }]\n',
    '1:17: There is no directory "/srv/${ROOT}" (write "${env.ROOT}" for the variable)',
  ],
  [
    "a page that is no path",
    route("{ error_pages: { 404: 404.html }, static: {} }"),
    '5:31: sites[0].routes[0].error_pages.404 is "404.html" ' +
    '(use a path below the root such as "/404.html", or a map with body and type)',
  ],
  [
    "no route",
    "sites: [{ routes: [] }]\n",
    "1:19: sites[0].routes is an empty list (put at least one in it)",
  ],
];

const ADDRESSES: readonly Mistake[] = [
  [
    "a port alone",
    `${SITES}listen: ["8080"]\n`,
    '2:10: Cannot read address "8080": "8080" is a number, not a host (use ":8080")',
  ],
  [
    "a star for every host",
    `${SITES}listen: ["*:80"]\n`,
    '2:10: Cannot read address "*:80": "*" is no host (use ":80")',
  ],
  [
    "IPv6 without brackets",
    `${SITES}listen: ["::1:8080"]\n`,
    '2:10: Cannot read address "::1:8080": an IPv6 address must be in brackets (use "[::1]:8080")',
  ],
  [
    "a word of nginx behind an address",
    `${SITES}listen: [":443 ssl"]\n`,
    '2:10: Cannot read address ":443 ssl": it has a space (use ":443" alone)',
  ],
  [
    "a socket without unix:",
    `${SITES}upstreams: { app: { servers: [/run/app.sock] } }\n`,
    '2:31: Cannot read address "/run/app.sock": a path wants a scheme ' +
    '(use "unix:/run/app.sock")',
  ],
  [
    "a relative socket",
    `${SITES}upstreams: { app: { servers: ["unix:run/app.sock"] } }\n`,
    `2:31: Cannot read address "unix:run/app.sock": the socket's path is missing or relative ` +
    '(use "unix:/path" or "unix:@name")',
  ],
  [
    "a URL",
    `${SITES}upstreams: { app: { servers: ["http://h:1"] } }\n`,
    '2:31: Cannot read address "http://h:1": scheme "http" is not known ' +
    '(use "tcp://host:port" or "unix:/path")',
  ],
  [
    "a port that is none",
    `${SITES}listen: [":70000"]\n`,
    '2:10: Cannot read address ":70000": port "70000" is not one (use 0 to 65535)',
  ],
];

const files = memoryFiles({ "/srv": null, "/srv/www": null });

function saidOf(text: string): string[] {
  const { errors: errors } = readConfig(text, {
    source: "a.yaml",
    directory: "/srv",
    files,
    readVariable: () => undefined,
    rootGiven: false,
  });
  if (errors.length === 0) return [];
  const lines = new ConfigError(errors).message.split("\n");
  return lines.map((line) => line.slice("a.yaml:".length));
}

const MISTAKES = [...YAML, ...PLACES, ...NAMES, ...SHORT, ...VALUES, ...ADDRESSES];

for (const [mistake, text, ...said] of MISTAKES) {
  test(`A mistake is told with its remedy: ${mistake}`, () => {
    assert.deepEqual(saidOf(text), said);
  });
}

test("A key with a line end is told in one line", () => {
  assert.equal(saidOf(`${SITES}"a\\nb": 1\n`).length, 1);
});
