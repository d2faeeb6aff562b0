/**
 * `examples/sidecar` and `examples/one-image`: their files are built and run as containers, afcgi's
 * image by this project's Dockerfile, PHP's from this machine's php-fpm.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { buildAfcgiImage } from "../support/afcgi_image.ts";
import { Container, type Volume } from "../support/container.ts";
import { ImageStore } from "../support/images.ts";
import { missingPeer } from "../support/peers.ts";
import { buildPhpImage } from "../support/php_image.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";
import { copyExample } from "./common.ts";

const isRoot = process.getuid?.() === 0;
const skip = missingPeer("buildah") || missingPeer("php-fpm") || !isRoot && "takes root";

/** In the place of `docker run -p`: the network of a container is the machine's here. */
const ENV = { AFCGI_LISTEN: "127.0.0.1:0", AFCGI_ADMIN: "127.0.0.1:0" } as const;

const SITE_IMAGE = "localhost/afcgi-test-site";

/** Those that files of the examples name. */
const images = { store: new ImageStore(), afcgi: "", php: "", site: "" };

before(() => {
  if (skip) return;
  images.afcgi = buildAfcgiImage(images.store);
  images.php = buildPhpImage(images.store);
});

const running = new Set<Container>();
after(async () => {
  for (const container of running) await container.kill();
});

async function run(
  image: string,
  options: { env?: Readonly<Record<string, string>>; volumes?: readonly Volume[] } = {},
): Promise<{ container: Container; root: string }> {
  const { root } = images.store.container(image);
  const config = images.store.config(image);
  const container = await Container.start({ root, config, ...options });
  running.add(container);
  return { container, root };
}

/** The port at which the afcgi of a container listens. */
async function portOf({ child }: Container, what: "http" | "admin" = "http"): Promise<number> {
  const line = await child.stderr.waitFor((text) => {
    if (!text.startsWith("{")) return false;
    const { msg, for: of = "http" } = JSON.parse(text);
    return msg === "listening" && of === what;
  });
  return Number(/:(\d+)$/.exec(JSON.parse(line).address)?.[1]);
}

async function answersLikeASite(port: number): Promise<void> {
  const page = await httpRequest(port, { target: "/Ad%C3%A9la" });
  assert.equal(page.status, 200, page.body.toString());
  assert.match(page.body.toString(), /<h1>Hello, Adéla<\/h1>/);
  const style = await httpRequest(port, { target: "/style.css" });
  assert.equal(style.status, 200);
  assert.match(style.headers.get("content-type") ?? "", /^text\/css/);
  const form = await httpRequest(port, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: "name=Grace+Hopper",
  });
  assert.match(form.body.toString(), /<h1>Hello, Grace Hopper<\/h1>/);
  for (const target of ["/.env", "/../../etc/passwd", "/..%2f..%2fetc/passwd"]) {
    const { status, body } = await httpRequest(port, { target });
    assert.ok([400, 403].includes(status) || body.includes("<h1>Hello, "), `${target}: ${status}`);
    assert.doesNotMatch(body.toString(), /secret|www-data/, target);
  }
}

/** The containers of a compose file that do not run yet, each by its service's name. */
function servicesOf(directory: string): (service: string) => Promise<Container> {
  const compose = parse(readFileSync(join(directory, "compose.yaml"), "utf8"));
  const local: Readonly<Record<string, string>> = {
    "php:8.2-fpm": images.php,
    afcgi: images.afcgi,
  };
  const named = temporaryDirectory();
  for (const name of Object.keys(compose.volumes)) mkdirSync(join(named, name));
  const toVolume = (text: string): Volume => {
    const [source = "", target = "", mode] = text.split(":");
    const base = source.startsWith("./") ? directory : named;
    return { source: join(base, source), target, readOnly: mode === "ro" };
  };
  return async (service) => {
    const { image, volumes } = compose.services[service];
    const env = service === "afcgi" ? ENV : {};
    return (await run(local[image] ?? image, { env, volumes: volumes.map(toVolume) })).container;
  };
}

