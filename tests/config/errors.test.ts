/**
 * Every error of a configuration file, with its exact place and words. A row's text is the whole
 * file; what `expected` lists is everything that is said about it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

const files = memoryFiles({ "/srv": null, "/srv/www": null, "/srv/file": "x" });

function errorsOf(text: string): string[] {
  const { errors: errors } = readConfig(text, {
    source: "a.yaml",
    directory: "/srv",
    files,
    readVariable: (name) => name === "HOST" ? "example.org" : undefined,
    rootGiven: false,
  });
  return errors.length === 0 ? [] : new ConfigError(errors).message.split("\n");
}

interface Row {
  readonly name: string;
  readonly text: string;
  readonly expected: readonly string[];
}

/** Sites and upstreams without error, for rows that are about something else. */
const SITES = `sites: [{ routes: [{ respond: { body: ok } }] }]\n`;
const UPSTREAMS = `upstreams: { app: { servers: ["tcp://10.0.0.1:9000"] } }\n`;

/** A file with one upstream "app", and these routes from line 4 on. */
function routes(lines: string): string {
  return `${UPSTREAMS}sites:\n  - routes:\n${lines.replace(/^/gm, "      ")}\n`;
}

const SYNTAX: readonly Row[] = [
  {
    name: "an empty file",
    text: "",
    expected: ["a.yaml:1:1: The file is empty (add upstreams and sites)"],
  },
  {
    name: "a file of comments",
    text: "# nothing\n",
    expected: ["a.yaml:1:1: The file is empty (add upstreams and sites)"],
  },
  {
    name: "a list that is not closed",
    text: "listen: [1, 2\n",
    expected: [
      'a.yaml:2:1: A "[" has no "]" (close it, or indent what is in it)',
    ],
  },
  {
    name: "a tab that indents",
    text: "log:\n\tlevel: info\n",
    expected: ["a.yaml:2:1: Tabs are not allowed as indentation (indent with spaces)"],
  },
  {
    name: "two documents",
    text: `${SITES}---\n${SITES}`,
    expected: ["a.yaml:2:1: A second document begins (keep one in the file)"],
  },
  {
    name: "an unknown tag",
    text: `${SITES}log: !mine { level: info }\n`,
    expected: ["a.yaml:2:6: Unresolved tag: !mine (take the tag out)"],
  },
  {
    name: "an alias without its anchor",
    text: `${SITES}log: *nowhere\n`,
    expected: [
      'a.yaml:2:6: Alias "nowhere" has no anchor (write "&nowhere" before what it stands for)',
    ],
  },
  {
    name: "an alias that contains itself",
    text: `${SITES}log: &log { level: *log }\n`,
    expected: ['a.yaml:2:20: Alias "log" contains itself (write out what it stands for)'],
  },
  {
    name: "a key that is a list",
    text: `${SITES}? [a]\n: 1\n`,
    expected: ["a.yaml:2:3: The key is not text (use a name)"],
  },
  {
    name: "a key that is there twice",
    text: `${SITES}log: { level: info, format: json, level: warn }\n`,
    expected: ['a.yaml:2:35: Key "level" is there twice (keep this one or that of line 2)'],
  },
  {
    name: "a key that reaches into objects",
    text: `${SITES}upstreams: { constructor: { servers: ["h:1"] }, a: { servers: ["h:1"] } }\n`,
    expected: ['a.yaml:2:14: Key "constructor" cannot be a name (use another one)'],
  },
  {
    name: "a variable that is not set",
    text: `sites: [{ hosts: ["\${env.HOST}", "\${env.NAME}"], routes: [{ respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:34: Environment variable "NAME" is not set (set it, or take "${env.NAME}" out)',
    ],
  },
  {
    name: "a variable with an impossible name",
    text: `sites: [{ routes: [{ respond: { body: "\${env.A-B}" } }] }]\n`,
    expected: [
      'a.yaml:1:39: "A-B" cannot be an environment variable\'s name (use letters, digits and "_")',
    ],
  },
];

const SHAPE: readonly Row[] = [
  {
    name: "a file that is text",
    text: "hello\n",
    expected: [
      'a.yaml:1:1: The file is "hello" (use a map with listen, tls, acme, upstreams, sites, gemini, admin, log, ' +
      "limits, map, user, workers or shutdown)",
    ],
  },
  {
    name: "a file that is a list",
    text: "- sites\n",
    expected: [
      "a.yaml:1:1: The file is a list (use a map with listen, tls, acme, upstreams, sites, gemini, admin, log, " +
      "limits, map, user, workers or shutdown)",
    ],
  },
  {
    name: "a file without sites",
    text: UPSTREAMS,
    expected: ['a.yaml:1:1: The file has no key "sites" (add it)'],
  },
  {
    name: "a mistyped key",
    text: `${SITES}lisen: [":80"]\n`,
    expected: ['a.yaml:2:1: Unknown key "lisen" (did you mean "listen"?)'],
  },
  {
    name: "a mistyped key that is required, told once",
    text: `site: []\n`,
    expected: ['a.yaml:1:1: Unknown key "site" (did you mean "sites"?)'],
  },
  {
    name: "a key that is like no other",
    text: `${SITES}log: { rotation: daily }\n`,
    expected: ['a.yaml:2:8: Unknown key "rotation" (use level, format or access)'],
  },
  {
    name: "several unknown keys in one map",
    text: `${SITES}log: { levle: info, fromat: json }\n`,
    expected: [
      'a.yaml:2:8: Unknown key "levle" (did you mean "level"?)',
      'a.yaml:2:21: Unknown key "fromat" (did you mean "format"?)',
    ],
  },
  {
    name: "an unknown key deep inside",
    text: `${SITES}upstreams: { app: { servers: [{ address: "h:1", wieght: 2 }] } }\n`,
    expected: ['a.yaml:2:49: Unknown key "wieght" (did you mean "weight"?)'],
  },
  {
    name: "a trusted proxy that is no network",
    text: `sites: [{ trusted_proxies: [10.0.0.0/33], routes: [{ respond: {} }] }]
`,
    expected: [
      'a.yaml:1:29: "10.0.0.0/33" is no network ' +
      '(use a network such as "10.0.0.0/8", an address, or "unix")',
    ],
  },
  {
    name: "a list where a map is wanted",
    text: `${SITES}shutdown: []\n`,
    expected: ["a.yaml:2:11: shutdown is a list (use a map with grace or delay)"],
  },
  {
    name: "a section without content",
    text: `${SITES}log:\n`,
    expected: [
      "a.yaml:2:1: log is empty (use {} for the defaults, or a map with level, format or access)",
    ],
  },
];

const VALUES: readonly Row[] = [
  {
    name: "a name server that is no address",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], resolve: { servers: [dns.test] } } }\n`,
    expected: [
      'a.yaml:2:60: upstreams.app.resolve.servers[0] is "dns.test" ' +
      "(use a list of addresses with or without a port, such as [10.0.0.53])",
    ],
  },
  {
    name: "a service with a port",
    text: `${SITES}upstreams: { app: { servers: ["_fcgi._tcp.app.test:9000"] } }\n`,
    expected: [
      'a.yaml:2:31: Cannot read address "_fcgi._tcp.app.test:9000": ' +
      'the records of a service say its port (use "_fcgi._tcp.app.test")',
    ],
  },
  {
    name: "text where a number is wanted",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], connections: { max: many } } }\n`,
    expected: [
      'a.yaml:2:59: upstreams.app.connections.max is "many" (use auto or a whole number from 1 to 65535)',
    ],
  },
  {
    name: "a number that is out of bounds",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], connections: { streams: 65536 } } }\n`,
    expected: [
      "a.yaml:2:63: upstreams.app.connections.streams is 65536 (use a whole number from 1 to 65535)",
    ],
  },
  {
    name: "a number that is not whole",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], retry: { attempts: 1.5 } } }\n`,
    expected: [
      "a.yaml:2:58: upstreams.app.retry.attempts is 1.5 (use a whole number from 0 to 100)",
    ],
  },
  {
    name: "text where true or false is wanted",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], connections: { reuse: "no" } } }\n`,
    expected: ['a.yaml:2:61: upstreams.app.connections.reuse is "no" (use auto, true or false)'],
  },
  {
    name: "a number where text is wanted",
    text: `sites: [{ routes: [{ respond: { body: 200 } }] }]\n`,
    expected: [
      "a.yaml:1:39: sites[0].routes[0].respond.body is 200 " +
      "(use text, in quotes where it looks like something else)",
    ],
  },
  {
    name: "a word that is none of those possible",
    text: `${SITES}log: { level: trace }\n`,
    expected: ['a.yaml:2:15: log.level is "trace" (use debug, info, warn or error)'],
  },
  {
    name: "a size with an unknown unit",
    text: `${SITES}limits: { request_body: 64 MiB }\n`,
    expected: [
      'a.yaml:2:25: limits.request_body is "64 MiB" ' +
      "(use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB, such as 64MiB)",
    ],
  },
  {
    name: "a negative size",
    text: `${SITES}limits: { spill: -1 }\n`,
    expected: [
      "a.yaml:2:18: limits.spill is -1 " +
      "(use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB, such as 64MiB)",
    ],
  },
  {
    name: "a size that is too small",
    text: `${SITES}limits: { request_header: 10B }\n`,
    expected: ['a.yaml:2:27: Size "10B" is too small (use 1KiB or more)'],
  },
  {
    name: "a size that nobody can count",
    text: `${SITES}limits: { spill: 999999999TiB }\n`,
    expected: ['a.yaml:2:18: Size "999999999TiB" is more than can be counted (use less)'],
  },
  {
    name: "a time without unit",
    text: `${SITES}shutdown: { grace: 30 }\n`,
    expected: [
      "a.yaml:2:20: shutdown.grace is 30 (use a whole number with ms, s, m or h, such as 30s)",
    ],
  },
  {
    name: "a time of nothing where there must be some",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], timeouts: { connect: 0s } } }\n`,
    expected: ['a.yaml:2:60: Time "0s" is too short (use 1ms or more)'],
  },
  {
    name: "a time longer than timers can be",
    text: `${SITES}shutdown: { grace: 597h }\n`,
    expected: ['a.yaml:2:20: Time "597h" is too long (use 596h or less)'],
  },
  {
    name: "a listener without port",
    text: `${SITES}listen: [localhost]\n`,
    expected: [
      'a.yaml:2:10: Cannot read address "localhost": the port is missing (use "localhost:PORT")',
    ],
  },
  {
    name: "a listener that is a number",
    text: `${SITES}listen: [8080]\n`,
    expected: [
      'a.yaml:2:10: listen[0] is 8080 (use an address such as ":8080", or a map with address and tls)',
    ],
  },
  {
    name: "listeners that are no list",
    text: `${SITES}listen: ":8080"\n`,
    expected: ['a.yaml:2:9: listen is ":8080" (use a list: [":8080"])'],
  },
  {
    name: "a server's address with an unknown scheme",
    text: `${SITES}upstreams: { app: { servers: ["http://h:1"] } }\n`,
    expected: [
      'a.yaml:2:31: Cannot read address "http://h:1": scheme "http" is not known ' +
      '(use "tcp://host:port" or "unix:/path")',
    ],
  },
  {
    name: "a server's address in the long form",
    text: `${SITES}upstreams: { app: { servers: [{ address: "/run/app.sock" }] } }\n`,
    expected: [
      'a.yaml:2:42: Cannot read address "/run/app.sock": a path wants a scheme ' +
      '(use "unix:/run/app.sock")',
    ],
  },
  {
    name: "a server at port 0",
    text: `${SITES}upstreams: { app: { servers: ["h:0"] } }\n`,
    expected: [
      `a.yaml:2:31: Cannot connect to "h:0": port 0 is nobody's (use 1 to 65535)`,
    ],
  },
  {
    name: "upstreams without any",
    text: `${SITES}upstreams: {}\n`,
    expected: ["a.yaml:2:12: upstreams is an empty map (add an upstream, or take the key out)"],
  },
  {
    name: "an upstream without servers",
    text: `${SITES}upstreams: { app: { servers: [] } }\n`,
    expected: [
      "a.yaml:2:30: upstreams.app.servers is an empty list (put at least one in it)",
    ],
  },
  {
    name: "an upstream without the key",
    text: `${SITES}upstreams: { app: {} }\n`,
    expected: ['a.yaml:2:19: upstreams.app has no key "servers" (add it, spawn or http)'],
  },
  {
    name: "servers beside spawn",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], spawn: { command: [app] } } }\n`,
    expected: [
      "a.yaml:2:39: The upstream has servers as well as spawn (leave one of the two out)",
    ],
  },
  {
    name: "http beside servers",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], http: ["h:2"] } }\n`,
    expected: [
      "a.yaml:2:21: The upstream has http as well as servers (leave one of the two out)",
    ],
  },
  {
    name: "an HTTP server without a port",
    text: `${SITES}upstreams: { app: { http: [app.internal] } }\n`,
    expected: [
      'a.yaml:2:28: Cannot read address "app.internal": the port is missing (use "app.internal:PORT")',
    ],
  },
  {
    name: "an HTTP server with a path",
    text: `${SITES}upstreams: { app: { http: ["http://app.internal/api"] } }\n`,
    expected: [
      'a.yaml:2:28: Cannot read address "http://app.internal/api": a server has no path (use "http://app.internal")',
    ],
  },
  {
    name: "an HTTP server with keys of FastCGI",
    text:
      `${SITES}upstreams: { app: { http: ["h:2"], multiplex: off, health: { interval: 1s, script: /a } } }\n`,
    expected: [
      "a.yaml:2:36: Key multiplex does nothing for HTTP servers (take it out)",
      "a.yaml:2:76: Key health.script does nothing for HTTP servers (take it out)",
    ],
  },
  {
    name: "an application behind FastCGI with keys of HTTP",
    text: `${SITES}upstreams: { app: { servers: ["h:2"], tls: {}, tunnels: { max: 1 } } }\n`,
    expected: [
      "a.yaml:2:39: Key tls does nothing for FastCGI (add http, or take it out)",
      "a.yaml:2:48: Key tunnels does nothing for FastCGI (add http, or take it out)",
    ],
  },
  {
    name: "TLS to some servers and not to others",
    text: `${SITES}upstreams: { app: { http: ["https://h", "http://h"] } }\n`,
    expected: [
      'a.yaml:2:41: Server "http://h" is not spoken to over TLS, as others of the upstream are (begin all or none with "https://")',
    ],
  },
  {
    name: "TLS without a server that speaks it",
    text: `${SITES}upstreams: { app: { http: ["h:1"], tls: { server_name: h } } }\n`,
    expected: [
      'a.yaml:2:36: Key tls does nothing (begin the addresses with "https://")',
    ],
  },
  {
    name: "TLS to servers of several names",
    text: `${SITES}upstreams: { app: { http: ["https://a", "https://b"] } }\n`,
    expected: [
      "a.yaml:2:27: The servers have several names, and a certificate is for one (add tls.server_name)",
    ],
  },
  {
    name: "authorities that are not there",
    text: `${SITES}upstreams: { app: { http: ["https://a"], tls: { ca: none.pem } } }\n`,
    expected: [
      'a.yaml:2:53: There is no file "/srv/none.pem" (name the PEM file of the authorities)',
    ],
  },
  {
    name: "a php-fpm that brings its configuration",
    text: `${SITES}upstreams: { app: { spawn: { command: [php-fpm8.2, -y, a.conf] } } }\n`,
    expected: [
      "a.yaml:2:52: php-fpm gets its configuration from afcgi (take it out, or use servers)",
    ],
  },
  {
    name: "workers that are neither auto nor a number",
    text: `${SITES}upstreams: { app: { spawn: { command: [app], workers: many } } }\n`,
    expected: [
      'a.yaml:2:55: upstreams.app.spawn.workers is "many" ' +
      "(use auto, or a whole number from 1 to 1024)",
    ],
  },
  {
    name: "an upstream's name with a space",
    text: `${SITES}upstreams: { "my app": { servers: ["h:1"] } }\n`,
    expected: [
      'a.yaml:2:14: Name "my app" cannot be used (use letters, digits, "_", "-" and ".")',
    ],
  },
  {
    name: "a method in lower case",
    text: `sites: [{ routes: [{ methods: [get], respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:32: sites[0].routes[0].methods[0] is "get" ' +
      "(use a method's name in upper case, such as GET)",
    ],
  },
  {
    name: "a method that is never let in",
    text: `sites: [{ routes: [{ methods: [TRACE], respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:32: sites[0].routes[0].methods[0] is "TRACE" ' +
      "(leave it out: TRACE and CONNECT are never let in)",
    ],
  },
  {
    name: "a host with a port",
    text: `sites: [{ hosts: ["example.com:80"], routes: [{ respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:19: sites[0].hosts[0] is "example.com:80" ' +
      '(use a name without port, such as "example.com" or "*.example.com")',
    ],
  },
  {
    name: "a path that begins with a star and has a slash",
    text: `sites: [{ routes: [{ path: "*/b", respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:28: sites[0].routes[0].path is "*/b" ' +
      '(use "/exact", "/prefix/*", "*.suffix" or an expression "~ ^/…$", or leave it out for all)',
    ],
  },
  {
    name: "a path with two stars in a row",
    text: `sites: [{ routes: [{ path: /a**, respond: {} }] }]\n`,
    expected: [
      'a.yaml:1:28: sites[0].routes[0].path is "/a**" ' +
      '(use "/exact", "/prefix/*", "*.suffix" or an expression "~ ^/…$", or leave it out for all)',
    ],
  },
  {
    name: "a redirect with a line end",
    text: `sites: [{ routes: [{ redirect: { to: "/a\\r\\nX: 1" } }] }]\n`,
    expected: [
      'a.yaml:1:38: sites[0].routes[0].redirect.to is "/a\\r\\nX: 1" ' +
      "(use a path or a URL in ASCII, without spaces)",
    ],
  },
  {
    name: "a redirect with a status that is none",
    text: `sites: [{ routes: [{ redirect: { to: /, status: 200 } }] }]\n`,
    expected: [
      "a.yaml:1:49: sites[0].routes[0].redirect.status is 200 (use 301, 302, 303, 307 or 308)",
    ],
  },
  {
    name: "a redirect that begins with a part of the request",
    text: 'sites: [{ routes: [{ redirect: { to: "${request.header.X}" } }] }]\n',
    expected: [
      'a.yaml:1:38: "${request.header.X}" could lead anywhere (begin it with "/" or "https://")',
    ],
  },
  {
    name: "a body where there can be none",
    text: `sites: [{ routes: [{ respond: { status: 204, body: x } }] }]\n`,
    expected: ["a.yaml:1:31: A response with status 204 has no body (leave body out)"],
  },
  {
    name: "a parameter that is a number",
    text: routes("- fastcgi: { upstream: app, params: { PORT: 80 } }"),
    expected: [
      "a.yaml:4:51: sites[0].routes[0].fastcgi.params.PORT is 80 " +
      "(use text, in quotes where it looks like something else)",
    ],
  },
  {
    name: "a parameter's name with an equals sign",
    text: routes('- fastcgi: { upstream: app, params: { "A=B": c } }'),
    expected: ['a.yaml:4:45: Name "A=B" cannot be used (use a name without "=")'],
  },
  {
    name: "a parameter with a reference that stands for nothing",
    text: routes('- fastcgi: { upstream: app, params: { A: "${tls.subject}", B: "${x" } }'),
    expected: [
      'a.yaml:4:48: "${tls.subject}" stands for nothing (use tls.version, tls.cipher, ' +
      "tls.server_name, tls.client_verify, tls.client_s_dn, tls.client_i_dn, tls.client_serial, " +
      "tls.client_fingerprint, tls.client_cert)",
      'a.yaml:4:69: "${" has no "}" (write "$${" for itself)',
    ],
  },
  {
    name: "a script name that is not what follows the stripped part",
    text: routes("- { path: /a/b/*, fastcgi: { upstream: app, strip: /a, script_name: /a } }"),
    expected: [
      'a.yaml:4:75: script_name "/a" is no part of the route\'s path ' +
      '(use what follows "/a" in "/a/b/*")',
    ],
  },
  {
    name: "a script name that ends with a slash",
    text: routes("- fastcgi: { upstream: app, script_name: /api/ }"),
    expected: [
      'a.yaml:4:48: sites[0].routes[0].fastcgi.script_name is "/api/" ' +
      '(use a path such as "/api", without "/" at its end)',
    ],
  },
];

const REFERENCES: readonly Row[] = [
  {
    name: "health without an interval",
    text: `${SITES}upstreams:\n  app:\n    servers: ["h:1"]\n    health: { script: /ping }\n`,
    expected: [
      "a.yaml:5:5: Key health does nothing without an interval (add one, such as 5s)",
    ],
  },
  {
    name: "keys that afcgi had once",
    text: `listen: [{ address: ":80", engine: native }]\nlimits: { response_gather: 0 }\n${SITES}`,
    expected: [
      "a.yaml:1:28: Key engine is gone: afcgi serves HTTP itself, as engine: afcgi did (take the key out)",
      "a.yaml:2:11: Key response_gather is gone: every response keeps the length that its application declares (take the key out)",
    ],
  },
  {
    name: "hash with another way to balance",
    text: `${SITES}upstreams: { app: { servers: ["h:1"], hash: A, balance: round_robin } }\n`,
    expected: [
      "a.yaml:2:39: Key hash does nothing without balance: hash (add it, or take hash out)",
    ],
  },
  {
    name: "a mistyped upstream",
    text: routes("- fastcgi: { upstream: ap }"),
    expected: ['a.yaml:4:30: Unknown upstream "ap" (did you mean "app"?)'],
  },
  {
    name: "an upstream like none of those there are",
    text: routes("- fastcgi: { upstream: backend }"),
    expected: ['a.yaml:4:30: Unknown upstream "backend" (use app)'],
  },
  {
    name: "an upstream where there are none",
    text: "sites: [{ routes: [{ fastcgi: { upstream: app } }] }]\n",
    expected: ['a.yaml:1:43: Unknown upstream "app" (add it under upstreams)'],
  },
  {
    name: "php without root",
    text: routes("- php: { upstream: app }"),
    expected: ["a.yaml:4:9: Handler php has no files to serve (add root to the site)"],
  },
  {
    name: "static without root",
    text: routes("- static: {}"),
    expected: ["a.yaml:4:9: Handler static has no files to serve (add root to the site)"],
  },
  {
    name: "a root that is not there",
    text: "sites: [{ root: nowhere, routes: [{ static: {} }] }]\n",
    expected: [
      'a.yaml:1:17: There is no directory "/srv/nowhere" (create it, or name another)',
    ],
  },
  {
    name: "a root that is a file",
    text: "sites: [{ root: /srv/file, routes: [{ static: {} }] }]\n",
    expected: ['a.yaml:1:17: "/srv/file" is not a directory (name its directory)'],
  },
  {
    name: "TLS files that are not there",
    text: `${SITES}listen: [{ address: ":443", tls: { cert: tls.crt, key: /srv/www } }]\n`,
    expected: [
      'a.yaml:2:42: There is no file "/srv/tls.crt" (name the cert\'s PEM file)',
      'a.yaml:2:56: There is no file "/srv/www" (name the key\'s PEM file)',
    ],
  },
  {
    name: "TLS without its key",
    text: `${SITES}listen: [{ address: ":443", tls: { cert: file } }]\n`,
    expected: ["a.yaml:2:34: tls has cert without key (add key)"],
  },
  {
    name: "a field that is passed on anyway, which is no secret",
    text: 'upstreams: { app: { servers: ["h:1"] } }\nsites:\n' +
      "  - routes: [{ fastcgi: { upstream: app, pass_headers: [X-B] } }]\n",
    expected: [
      'a.yaml:3:57: sites[0].routes[0].fastcgi.pass_headers[0] is "X-B" ' +
      "(use x-accel-redirect, x-accel-buffering, x-accel-charset, x-accel-expires, " +
      "x-accel-limit-rate or x-sendfile)",
    ],
  },
  {
    name: "an address that two listeners want",
    text: `listen: [":8080", "tcp://0.0.0.0:8080"]\n${SITES}`,
    expected: [
      'a.yaml:1:19: Address "tcp://0.0.0.0:8080" is taken by line 1 (use another port)',
    ],
  },
  {
    name: "an admin listener at a listener's address",
    text: `listen: ["127.0.0.1:80"]\n${SITES}admin: { listen: "127.0.0.1:80" }\n`,
    expected: ['a.yaml:3:18: Address "127.0.0.1:80" is taken by line 1 (use another port)'],
  },
  {
    name: "a host of two sites, whatever its case",
    text: "sites:\n  - { hosts: [a.example], routes: [{ respond: {} }] }\n" +
      "  - { hosts: [b.example, A.Example], routes: [{ respond: {} }] }\n",
    expected: ['a.yaml:3:26: Host "A.Example" is taken by line 2 (keep one of them)'],
  },
  {
    name: "a listener of a site that is not there",
    text: `listen: [":80", { address: "127.0.0.1:8080" }]\nsites:\n` +
      `  - { listen: ["127.0.0.1:80", "127.0.0.1:8080"], routes: [{ respond: {} }] }\n`,
    expected: [
      'a.yaml:3:16: There is no listener "127.0.0.1:80" ' +
      "(add it to the file's listen, or use one of :80, 127.0.0.1:8080)",
    ],
  },
  {
    name: "a listener of a site where the file has none",
    text: `sites: [{ listen: [":80"], routes: [{ respond: {} }] }]\n`,
    expected: ['a.yaml:1:20: There is no listener ":80" (add it to the file\'s listen)'],
  },
  {
    name: "a host of two sites that share one of their listeners",
    text: `listen: [":80", ":81"]\nsites:\n` +
      `  - { hosts: [a.example], listen: [":80"], routes: [{ respond: {} }] }\n` +
      `  - { hosts: [a.example], listen: [":81", ":80"], routes: [{ respond: {} }] }\n`,
    expected: ['a.yaml:4:15: Host "a.example" is taken by line 3 (keep one of them)'],
  },
  {
    name: "a host of a site that is served everywhere and of one that is not",
    text: `listen: [":80", ":81"]\nsites:\n` +
      `  - { hosts: [a.example], listen: [":80"], routes: [{ respond: {} }] }\n` +
      `  - { hosts: [a.example], routes: [{ respond: {} }] }\n`,
    expected: ['a.yaml:4:15: Host "a.example" is taken by line 3 (keep one of them)'],
  },
  {
    name: "two sites for every host",
    text: "sites:\n  - { routes: [{ respond: {} }] }\n  - { routes: [{ respond: {} }] }\n",
    expected: [
      "a.yaml:3:5: The site has no hosts, as the one of line 2 (add hosts to one of them)",
    ],
  },
  {
    name: "a route without handler",
    text: routes("- path: /a"),
    expected: [
      "a.yaml:4:9: The route has no handler (add respond, redirect, fastcgi, php, proxy, filter or static)",
    ],
  },
  {
    name: "a proxy to what speaks FastCGI",
    text: routes("- proxy: { upstream: app }"),
    expected: [
      'a.yaml:4:28: Upstream "app" speaks FastCGI, and proxy wants HTTP (use fastcgi or php, or http in the place of its servers)',
    ],
  },
  {
    name: "forward_auth of what speaks FastCGI",
    text: routes("- { forward_auth: { upstream: app, uri: /a }, respond: {} }"),
    expected: [
      'a.yaml:4:37: Upstream "app" speaks FastCGI, and forward_auth wants HTTP (use authorize, or http in the place of its servers)',
    ],
  },
  {
    name: "FastCGI to an HTTP server",
    text:
      `upstreams: { web: { http: ["h:1"] } }\nsites: [{ routes: [{ fastcgi: { upstream: web } }] }]\n`,
    expected: [
      'a.yaml:2:43: Upstream "web" speaks HTTP, and fastcgi wants FastCGI (use proxy, or servers in the place of its http)',
    ],
  },
  {
    name: "an upstream alone as proxy",
    text: `upstreams: { web: { http: ["h:1"] } }\nsites: [{ routes: [{ proxy: web }] }]\n`,
    expected: ['a.yaml:2:29: sites[0].routes[0].proxy is "web" (use { upstream: web })'],
  },
  {
    name: "headers of a proxy that frame the request",
    text:
      `upstreams: { web: { http: ["h:1"] } }\nsites: [{ routes: [{ proxy: { upstream: web, headers: { Content-Length: "1" } } }] }]\n`,
    expected: [
      `a.yaml:2:57: Header "Content-Length" is the HTTP client's to write (take it out)`,
    ],
  },
  {
    name: "a route with two handlers",
    text: routes("- { respond: {}, redirect: { to: / } }"),
    expected: ["a.yaml:4:9: The route has 2 handlers (keep respond or redirect)"],
  },
  {
    name: "a route behind one that takes everything",
    text: routes("- fastcgi: { upstream: app }\n- path: /a\n  respond: {}"),
    expected: [
      "a.yaml:5:9: The route never matches: the one of line 4 takes all of it (put this one before it)",
    ],
  },
  {
    name: "a route behind one that takes its prefix",
    text: routes("- { path: /api/*, respond: {} }\n- { path: /api, respond: {} }"),
    expected: [
      "a.yaml:5:9: The route never matches: the one of line 4 takes all of it (put this one before it)",
    ],
  },
  {
    name: "a script name that is no part of the path",
    text: routes("- path: /api/*\n  fastcgi: { upstream: app, script_name: /app }"),
    expected: [
      'a.yaml:5:48: script_name "/app" is no part of the route\'s path (use the beginning of "/api/*")',
    ],
  },
  {
    name: "no routes",
    text: "sites: [{ routes: [] }]\n",
    expected: ["a.yaml:1:19: sites[0].routes is an empty list (put at least one in it)"],
  },
];

/** What a php route says beside its upstream, in line 4, and what is said about it. */
const TRIES: readonly Row[] = Object.entries({
  "try: [scripts]": [
    'a.yaml:4:37: sites[0].routes[0].php.try[0] is "scripts" (use script, file, folder, ' +
    'a script such as "/index.php" or "${path}.php", or "=404")',
  ],
  'try: ["=404", script]': ['a.yaml:4:14: Nothing behind "=404" is ever tried (put it last)'],
  "try: [script, file, script]": ['a.yaml:4:14: "script" is tried twice (keep the first)'],
  'try: ["${path}"]': [
    'a.yaml:4:14: "${path}" could run a file that is no script ' +
    "(end it with .php; script and file stand for the path itself)",
  ],
  'try: ["${path}.pl"], split_path: [.php, .pl]': [],
  'try: [script, "/${path}.php"]': [
    'a.yaml:4:45: sites[0].routes[0].php.try[1] is "/${path}.php" (use script, file, folder, ' +
    'a script such as "/index.php" or "${path}.php", or "=404")',
  ],
  "try: [script, /index.php], front_controller: /index.php": [
    "a.yaml:4:14: try and front_controller both say what comes last (name it in try alone)",
  ],
}).map(([says, expected]) => ({
  name: `a php route with ${says}`,
  text: `${UPSTREAMS}sites:\n  - { root: /srv/www, routes: [\n` +
    `      { php: { upstream: app, ${says} } }] }\n`,
  expected,
}));

for (const row of [...SYNTAX, ...SHAPE, ...VALUES, ...REFERENCES, ...TRIES]) {
  test(`Reading a config file tells its place and the remedy: ${row.name}`, () => {
    assert.deepEqual(errorsOf(row.text), row.expected);
  });
}

test("Errors of every kind are told at once, in the order of the file", () => {
  const text = `log: { level: loud }
limits: { spil: 1 }
sites:
  - root: nowhere
    routes:
      - fastcgi: { upstream: gone, params: { A: "\${env.MISSING}" } }
shutdown: { grace: 1 day }
`;
  assert.deepEqual(errorsOf(text).map((line) => line.split(" ", 1)[0]), [
    "a.yaml:1:15:",
    "a.yaml:2:11:",
    "a.yaml:4:11:",
    "a.yaml:6:30:",
    "a.yaml:6:49:",
    "a.yaml:7:20:",
  ]);
});

test("Aliases that unfold to too many values are refused in bounded time", () => {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items = level === 0 ? "x" : Array(10).fill(`*l${level - 1}`).join(", ");
    return `l${level}: &l${level} [${items}]`;
  });
  const told = errorsOf(levels.join("\n")).filter((line) => line.includes("100000 values"));
  assert.equal(told.length, 1);
});

test("Values nested too deep are refused", () => {
  const told = errorsOf(`log: ${"[".repeat(40)}${"]".repeat(40)}\n${SITES}`);
  assert.ok(told.includes(
    "a.yaml:1:38: Values are nested more than 32 deep (nest them less)",
  ));
});
