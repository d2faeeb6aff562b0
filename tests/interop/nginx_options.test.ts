/**
 * What nginx's FastCGI module says of the way to an application and back, and a route here: each
 * option in both, with the same applications and the same requests.
 */
import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type FastCgiServer, serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { startServer } from "../fronts/web_server.ts";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitForListener, waitUntil } from "../support/places.ts";
import {
  HttpConnection,
  type HttpRequest,
  httpRequest,
  type HttpResponse,
} from "../support/raw_http.ts";

const skip = missingPeer("nginx") || missingPeer("php-fpm");

/** Scripts, by what they are for. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "says.php": `<?php
ini_set("default_charset", "");
header("X-Own: 1");
header("X-Other: 2");
header("X-Accel-Expires: 5");
foreach (["charset", "buffering", "redirect"] as $name) {
  if (isset($_GET[$name])) header("X-Accel-" . ucfirst($name) . ": " . $_GET[$name]);
}
if (isset($_GET["type"])) header("Content-Type: " . $_GET["type"]);
echo "length ", $_SERVER["CONTENT_LENGTH"] ?? "", " body ", strlen(file_get_contents("php://input"));
echo " test ", $_SERVER["HTTP_X_TEST"] ?? "none", " cookie ", $_SERVER["HTTP_COOKIE"] ?? "none";
echo " query ", $_SERVER["QUERY_STRING"], " script ", $_SERVER["SCRIPT_NAME"];
echo " method ", $_SERVER["REQUEST_METHOD"];
`,
  "long.php": `<?php
file_put_contents($_GET["mark"] . ".begun", "");
usleep(500000);
for ($n = 0; $n < 3; $n++) {
  echo "x";
  flush();
}
file_put_contents($_GET["mark"], "done");
`,
  "pieces.php": `<?php
header("X-Accel-Buffering: no");
echo "first\\n";
flush();
for ($n = 0; $n < 500 && !file_exists($_GET["mark"]); $n++) { usleep(10000); clearstatcache(); }
echo "second\\n";
`,
  "slow.php": `<?php
header("Content-Type: text/plain");
header("X-Accel-Limit-Rate: 20000");
echo str_repeat("x", 50000);
`,
  "stderr.php": `<?php
error_log("PHP Fatal error: the end");
echo "not so bad";
`,
  "kept.php": `<?php
header("Content-Type: text/css");
echo "a {}";
`,
  "other.php": `<?php echo "other ", $_SERVER["REQUEST_METHOD"], " ", $_SERVER["QUERY_STRING"];`,
};

const FILES: Readonly<Record<string, string>> = {
  "protected/report.txt": "the report\n",
  "open.txt": "open\n",
};

const PARAMS = `
  fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
  fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
  fastcgi_param SCRIPT_NAME $fastcgi_script_name; fastcgi_param REQUEST_URI $request_uri;
  fastcgi_param DOCUMENT_ROOT $document_root; fastcgi_param SERVER_PROTOCOL $server_protocol;
  fastcgi_param REDIRECT_STATUS 200; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
`;

/** A site for each option: what nginx says, and what a route here says. */
const OPTIONS: readonly (readonly [name: string, nginx: string, ours: string])[] = [
  ["plain", "", ""],
  ["hide", "fastcgi_hide_header X-Own;", "hide_headers: [X-Own]"],
  ["pass", "fastcgi_pass_header X-Accel-Expires;", "pass_headers: [X-Accel-Expires]"],
  ["ignore", "fastcgi_ignore_headers X-Accel-Redirect;", "ignore_headers: [X-Accel-Redirect]"],
  [
    "nobody",
    "fastcgi_pass_request_body off; fastcgi_param CONTENT_LENGTH '';",
    "pass_request_body: false",
  ],
  ["noheaders", "fastcgi_pass_request_headers off;", "pass_request_headers: false"],
  // nginx knows charsets by its configuration alone.
  ["charset", "source_charset koi8-r;", ""],
  ["abort", "fastcgi_ignore_client_abort on;", "ignore_client_abort: true"],
  ["stderr", 'fastcgi_catch_stderr "PHP Fatal error";', "catch_stderr: [PHP Fatal error]"],
];

