/**
 * Configurations of nginx for ten PHP applications, each answered by nginx itself and by afcgi with
 * what `afcgi import nginx` makes of it: the same files, the same php-fpm, the same requests. Asked
 * is for every file and directory that there is, for paths behind scripts, and for what is not
 * there. Compared are status, Location and body. What differs is in a table with its reason.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startServer } from "../fronts/web_server.ts";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { httpRequest, type HttpResponse } from "../support/raw_http.ts";
import {
  APPLICATIONS,
  type ConfiguredApplication,
  type Difference,
  EVERYWHERE,
} from "./nginx_applications.ts";

const CONFIGS = fileURLToPath(new URL("./nginx", import.meta.url));
const skip = missingPeer("nginx") || missingPeer("php-fpm");

/** What a script was told; `extra` are parameters that only some of the configurations send. */
const SCRIPT = `<?php
foreach (["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
    "REQUEST_METHOD", "DOCUMENT_ROOT", "REDIRECT_STATUS", "APP_ENV", "modHeadersAvailable"] as $name) {
    echo $name, "=", $_SERVER[$name] ?? "", "\\n";
}
`;

interface Running {
  readonly directory: string;
  readonly ports: ReadonlyMap<string, number>;
  readonly children: readonly Child[];
}

let running: Running | undefined;

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  const socket = join(directory, "fpm.sock");
  const fpm = await startPhpFpm({
    directory,
    place: { network: "unix", path: socket },
    children: 4,
  });
  const ports = new Map<string, number>();
  mkdirSync(join(directory, "conf"));
  cpSync(join(CONFIGS, "snippets"), join(directory, "conf", "snippets"), { recursive: true });
  for (const name of ["fastcgi_params", "mime.types"]) {
    cpSync(join("/etc/nginx", name), join(directory, "conf", name));
  }
  for (const { name, files } of APPLICATIONS) {
    const port = await freePort();
    ports.set(name, port);
    const config = readFileSync(join(CONFIGS, `${name}.conf`), "utf8")
      .replaceAll("/srv/www", join(directory, "www"))
      .replaceAll("unix:/run/php/fpm.sock", `unix:${socket}`)
      .replaceAll("127.0.0.1:9000", `unix:${socket}`)
      .replaceAll("listen 80", `listen 127.0.0.1:${port}`);
    writeFileSync(join(directory, "conf", `${name}.conf`), config);
    for (const file of files) {
      const path = join(directory, "www", rootOf(config, directory), file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.endsWith(".php") ? SCRIPT : `${file}\n`);
    }
  }
  const nginx = await startNginx(directory, ports);
  running = { directory, ports, children: [nginx, fpm] };
});

after(async () => {
  for (const child of running?.children ?? []) await child.stop();
});

function rootOf(config: string, directory: string): string {
  const root = /^ *root (.*);$/m.exec(config)?.[1];
  assert.ok(root);
  return root.slice(join(directory, "www").length);
}

