/**
 * Another server and afcgi with what `afcgi import` makes of its configuration: the same files, the
 * same php-fpm, the same requests. Compared are status, Location and body. Who starts the other
 * server is handed in.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";
import { type HttpRequest, httpRequest, type HttpResponse } from "../support/raw_http.ts";

export interface ComparedSite {
  readonly name: string;
  /** Below the directory of the site; a text of its own where it matters. */
  readonly files: Readonly<Record<string, string>> | readonly string[];
  /** The part of them that is asked for; the document root. */
  readonly root: string;
  /** Beside what is made of the files. */
  readonly requests: readonly (string | AskedRequest)[];
  /** The lines on standard error, without places. */
  readonly told?: readonly RegExp[];
  readonly differences?: readonly Difference[];
}

export type AskedRequest = HttpRequest & { readonly target: string };

export interface Difference {
  readonly targets: RegExp;
  /** Both responses, as `404, here 200 /index.php`. */
  readonly is: RegExp;
  readonly why: string;
}

/** What a script was told. */
export const SCRIPT = `<?php
foreach (["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
    "REQUEST_METHOD", "DOCUMENT_ROOT", "APP_ENV", "HTTP_AUTHORIZATION", "REMOTE_USER"] as $name) {
    echo $name, "=", $_SERVER[$name] ?? "", "\\n";
}
`;

/** Where any of the configurations gives reason. */
const EVERYWHERE: readonly Difference[] = [
  { targets: /\/\./, is: /here 403/, why: "Names that begin with a dot are never served" },
  {
    targets: /\.php/,
    is: /^404.*, here 403/,
    why: "A name that could be a script's is refused where no script of that name is",
  },
  {
    targets: /\/(?:\?|$)/,
    is: /^403.*, here (?:404|200 .*\.php|301)/,
    why: "A directory without an index is not there",
  },
  {
    targets: /[^/]$/,
    is: /^to its slash, here 200 .*\.php/,
    why: "A directory without an index is not there, and so a path for the front controller",
  },
];

/** Servers that listen at 127.0.0.1, each for its own site. */
export interface ComparedWorld {
  readonly directory: string;
  readonly socket: string;
  readonly backend: number;
  readonly fcgiwrap: string;
}

export interface OtherServer {
  /** As `afcgi import` names it. */
  readonly name: string;
  /** Where the configurations of the tests lie, and how their names end. */
  readonly configs: URL;
  readonly ending: string;
  start(config: string, directory: string): Child;
  /** What stands around a site's configuration for the test's own server. */
  whole(site: string, directory: string): string;
}

export async function startWorld(): Promise<
  { world: ComparedWorld; children: Child[]; stop: () => Promise<void> }
> {
  const directory = temporaryDirectory();
  // Servers that give up root look into it.
  chmodSync(directory, 0o755);
  const socket = join(directory, "fpm.sock");
  const fpm = await startPhpFpm({
    directory,
    place: { network: "unix", path: socket },
    children: 4,
    settings: ["listen.mode = 0666"],
  });
  const backend = await startBackend();
  return {
    world: { directory, socket, backend: backend.port, fcgiwrap: join(directory, "fcgiwrap.sock") },
    children: [fpm],
    stop: async () => {
      backend.stop();
      await fpm.stop();
    },
  };
}

/** An HTTP server that says what it was asked. */
async function startBackend(): Promise<{ port: number; stop: () => void }> {
  const { createServer } = await import("node:http");
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/auth")) {
      response.writeHead(request.headers["x-user"] === "anna" ? 200 : 401, {
        "remote-user": "anna",
      });
      response.end("who are you\n");
      return;
    }
    if (request.url?.includes("moved")) {
      response.writeHead(302, { location: `http://${request.headers.host}/elsewhere` });
      response.end();
      return;
    }
    response.end(`backend ${request.method} ${request.url} ${request.headers["x-extra"] ?? ""}\n`);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { port, stop: () => void server.close() };
}

export async function compareSite(
  site: ComparedSite,
  other: OtherServer,
  world: ComparedWorld,
): Promise<void> {
  const { directory } = world;
  const port = await freePort();
  const home = join(directory, "sites", site.name);
  layOut(site, home);
  const filled = (text: string) =>
    text.replaceAll("/srv/www", home)
      .replaceAll("/run/php/fpm.sock", world.socket)
      .replaceAll("/run/fcgiwrap.socket", world.fcgiwrap)
      .replaceAll(":3000", `:${world.backend}`)
      .replaceAll(/(?<![\d.]):8080\b/g, `:${port}`);
  const source = readFileSync(new URL(`${site.name}${other.ending}`, other.configs), "utf8");
  const config = join(home, `site${other.ending}`);
  writeFileSync(config, filled(source));
  const whole = join(home, `whole${other.ending}`);
  writeFileSync(whole, other.whole(filled(source), home));
  const child = other.start(whole, home);
  await Promise.race([
    waitForListener({ network: "tcp", host: "127.0.0.1", port }),
    child.exited.then(() => {
      throw new Error(
        `${other.name} ended:\n${[...child.stdout.lines, ...child.stderr.lines].join("\n")}`,
      );
    }),
  ]);
  try {
    const afcgi = await importedAfcgi(site, other, config, home);
    try {
      await compare(site, port, afcgi.port);
    } finally {
      await afcgi.stop();
    }
  } finally {
    await child.stop();
  }
}