const NEXT: readonly (readonly [name: string, nginx: string, ours: string])[] = [
  ["off", "off", "off"],
  ["error", "error", "error"],
  ["http_503", "http_503", "http_503"],
  ["post", "error http_503", "error, http_503"],
  ["any", "error http_503 non_idempotent", "error, http_503, non_idempotent"],
];

interface World {
  readonly directory: string;
  readonly nginxPort: number;
  readonly afcgi: Afcgi;
  readonly children: readonly Child[];
  readonly applications: readonly FastCgiServer[];
}

let world: World | undefined;

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries({ ...SCRIPTS, ...FILES })) {
    const path = join(directory, "www", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  for (const kind of ["marks", "kept-nginx", "kept-afcgi"]) {
    mkdirSync(join(directory, kind));
    cpSync(join(directory, "www"), join(directory, kind), { recursive: true });
  }
  const fpm = await startPhpFpm({
    directory,
    place: { network: "unix", path: join(directory, "fpm.sock") },
    children: 8,
  });
  makeWritable(join(directory, "marks"));
  const applications = await Promise.all([
    serveFastCgi(() => new Response("busy", { status: 503 }), {
      listen: { transport: "unix", path: join(directory, "busy.sock") },
    }),
    serveFastCgi((request) => new Response(`ready ${request.method}`), {
      listen: { transport: "unix", path: join(directory, "ready.sock") },
    }),
  ]);
  const nginxPort = await freePort();
  const nginx = await startNginx(directory, nginxPort);
  const config = join(directory, "afcgi.yaml");
  writeFileSync(config, afcgiText(directory));
  const checked = await runAfcgi(["check", config]);
  assert.equal(checked.code, 0, checked.stderr);
  const afcgi = await Afcgi.start({ args: ["--config", config] });
  world = { directory, nginxPort, afcgi, children: [nginx, fpm], applications };
});

after(async () => {
  await world?.afcgi.stop();
  for (const child of world?.children ?? []) await child.stop();
  for (const application of world?.applications ?? []) await application.shutdown({ grace: 0 });
});

/** php-fpm is another user. */
function makeWritable(path: string): void {
  chmodSync(path, 0o777);
}