async function startNginx(directory: string, ports: ReadonlyMap<string, number>): Promise<Child> {
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/nginx-${name};\n`).join("");
  const includes = [...ports.keys()].map((name) => `include ${name}.conf;\n`).join("");
  const main = join(directory, "conf", "nginx.conf");
  writeFileSync(
    main,
    `daemon off;\npid ${directory}/nginx.pid;\nevents {}\nhttp {\naccess_log off;\n` +
      `include mime.types;\n${temporary}${includes}}\n`,
  );
  const child = startServer("nginx", ["-e", "stderr", "-p", directory, "-c", main], directory);
  for (const port of ports.values()) {
    await Promise.race([
      waitForListener({ network: "tcp", host: "127.0.0.1", port }),
      child.exited.then(() => {
        throw new Error(`nginx ended:\n${child.stderr.lines.join("\n")}`);
      }),
    ]);
  }
  return child;
}

for (const application of APPLICATIONS) {
  const says = `The configuration for ${application.name} answers as in nginx`;
  test(says, { skip }, async () => {
    assert.ok(running);
    const { directory, ports } = running;
    const config = join(directory, "conf", `${application.name}.conf`);
    const imported = await runAfcgi(["import", "nginx", config]);
    assert.equal(imported.code, 0, imported.stderr);
    assert.deepEqual(imported.stderr.split("\n").filter(Boolean), application.told);
    const file = join(directory, `${application.name}.yaml`);
    writeFileSync(file, imported.stdout);
    const checked = await runAfcgi(["check", file]);
    assert.equal(checked.code, 0, `${checked.stderr}\n${imported.stdout}`);
    const afcgi = await Afcgi.start({ args: ["--config", file] });
    try {
      await compare(application, ports.get(application.name)!, afcgi.port);
    } finally {
      await afcgi.stop();
    }
  });
}

async function compare(
  application: ConfiguredApplication,
  nginxPort: number,
  afcgiPort: number,
): Promise<void> {
  const found: Record<string, string> = {};
  const known = [...EVERYWHERE, ...application.differences];
  const met = new Set<Difference>();
  const asked = [
    ...targetsOf(application).map((target) => ({ target, bytes: undefined })),
    ...(application.bodies ?? []).map(([target, bytes]) => ({ target, bytes })),
  ];
  for (const { target, bytes } of asked) {
    const request = bytes === undefined
      ? { target }
      : { target, method: "POST", body: Buffer.alloc(bytes, "x") };
    const nginx = comparable(await httpRequest(nginxPort, request), target);
    const afcgi = comparable(await httpRequest(afcgiPort, request), target);
    if (nginx === afcgi || isBareDirectory(application, target, nginx, afcgi)) continue;
    const difference = `${firstLine(nginx)}, here ${firstLine(afcgi)}`;
    const reason = known.find(({ targets, is }) => targets.test(target) && is.test(difference));
    const name = bytes === undefined ? target : `${target} with ${bytes} bytes`;
    if (reason === undefined) found[name] = difference;
    else met.add(reason);
  }
  assert.deepEqual(found, {});
  const unmet = application.differences.filter((difference) => !met.has(difference));
  assert.deepEqual(unmet, [], "These differences are none any more");
}

/**
 * A directory without an index is 403 in nginx. Here it is what is not there: for the front
 * controller if the location has one, else 404.
 */
function isBareDirectory(
  { files }: ConfiguredApplication,
  target: string,
  nginx: string,
  afcgi: string,
): boolean {
  const directory = target.slice(1).replace(/\?.*$/, "");
  const isDirectory = directory.endsWith("/") && files.some((file) => file.startsWith(directory));
  return isDirectory && nginx.startsWith("403") &&
    /^(?:404|200 \/(?:index|get)\.php)/.test(firstLine(afcgi));
}

/** Every file and directory, what is behind scripts, and what the application adds. */
function targetsOf({ files, requests }: ConfiguredApplication): readonly string[] {
  const targets = new Set<string>(["/", "/?a=1&b=%20", "/missing", "/missing/", "/missing.php"]);
  for (const file of files) {
    targets.add(`/${file}`);
    for (let directory = dirname(file); directory !== "."; directory = dirname(directory)) {
      targets.add(`/${directory}/`).add(`/${directory}`).add(`/${directory}/missing.css`);
    }
    if (!file.endsWith(".php")) continue;
    for (const behind of ["?q=1", "/info", "/info.php", "/info/more?q=1", "/", "x"]) {
      targets.add(`/${file}${behind}`);
    }
    targets.add(`//${file}`).add(`/${file.replace(".php", ".PHP")}`);
  }
  return [...targets, ...requests];
}

/** A directory's path gets its slash with 301 there and with 308 here: the method stays. */
function comparable(response: HttpResponse, target: string): string {
  const { status, headers } = response;
  const location = headers.get("location");
  const [path, query] = target.split("?");
  const url = location && new URL(location, "http://test.example");
  const isSlash = url && url.pathname === `${path}/` && url.search === (query ? `?${query}` : "");
  if (isSlash && (status === 301 || status === 308)) return "to its slash";
  const place = url ? ` ${url.pathname}${url.search}` : "";
  // Each server has its own pages for errors.
  // What a rewrite puts before an empty query ends with "&" here.
  const body = response.body.toString().replace(/^(QUERY_STRING=.*)&$/m, "$1");
  return `${status}${place}\n${status < 300 ? body : ""}`;
}

function firstLine(text: string): string {
  const [first = "", ...rest] = text.split("\n");
  const script = rest.find((line) => line.startsWith("SCRIPT_NAME="));
  return script === undefined ? first : `${first} ${script.slice("SCRIPT_NAME=".length)}`;
}