function layOut({ files }: ComparedSite, home: string): void {
  const entries = Array.isArray(files)
    ? files.map((file: string) => [file, file.endsWith(".php") ? SCRIPT : `${file}\n`] as const)
    : Object.entries(files as Record<string, string>);
  for (const [file, text] of entries) {
    const path = join(home, file);
    mkdirSync(dirname(path), { recursive: true });
    const isProgram = text.startsWith("#!");
    writeFileSync(path, text.replaceAll("/srv/www", home), { mode: isProgram ? 0o755 : 0o644 });
  }
}

async function importedAfcgi(
  { name, told = [] }: ComparedSite,
  other: OtherServer,
  config: string,
  home: string,
): Promise<Afcgi> {
  const imported = await runAfcgi(["import", other.name, config]);
  const lines = imported.stderr.split("\n").filter(Boolean);
  const untold = lines.filter((line) => !told.some((one) => one.test(line)));
  assert.deepEqual([imported.code, untold], [0, []], imported.stderr + imported.stdout);
  const missing = told.filter((one) => !lines.some((line) => one.test(line)));
  assert.deepEqual(missing, [], imported.stderr);
  const file = join(home, `${name}.yaml`);
  writeFileSync(file, imported.stdout);
  const checked = await runAfcgi(["check", file]);
  assert.equal(checked.code, 0, `${checked.stderr}\n${imported.stdout}`);
  return await Afcgi.start({ args: ["--config", file] });
}

async function compare(site: ComparedSite, otherPort: number, afcgiPort: number): Promise<void> {
  const found: Record<string, string> = {};
  const met = new Set<Difference>();
  const differences = [...site.differences ?? [], ...EVERYWHERE];
  for (const asked of requestsOf(site)) {
    const { target } = asked;
    const theirs = comparable(await httpRequest(otherPort, asked), target, otherPort);
    const ours = comparable(await httpRequest(afcgiPort, asked), target, afcgiPort);
    if (theirs === ours) continue;
    const difference = `${firstLine(theirs)}, here ${firstLine(ours)}`;
    const reason = differences.find(({ targets, is }) =>
      targets.test(target) && is.test(difference)
    );
    const { method = "GET", headers } = asked;
    const name = `${method} ${target}${headers ? ` ${JSON.stringify(headers)}` : ""}`;
    if (reason === undefined) {
      found[name] = difference === `${firstLine(theirs)}, here ${firstLine(theirs)}`
        ? `${theirs}, here ${ours}`
        : difference;
    } else met.add(reason);
  }
  assert.deepEqual(found, {});
  const unmet = (site.differences ?? []).filter((difference) => !met.has(difference));
  assert.deepEqual(unmet, [], "These differences are none any more");
}

/** Every file and directory, what is behind scripts, and what the site adds. */
function requestsOf({ files, root, requests }: ComparedSite): readonly AskedRequest[] {
  const targets = new Set<string>([
    "/",
    "/?a=1&b=%20",
    "/missing",
    "/missing/",
    "/missing.php",
    "/missing.css",
  ]);
  const names = Array.isArray(files) ? files as readonly string[] : Object.keys(files);
  const within = names.filter((name) => root === "" || name.startsWith(`${root}/`))
    .map((name) => root === "" ? name : name.slice(root.length + 1));
  for (const file of within) {
    targets.add(`/${file}`).add(`/${file}?q=1`);
    for (let directory = dirname(file); directory !== "."; directory = dirname(directory)) {
      targets.add(`/${directory}/`).add(`/${directory}`).add(`/${directory}/missing`);
    }
    if (file.endsWith(".php")) targets.add(`/${file}/info?q=1`);
  }
  return [
    ...[...targets].map((target) => ({ target })),
    ...requests.map((request) => typeof request === "string" ? { target: request } : request),
  ];
}

/** A directory gets its slash with 301 or 308: here with 308, so that the method stays. */
function comparable(response: HttpResponse, target: string, port: number): string {
  const { status, headers } = response;
  const location = headers.get("location");
  const [path, query] = target.split("?");
  const url = location && new URL(location, "http://test.example");
  const isSlash = url && url.pathname === `${path}/` && url.search === (query ? `?${query}` : "");
  if (isSlash && [301, 302, 308].includes(status)) return "to its slash";
  const host = url && !["test.example", "127.0.0.1", "localhost"].includes(url.hostname)
    ? `${url.protocol}//${url.hostname}`
    : "";
  const place = url ? ` ${host}${url.pathname}${url.search}` : "";
  const isListing = /<title>Index of |<body class="wide">/.test(response.body.toString());
  const extra = headers.get("x-extra");
  // A slash in a query may be escaped or not.
  const body = status < 300
    ? response.body.toString().replaceAll(`:${port}`, "").replaceAll("%2F", "/")
    : "";
  return `${status}${place}${extra === undefined ? "" : ` x-extra: ${extra}`}\n${
    isListing ? "a listing" : body
  }`;
}

function firstLine(text: string): string {
  const [first = "", ...rest] = text.split("\n");
  const script = rest.find((line) => line.startsWith("SCRIPT_NAME="));
  return script === undefined ? first : `${first} ${script.slice("SCRIPT_NAME=".length)}`;
}
