/**
 * The corpus of `tests/nginx/corpus/`: configurations of nginx for many applications, each served by
 * nginx itself and by afcgi with what `afcgi import nginx` makes of it: the same files, the same
 * php-fpm, the same requests, foes' requests among them. Nothing may be open here that is closed
 * there. `AFCGI_CORPUS=name` tries one application alone and shows all that differs.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { temporaryDirectory, waitForListener } from "../support/places.ts";
import { corpusNames, makeFiles, readApplication } from "./nginx_corpus/application.ts";
import { compare, importNginx, losses } from "./nginx_corpus/comparison.ts";
import { SCRIPT, upgrade } from "./nginx_corpus/exchange.ts";
import {
  freePorts,
  makeWorld,
  placed,
  type Ports,
  startNginx,
  type World,
} from "./nginx_corpus/servers.ts";

const skip = missingPeer("nginx") || missingPeer("php-fpm");
const only = process.env.AFCGI_CORPUS;
const names = corpusNames().filter((name) => only === undefined || name === only);

/** How many have to come over whole. */
const WHOLE_MIN = 39;

const SHOWN_MAX = only === undefined ? 3 : 500;

let world: (World & { close(): void }) | undefined;
let fpm: Child | undefined;
const short = new Map<string, readonly string[]>();
const whole = new Set<string>();

before(async () => {
  if (skip) return;
  const directory = temporaryDirectory();
  world = await makeWorld(directory);
  fpm = await startPhpFpm({
    directory,
    place: { network: "unix", path: world.socket },
    children: 8,
    settings: ["security.limit_extensions ="],
  });
});

after(async () => {
  world?.close();
  await fpm?.stop();
});

for (const name of names) {
  test(
    `The configuration for ${name} opens nothing that nginx keeps closed`,
    { skip },
    async () => {
      const faults = await tryApplication(name, world!);
      if (faults.length === 0) whole.add(name);
      else short.set(name, faults);
    },
  );
}

test("Most configurations of the corpus come over whole", { skip }, () => {
  for (const [name, faults] of short) {
    const more = faults.length > SHOWN_MAX ? [`and ${faults.length - SHOWN_MAX} more`] : [];
    console.log([`${name} is not whole:`, ...faults.slice(0, SHOWN_MAX), ...more].join("\n  "));
  }
  console.log(`${whole.size} of ${names.length} come over whole`);
  if (only === undefined) assert.ok(whole.size >= WHOLE_MIN, `${whole.size} of ${names.length}`);
});

/** What keeps an application from being whole; throws where something is open that must not be. */
async function tryApplication(name: string, world: World): Promise<string[]> {
  const application = readApplication(name);
  const { directory } = world;
  makeFiles(directory, application, SCRIPT);
  const [theirs, own] = [
    await freePorts(application.config),
    await freePorts(application.config),
  ];
  const nginx = await startNginx(
    name,
    placed(application.config, world, theirs, false),
    world,
    theirs,
  );
  let afcgi: Afcgi | undefined;
  try {
    const source = join(directory, "conf", `${name}.conf`);
    writeFileSync(source, placed(application.config, world, own, true));
    const imported = await importNginx(source);
    const file = join(directory, `${name}.yaml`);
    writeFileSync(file, onThisMachine(imported.yaml, own));
    const checked = await runAfcgi(["check", file]);
    assert.equal(checked.code, 0, `${checked.stderr}\n${imported.yaml}`);
    if (only !== undefined) console.log(imported.yaml);
    afcgi = await Afcgi.start({ args: ["--config", file], listen: false });
    const faults = [...losses(imported.notes)];
    const open = await openPorts(own, faults);
    const target = (port: number) => ({
      nginx: { port: theirs.get(port)!, usesTls: port === 443 },
      ours: { port: own.get(port)!, usesTls: port === 443 },
    });
    const requests = application.requests.filter(({ port }) => open.has(port));
    const found = await compare({ ...application, requests }, target, directory);
    assert.deepEqual(found.opened, [], `Open here, closed in nginx:\n${imported.yaml}`);
    faults.push(...found.unexplained);
    const port = application.usesTls ? 443 : 80;
    const { Host: host = "" } = application.requests[0]!.headers;
    for (const path of open.has(port) ? application.websockets : []) {
      const [one, other] = [
        await upgrade(target(port).nginx, path, host),
        await upgrade(target(port).ours, path, host),
      ];
      if (one !== other) faults.push(`WebSocket ${path}: ${one}, here ${other}`);
    }
    return faults;
  } finally {
    await afcgi?.stop();
    await nginx.stop();
  }
}

/** The imported configuration listens everywhere, as the original does; the tests are for this machine. */
function onThisMachine(yaml: string, ports: Ports): string {
  return [...ports.values()].reduce(
    (text, port) =>
      text.replaceAll(
        new RegExp(`(["' ])(?:\\[::\\]|0\\.0\\.0\\.0)?:${port}\\b`, "g"),
        `$1127.0.0.1:${port}`,
      ),
    yaml,
  );
}

/** Ports of the configuration that afcgi has taken over. */
async function openPorts(ports: Ports, faults: string[]): Promise<ReadonlySet<number>> {
  const open = new Set<number>();
  for (const [written, port] of ports) {
    const isThere = await Promise.race([
      waitForListener({ network: "tcp", host: "127.0.0.1", port }).then(() => true, () => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 500, false)),
    ]);
    if (isThere) open.add(written);
    else faults.push(`nobody listens on port ${written}`);
  }
  return open;
}