test(
  "The sidecar is ready once php-fpm's socket is in the volume, and answers",
  { skip },
  async () => {
    const directory = copyExample("sidecar");
    writeFileSync(join(directory, "public/.env"), "a secret");
    const start = servicesOf(directory);
    const afcgi = await start("afcgi");
    const [port, admin] = [await portOf(afcgi), await portOf(afcgi, "admin")];
    const headers = { Host: "localhost" };
    const readiness = async () => (await httpRequest(admin, { target: "/readyz", headers })).status;
    assert.equal(await readiness(), 503);
    assert.equal((await httpRequest(port, { target: "/" })).status, 502);
    const php = await start("php");
    await waitUntil(async () => await readiness() === 200, "a sidecar that is ready");
    await answersLikeASite(port);

    php.signal("SIGQUIT");
    await php.child.exited;
    await waitUntil(async () => await readiness() === 503, "a sidecar that misses php-fpm");
    await start("php");
    await waitUntil(async () => await readiness() === 200, "a sidecar that has found the new one");
    await answersLikeASite(port);

    afcgi.signal("SIGTERM");
    assert.deepEqual(await afcgi.child.exited, { code: 0, signal: null });
  },
);

/** The image of examples/one-image, built when it is first needed. */
function siteImage(): string {
  if (images.site !== "") return images.site;
  const { store, afcgi, php } = images;
  store.build(SITE_IMAGE, copyExample("one-image"), { AFCGI_IMAGE: afcgi, PHP_IMAGE: php });
  return images.site = SITE_IMAGE;
}

/** A container of it, with a script more. */
async function runSite(script: string): Promise<{ container: Container; root: string }> {
  const site = await run(siteImage(), { env: ENV });
  writeFileSync(join(site.root, "srv/www/public/script.php"), script);
  writeFileSync(join(site.root, "srv/www/public/.env"), "a secret");
  return site;
}

test(
  "The one image is built on PHP's and answers, as a user that is not root",
  { skip },
  async () => {
    assert.equal(images.store.config(siteImage()).StopSignal, "SIGTERM");
    const { container } = await runSite("<?php echo fileowner('/proc/self');");
    const port = await portOf(container);
    await answersLikeASite(port);
    const { body } = await httpRequest(port, { target: "/script.php" });
    assert.equal(body.toString(), "33");
  },
);

test(
  "As process 1 of its image afcgi ends php-fpm after the requests in flight",
  { skip },
  async () => {
    const script = `<?php
    touch("/tmp/begun");
    while (!file_exists("/tmp/go")) usleep(5000);
    echo "whole";`;
    const { container, root } = await runSite(script);
    const port = await portOf(container);
    const response = httpRequest(port, { target: "/script.php" });
    await waitUntil(() => existsSync(join(root, "tmp/begun")), "the script to run");
    container.signal("SIGTERM");
    await container.child.stderr.waitFor((line) => line.includes('"msg":"stopping"'));
    writeFileSync(join(root, "tmp/go"), "");
    const { status, complete, body } = await response;
    assert.deepEqual([status, complete, body.toString()], [200, true, "whole"]);
    assert.deepEqual(await container.child.exited, { code: 0, signal: null });
    const log = container.child.stderr.lines.join("\n");
    assert.match(log, /exiting, bye-bye!.*"stopped"/s);
  },
);

test("As process 1 of its image afcgi waits for what scripts leave behind", { skip }, async () => {
  const program = "while [ ! -e /tmp/go ]; do sleep 0.01; done";
  const { container, root } = await runSite(`<?php exec("(${program}) >/dev/null 2>&1 &");`);
  const port = await portOf(container);
  for (let i = 0; i < 3; i++) await httpRequest(port, { target: "/script.php" });
  // php-fpm, and three whose parents have ended.
  await waitUntil(() => container.childCount === 4, "orphans");
  writeFileSync(join(root, "tmp/go"), "");
  await waitUntil(() => container.childCount === 1, "the end of the orphans");
  container.signal("SIGTERM");
  assert.deepEqual(await container.child.exited, { code: 0, signal: null });
});
