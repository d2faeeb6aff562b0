/**
 * What docs/getting-started.md and docs/commands.md say is done as it is written there, with the
 * executable and with php-fpm, but for the places: another root, other sockets, other ports.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { allPages, blocksOf } from "../docs/pages.ts";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, freePort, placeUrl, temporaryDirectory } from "../support/places.ts";

const page = allPages().find(({ name }) => name === "docs/getting-started.md")!;
const shell = blocksOf(page, "sh");
const configurations = blocksOf(page, "yaml");
const skip = missingPeer("php-fpm");

/** A block of the page that has this text, with texts replaced; each must be there. */
function block(blocks: readonly string[], part: string, texts: Record<string, string> = {}) {
  let found = blocks.find((text) => text.includes(part));
  assert.ok(found, `docs/getting-started.md has no block with "${part}"`);
  for (const [from, to] of Object.entries(texts)) {
    assert.ok(found.includes(from), `"${part}" has no "${from}"`);
    found = found.replaceAll(from, to);
  }
  return found;
}

function start(script: string): Child {
  const path = `${dirname(AFCGI)}:${process.env.PATH}`;
  return new Child("sh", ["-ec", script], { env: { PATH: path }, group: true });
}

async function run(script: string): Promise<string> {
  const child = start(script);
  const { code } = await child.exited;
  assert.equal(code, 0, `${script}\n${child.stderr.lines.join("\n")}`);
  return child.stdout.lines.join("\n");
}

async function get(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}

test("PHP in one minute, as it is written", { skip }, async () => {
  const root = join(temporaryDirectory(), "www");
  const port = await freePort();
  const script = block(shell, "mkdir -p /srv/www", { "/srv/www": root });
  const child = start(script.replace("afcgi serve", `exec afcgi serve --listen 127.0.0.1:${port}`));
  try {
    await child.stderr.waitFor((line) => line.includes('"listening"'));
    const curl = block(shell, "curl http", { "127.0.0.1:8080": `127.0.0.1:${port}` });
    assert.match(await run(`${curl.trim()} -sS --fail`), /^Hello from PHP 8/);
  } finally {
    await child.stop("SIGTERM");
  }
});

test("The configuration file of the page checks, explains and serves", { skip }, async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "www"));
  writeFileSync(join(directory, "www/index.php"), "<?php echo $_SERVER['REQUEST_URI'];");
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({ directory, place, children: 2 });
  const port = await freePort();
  const text = block(configurations, "hosts: [localhost, example.com]", {
    "unix:/run/php/php-fpm.sock": placeUrl(place),
    "/srv/www": join(directory, "www"),
    "127.0.0.1:8080": `127.0.0.1:${port}`,
    "127.0.0.1:9180": "127.0.0.1:0",
  }).replace("[localhost, example.com]", '[localhost, example.com, "127.0.0.1"]');
  writeFileSync(join(directory, "afcgi.yaml"), text);
  const commands = block(shell, "afcgi explain");
  const [check, explain, serve] = commands.trim().split("\n").map((line) => line.split(" #")[0]!);
  const cd = `cd ${directory}; `;
  await run(cd + check);
  assert.match(await run(cd + explain), /sent to upstream php/);
  const child = start(`${cd}exec ${serve}`);
  try {
    await child.stderr.waitFor((line) => line.includes('"listening"'));
    assert.equal(await get(port, "/about?x=1"), "200 /about?x=1");
  } finally {
    await child.stop("SIGTERM");
    await fpm.stop();
  }
});

test("An application that is not PHP: probe, request and serve", async () => {
  const [application, port] = [await freePort(), await freePort()];
  const address = { "127.0.0.1:9000": `127.0.0.1:${application}` };
  const responder = start(`exec ${block(shell, "afcgi responder", address)}`);
  try {
    const lines = block(shell, "afcgi probe", address).trim().split("\n");
    const [probe, request, serve] = lines.map((line) => line.split(" #")[0]!);
    await run(`for i in $(seq 100); do ${probe} && exit 0; sleep 0.1; done; exit 1`);
    assert.match(await run(request!), /hello=1/);
    const gateway = start(`exec ${serve} --listen 127.0.0.1:${port}`);
    try {
      await gateway.stderr.waitFor((line) => line.includes('"listening"'));
      assert.match(await get(port, "/echo?hello=1"), /^200 .*hello=1/s);
    } finally {
      await gateway.stop("SIGTERM");
    }
  } finally {
    await responder.stop("SIGTERM");
  }
});

test("A container without shared files, and applications under a prefix", { skip }, async () => {
  const directory = temporaryDirectory();
  const [elsewhere, root] = [join(directory, "elsewhere"), join(directory, "www")];
  mkdirSync(elsewhere);
  mkdirSync(join(root, "blog"), { recursive: true });
  const source = (name: string) =>
    `<?php echo "${name} $_SERVER[SCRIPT_NAME] $_SERVER[REQUEST_URI]";`;
  writeFileSync(join(elsewhere, "index.php"), source("framework"));
  writeFileSync(join(root, "index.php"), source("site"));
  writeFileSync(join(root, "blog/index.php"), source("blog"));
  writeFileSync(join(root, "style.css"), "body {}");
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({ directory, place, children: 3 });
  try {
    const alone = await serve(block(configurations, "tcp://php:9000", {
      "tcp://php:9000": `"${placeUrl(place)}"`,
      "/var/www/html/public": elsewhere,
    }));
    assert.equal(await get(alone.port, "/shop/1"), "200 framework /index.php /shop/1");
    await alone.stop();
    const prefix = await serve(block(configurations, "/blog/index.php", {
      "unix:/run/php/php-fpm.sock": placeUrl(place),
      "/srv/www #": `${root} #`,
    }));
    assert.equal(await get(prefix.port, "/blog/2026"), "200 blog /blog/index.php /blog/2026");
    assert.equal(await get(prefix.port, "/style.css"), "200 body {}");
    assert.equal(await get(prefix.port, "/about"), "200 site /index.php /about");
    assert.match(await get(prefix.port, "/api/x"), /^502 /);
    await prefix.stop();
  } finally {
    await fpm.stop();
  }
});

async function serve(yaml: string): Promise<Afcgi> {
  const file = join(temporaryDirectory(), "afcgi.yaml");
  writeFileSync(file, `listen: ["127.0.0.1:0"]\n${yaml}`);
  return await Afcgi.start({ args: ["--config", file, "--listen", "127.0.0.1:0"] });
}

test("Commands of docs/commands.md reach php-fpm as they are written", { skip }, async () => {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  const fpm = await startPhpFpm({
    directory,
    place,
    children: 2,
    settings: ["ping.path = /fpm-ping", "pm.status_path = /fpm-status"],
  });
  try {
    const text = readFileSync(new URL("../../docs/commands.md", import.meta.url), "utf8");
    const lines = [...text.matchAll(/^afcgi request (?:-i )?unix:\/run\/php\/php-fpm\.sock.*$/gm)]
      .map(([line]) => line.split(" #")[0]!.replace("unix:/run/php/php-fpm.sock", placeUrl(place)));
    assert.ok(lines.length >= 4);
    writeFileSync(join(directory, "reset.php"), "<?php echo 'reset';");
    const outputs = [];
    for (const line of lines) {
      outputs.push(
        await run(line.replace(/\/srv(?:\/www)?\/reset\.php/, join(directory, "reset.php"))),
      );
    }
    assert.match(outputs[0]!, /^pong/);
    assert.match(outputs[1]!, /"pool":"www"/);
    assert.equal(outputs[2], "reset");
  } finally {
    await fpm.stop();
  }
});