async function startNginx(directory: string, port: number): Promise<Child> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/nginx-${name};\n`).join("");
  const server = (name: string, inside: string, root = "www"): string =>
    `server { listen 127.0.0.1:${port}; server_name ${name}.test;
      root ${directory}/${root};\n${inside}}\n`;
  const php = (options: string): string =>
    `location /protected/ { internal; }\nlocation ~ \\.php$ {${PARAMS}${options}
      fastcgi_pass unix:${directory}/fpm.sock; }\n`;
  const servers = [
    ...OPTIONS.map(([name, options]) => server(name, php(options))),
    ...NEXT.map(([name, cases]) =>
      server(
        `next-${name}`,
        `location / {${PARAMS}fastcgi_next_upstream ${cases}; fastcgi_pass pair; }`,
      )
    ),
    server(
      "store",
      `location ~ \\.css$ { try_files $uri @make; }
       location @make {${PARAMS} fastcgi_param SCRIPT_FILENAME ${directory}/www/kept.php;
         fastcgi_store on; fastcgi_store_access user:rw; fastcgi_pass unix:${directory}/fpm.sock; }`,
      "kept-nginx",
    ),
  ];
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  const path = join(directory, "nginx.conf");
  writeFileSync(
    path,
    `${user}daemon off;\npid ${directory}/nginx.pid;\nevents {}\nhttp {\naccess_log off;\n` +
      `include /etc/nginx/mime.types;\nabsolute_redirect off;\n${temporary}` +
      `upstream pair { server unix:${directory}/busy.sock max_fails=0;` +
      ` server unix:${directory}/ready.sock backup; }\n${servers.join("")}}\n`,
  );
  const child = startServer("nginx", ["-e", "stderr", "-p", directory, "-c", path], directory);
  await Promise.race([
    waitForListener({ network: "tcp", host: "127.0.0.1", port }),
    child.exited.then(() => {
      throw new Error(`nginx ended:\n${child.stderr.lines.join("\n")}`);
    }),
  ]);
  return child;
}

function afcgiText(directory: string): string {
  const sites = [
    ...OPTIONS.map(([name, , options]) => `
  - hosts: [${name}.test]
    root: ${directory}/www
    routes:
      - { path: /protected/*, internal: true, static: {} }
      - static: {}
      - php: { upstream: php, ${options} }`),
    ...NEXT.map(([name, , cases]) => `
  - hosts: [next-${name}.test]
    root: ${directory}/www
    routes: [{ fastcgi: { upstream: pair, next_upstream: [${cases}] } }]`),
    `
  - hosts: [store.test]
    root: ${directory}/kept-afcgi
    routes:
      - static: {}
      - path: "*.css"
        fastcgi: { upstream: php, params: { SCRIPT_FILENAME: ${directory}/www/kept.php }, store: true }`,
  ];
  return `
upstreams:
  php: { servers: ["unix:${directory}/fpm.sock"], connections: { max: 4, reuse: false } }
  pair:
    servers:
      - "unix:${directory}/busy.sock"
      - { address: "unix:${directory}/ready.sock", backup: true }
    retry: { attempts: 1, delay: 0s }
sites:${sites.join("")}
`;
}

/** The same request to both. */
async function both(site: string, request: HttpRequest): Promise<[HttpResponse, HttpResponse]> {
  const { nginxPort, afcgi } = world!;
  const asked = { ...request, headers: { Host: `${site}.test`, ...request.headers } };
  return [await httpRequest(nginxPort, asked), await httpRequest(afcgi.port, asked)];
}

/** That both say the same, in what a test looks at; what it is. */
async function same(
  site: string,
  request: HttpRequest,
  of: (response: HttpResponse) => unknown,
): Promise<unknown> {
  const [theirs, ours] = (await both(site, request)).map(of);
  assert.deepEqual(ours, theirs, `${site} ${request.target}`);
  return ours;
}

const fields = (...names: string[]) => ({ headers }: HttpResponse) =>
  names.map((name) => headers.get(name));
const whole = ({ status, body }: HttpResponse) => `${status} ${body}`;

test("hide_headers and pass_headers have nginx's effect", { skip }, async () => {
  const names = ["x-own", "x-other", "x-accel-expires"];
  const target = "/says.php";
  assert.deepEqual(await same("plain", { target }, fields(...names)), ["1", "2", undefined]);
  assert.deepEqual(await same("hide", { target }, fields(...names)), [undefined, "2", undefined]);
  assert.deepEqual(await same("pass", { target }, fields(...names)), ["1", "2", "5"]);
});

test("ignore_headers has nginx's effect", { skip }, async () => {
  const target = "/says.php?redirect=/protected/report.txt";
  assert.equal(await same("plain", { target }, whole), "200 the report\n");
  assert.match(String(await same("ignore", { target }, whole)), /^200 length/);
  assert.deepEqual(await same("ignore", { target }, fields("x-accel-redirect")), [undefined]);
});

test("pass_request_body and pass_request_headers have nginx's effect", { skip }, async () => {
  const request = {
    method: "POST",
    target: "/says.php",
    body: "hello",
    headers: { "X-Test": "1", Cookie: "a=b", "Content-Type": "text/plain" },
  };
  assert.match(String(await same("plain", request, whole)), /length 5 body 5 test 1 cookie a=b/);
  assert.match(String(await same("nobody", request, whole)), /length +body 0 test 1 cookie a=b/);
  assert.match(
    String(await same("noheaders", request, whole)),
    /length 5 body 5 test none cookie none/,
  );
});

test("X-Accel-Redirect reaches files and applications behind static routes", { skip }, async () => {
  for (const method of ["GET", "POST", "HEAD"]) {
    const cases: Readonly<Record<string, RegExp>> = {
      "/protected/report.txt": /^200/,
      "/open.txt": /^200/,
      "/other.php%3Fa=b": /^200/,
      "/says.php%3Fredirect=/open.txt": /^200/,
      "/nothing.txt": /^404/,
      "/protected/nothing.txt": /^404/,
    };
    for (const [path, expected] of Object.entries(cases)) {
      const request = {
        method,
        target: `/says.php?redirect=${path}`,
        ...(method === "POST" && { body: "x" }),
      };
      const seen = String(
        await same(
          "plain",
          request,
          (response) => response.status === 200 ? whole(response) : response.status,
        ),
      );
      assert.match(seen, expected, `${method} ${path}`);
    }
  }
  assert.equal(await same("plain", { target: "/protected/report.txt" }, (it) => it.status), 404);
});

test("X-Accel-Charset has nginx's effect", { skip }, async () => {
  const cases: Readonly<Record<string, string>> = {
    "charset=koi8-r&type=text/html": "text/html; charset=koi8-r",
    "charset=off&type=text/html": "text/html",
  };
  for (const [query, expected] of Object.entries(cases)) {
    const seen = await same("charset", { target: `/says.php?${query}` }, fields("content-type"));
    assert.deepEqual(seen, [expected]);
  }
});

test("X-Accel-Buffering sends each piece at once", { skip }, async () => {
  const { directory, nginxPort, afcgi } = world!;
  for (const [name, port] of [["nginx", nginxPort], ["afcgi", afcgi.port]] as const) {
    const mark = join(directory, "marks", `pieces-${name}`);
    const connection = await HttpConnection.open(port);
    await connection.send({
      target: `/pieces.php?mark=${mark}`,
      headers: { Host: "plain.test" },
    });
    const headers = await connection.readHeaders();
    const { pieces } = connection.readBody(headers);
    assert.equal(String(Buffer.from((await pieces.next()).value!)), "first\n", name);
    writeFileSync(mark, "");
    assert.equal(String(Buffer.from((await pieces.next()).value!)), "second\n", name);
    connection.destroy();
  }
});

test("X-Accel-Limit-Rate slows a response down", { skip }, async () => {
  const { nginxPort, afcgi } = world!;
  const times = await Promise.all([nginxPort, afcgi.port].map(async (port) => {
    const started = performance.now();
    const { body } = await httpRequest(port, {
      target: "/slow.php",
      headers: { Host: "plain.test" },
    });
    assert.equal(body.length, 50_000);
    return performance.now() - started;
  }));
  for (const time of times) assert.ok(time > 900, `${times}`);
});

test("ignore_client_abort lets a script go on to its end", { skip }, async () => {
  const { directory, nginxPort, afcgi } = world!;
  const marks = new Map<string, string>();
  for (const site of ["plain", "abort"]) {
    for (const [name, port] of [["nginx", nginxPort], ["afcgi", afcgi.port]] as const) {
      const mark = join(directory, "marks", `${site}-${name}`);
      marks.set(`${site} ${name}`, mark);
      const connection = await HttpConnection.open(port);
      await connection.send({
        target: `/long.php?mark=${mark}`,
        headers: { Host: `${site}.test` },
      });
      await waitUntil(() => existsSync(`${mark}.begun`), "the beginning of the script");
      connection.destroy();
    }
  }
  for (const name of ["nginx", "afcgi"]) {
    await waitUntil(
      () => existsSync(marks.get(`abort ${name}`)!),
      `the end of the script, ${name}`,
    );
    // It began before the one that is through, and would be through as well.
    assert.equal(existsSync(marks.get(`plain ${name}`)!), false, name);
  }
});

test("catch_stderr takes a response away", { skip }, async () => {
  assert.equal(await same("plain", { target: "/stderr.php" }, whole), "200 not so bad");
  assert.equal(await same("stderr", { target: "/stderr.php" }, ({ status }) => status), 502);
  assert.match(String(await same("stderr", { target: "/says.php" }, whole)), /^200 /);
});

test("next_upstream asks another server when nginx does", { skip }, async () => {
  const get = { target: "/x" };
  const post = { method: "POST", target: "/x", body: "x" };
  assert.equal(await same("next-off", get, whole), "503 busy");
  assert.equal(await same("next-error", get, whole), "503 busy");
  assert.equal(await same("next-http_503", get, whole), "200 ready GET");
  assert.equal(await same("next-post", post, whole), "503 busy");
  assert.equal(await same("next-any", post, whole), "200 ready POST");
});

test("store keeps the file that nginx keeps", { skip }, async () => {
  const { directory } = world!;
  assert.equal(await same("store", { target: "/made/by/php.css" }, whole), "200 a {}");
  for (const kind of ["kept-nginx", "kept-afcgi"]) {
    const path = join(directory, kind, "made/by/php.css");
    await waitUntil(() => existsSync(path), `the copy ${path}`);
    assert.equal(readFileSync(path, "utf8"), "a {}");
  }
  writeFileSync(join(directory, "www/kept.php"), "<?php echo 'another';");
  assert.equal(await same("store", { target: "/made/by/php.css" }, whole), "200 a {}");
});
