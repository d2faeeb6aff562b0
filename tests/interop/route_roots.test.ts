/**
 * Two applications under one host, a network of WordPress sites and a few redirects, answered by
 * nginx and by afcgi: the same files, the same php-fpm, the same requests. Compared are status,
 * Location and body, and scripts say what they were told.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { startServer } from "../fronts/web_server.ts";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { httpRequest, type HttpResponse } from "../support/raw_http.ts";

const skip = missingPeer("nginx") || missingPeer("php-fpm");

const SCRIPT = `<?php
foreach (["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
    "DOCUMENT_ROOT"] as $name) {
    echo $name, "=", $_SERVER[$name] ?? "", "\\n";
}
echo __FILE__;
`;

const FILES = [
  "own/index.php",
  "own/about.php",
  "own/style.css",
  "own/wp-admin/index.php",
  "own/wp-admin/a.css",
  "own/wp-content/x.js",
  "own/pma/own.css",
  "other/index.php",
  "other/sql.php",
  "other/css/pma.css",
  "other/css/index.php",
] as const;

const NGINX = (directory: string, port: number): string => `
server {
  listen 127.0.0.1:${port};
  root ${directory}/own;
  index index.php;
  rewrite ^/[^/]+/(wp-(?:admin|content|includes)/.*)$ /$1;
  rewrite ^/article/(\\d+)/(.*)$ /about.php?id=$1&rest=$2;
  location = /pma { return 308 /pma/$is_args$args; }
  location ^~ /pma/ {
    alias ${directory}/other/;
    location ~ ^/pma/(.+\\.php)$ {
      alias ${directory}/other/$1;
      if (!-f $request_filename) { return 404; }
      include fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $request_filename;
      fastcgi_param SCRIPT_NAME $uri;
      fastcgi_param DOCUMENT_ROOT ${directory}/other;
      fastcgi_pass unix:${directory}/fpm.sock;
    }
  }
  location ~* ^/OLD/([a-z]+)$ { return 301 /new/$1; }
  location / { try_files $uri $uri/ /index.php?$query_string; }
  location ~ \\.php$ {
    if (!-f $request_filename) { return 404; }
    include fastcgi_params;
    fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
    fastcgi_pass unix:${directory}/fpm.sock;
  }
}
`;

const AFCGI = (directory: string): string => `
upstreams: { php: { servers: ["unix:${directory}/fpm.sock"] } }
sites:
  - root: ${directory}/own
    routes:
      - { path: '~ ^/[^/]+/(wp-(?:admin|content|includes)/.*)$', rewrite: "/\${path.1}" }
      - { path: '~ ^/article/(\\d+)/(.*)$', rewrite: "/about.php?id=\${path.1}&rest=\${path.2}" }
      - { path: '~* ^/OLD/([a-z]+)$', redirect: { to: "/new/\${path.1}", status: 301 } }
      - { path: /pma/*, root: ${directory}/other, strip_prefix: /pma, static: {} }
      - { path: /pma/*, root: ${directory}/other, strip_prefix: /pma, php: { upstream: php } }
      - { path: /pma/*, respond: { status: 404 } }
      - static: {}
      - php: { upstream: php, front_controller: /index.php }
`;

const TARGETS = [
  "/",
  "/?a=b",
  "/style.css",
  "/about.php",
  "/about.php?x",
  "/nothing/here?q=1",
  "/nothing.php",
  "/pma",
  "/pma?x=y",
  "/pma/",
  "/pma/?x=y",
  "/pma/index.php",
  "/pma/sql.php?db=a%20b",
  "/pma/css/pma.css",
  "/pma/css/",
  "/pma/own.css",
  "/pma/nothing",
  "/pma/nothing.php",
  "/pma/../style.css",
  "/pma/..%2fstyle.css",
  "/pma/%69ndex.php",
  "/pma/css/../sql.php",
  "/pmax",
  "/blog/wp-admin/index.php?p=1",
  "/blog/wp-admin/a.css",
  "/blog/wp-content/x.js",
  "/blog/wp-content/nothing.js",
  "/blog/wp-admin/",
  "/a/b/wp-admin/a.css",
  "/wp-admin/index.php",
  "/article/12/x",
  "/article/12/a%26b?c=d",
  "/article/x/y",
  "/old/Thing",
  "/OLD/thing",
  "/old/thing/x",
];

/** What afcgi answers otherwise, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {};

let running: { directory: string; nginxPort: number; children: Child[] } | undefined;

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  for (const file of FILES) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), file.endsWith(".php") ? SCRIPT : `${file}\n`);
  }
  const place = { network: "unix", path: join(directory, "fpm.sock") } as const;
  const fpm = await startPhpFpm({ directory, place, children: 4 });
  const nginxPort = await freePort();
  const nginx = await startNginx(directory, nginxPort);
  running = { directory, nginxPort, children: [nginx, fpm] };
});

after(async () => {
  for (const child of running?.children ?? []) await child.stop();
});

async function startNginx(directory: string, port: number): Promise<Child> {
  mkdirSync(join(directory, "conf"));
  cpSync("/etc/nginx/fastcgi_params", join(directory, "conf", "fastcgi_params"));
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/nginx-${name};\n`).join("");
  const path = join(directory, "conf", "nginx.conf");
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  writeFileSync(
    path,
    `${user}daemon off;\npid ${directory}/nginx.pid;\nevents {}\nhttp {\naccess_log off;\n` +
      `absolute_redirect off;\n${temporary}${NGINX(directory, port)}}\n`,
  );
  const child = startServer("nginx", ["-e", "stderr", "-p", directory, "-c", path], directory);
  await waitForListener({ network: "tcp", host: "127.0.0.1", port });
  return child;
}

/** What nobody would take for a difference is left out: our error pages, our way to 404. */
function seen({ status, headers, body }: HttpResponse): string {
  if (status >= 400) return String(status);
  if (status >= 300) return `${status} ${headers.get("location")}`;
  return `${status}\n${body}`;
}

test("Routes with roots, rewrites and groups answer as nginx does", { skip }, async () => {
  const { directory, nginxPort } = running!;
  const config = join(directory, "afcgi.yaml");
  writeFileSync(config, AFCGI(directory));
  const checked = await runAfcgi(["check", config]);
  assert.equal(checked.code, 0, checked.stderr);
  const afcgi = await Afcgi.start({ args: ["--config", config] });
  const { port } = afcgi;
  try {
    for (const target of TARGETS) {
      const [ours, theirs] = [
        await httpRequest(port, { target }),
        await httpRequest(nginxPort, { target }),
      ];
      const why = DIFFERENT[target];
      if (why === undefined) assert.equal(seen(ours), seen(theirs), target);
      else assert.notEqual(seen(ours), seen(theirs), `${target}: ${why}`);
    }
  } finally {
    await afcgi.stop();
  }
});
