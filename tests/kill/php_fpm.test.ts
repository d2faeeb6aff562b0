/**
 * php-fpm is restarted under load, in each way in which that is done: reloaded, ended and started,
 * killed and started. And its children make way for new ones all the time (`pm.max_requests`), which
 * no client may see at all.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { sourcePath } from "../interop/application.ts";
import { answersHello } from "../interop/common.ts";
import { ADMIN, Admin } from "../support/admin.ts";
import { Afcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { runCount, timeLimitMs } from "../support/long_runs.ts";
import { missingPeer } from "../support/peers.ts";
import { type PhpFpmOptions, startPhpFpm } from "../support/php_fpm.ts";
import {
  freePlace,
  type Place,
  placeUrl,
  temporaryDirectory,
  waitUntil,
} from "../support/places.ts";
import { CLIENTS, Load } from "./load.ts";

const CHILDREN = 4;
const RESTARTS = runCount(2, 50);

/** So few that every child is replaced many times. */
const MAX_REQUESTS = 5;
const REQUESTS = runCount(2_000, 100_000);

const OPTIONS = { skip: missingPeer("php-fpm"), timeout: timeLimitMs(20 * 60_000) };

/** How the master is told to go; `ends`: whether it does, or takes itself up again. */
const RESTARTED = [
  { says: "Reloading php-fpm (SIGUSR2)", signal: "SIGUSR2", ends: false },
  { says: "Ending php-fpm (SIGQUIT) and starting it", signal: "SIGQUIT", ends: true },
  { says: "Killing php-fpm (SIGKILL) and starting it", signal: "SIGKILL", ends: true },
] as const;

for (const { says, signal, ends } of RESTARTED) {
  for (const network of ["tcp", "unix"] as const) {
    test(`${says} over ${network} under load loses and doubles no POST`, OPTIONS, async () => {
      const directory = temporaryDirectory();
      const options: PhpFpmOptions = {
        directory,
        place: await freePlace(network, directory),
        children: CHILDREN,
        group: true,
      };
      let master = await startPhpFpm(options);
      const afcgi = await startAfcgi(options.place);
      try {
        const load = Load.start(afcgi.port, directory);
        for (let restart = 0; restart < RESTARTS; restart++) {
          await load.goOn();
          await load.disturb(() => ends ? end(master, signal) : reload(master, signal, directory));
          if (ends) master = await startAgain(options);
        }
        await load.goOn();
        await load.stop();
        load.check(afcgi);
        await answersHello(afcgi, CLIENTS);
      } finally {
        await afcgi.stop();
        await master.stop();
      }
    });
  }
}

test(
  "Children of php-fpm that make way for new ones are never seen by a client",
  OPTIONS,
  async () => {
    const directory = temporaryDirectory();
    const place = await freePlace("unix", directory);
    const master = await startPhpFpm({
      directory,
      place,
      children: CHILDREN,
      maxRequests: MAX_REQUESTS,
    });
    const afcgi = await startAfcgi(place);
    try {
      const load = Load.start(afcgi.port, directory);
      await load.goOn(REQUESTS);
      await load.stop();
      load.check(afcgi);
      assert.equal(load.failures, "");
      const replaced = logLines(directory, / exited with code 0 /).length;
      assert.ok(replaced > REQUESTS / MAX_REQUESTS / 2, `${replaced} children were replaced`);
    } finally {
      await afcgi.stop();
      await master.stop();
    }
  },
);

test(
  "An idle connection to php-fpm is kept for a while and closed by itself",
  OPTIONS,
  async () => {
    const directory = temporaryDirectory();
    const place = await freePlace("unix", directory);
    const master = await startPhpFpm({ directory, place, children: CHILDREN });
    // A short limit: what it is without the key is said by tests/config/visible_limits.test.ts.
    const afcgi = await startAfcgi(place, { idle_timeout: "1s" });
    try {
      await answersHello(afcgi, 1);
      const admin = await Admin.of(afcgi);
      assert.deepEqual((await admin.connections()).map(({ state }) => state), ["open"]);
      await waitUntil(
        async () => (await admin.connections()).length === 0,
        "the end of the idle connection",
      );
      await answersHello(afcgi, 1);
    } finally {
      await afcgi.stop();
      await master.stop();
    }
  },
);

function startAfcgi(
  place: Place,
  connections: Readonly<Record<string, unknown>> = {},
): Promise<Afcgi> {
  return Afcgi.start({
    config: {
      // What has not reached a child is tried until there is one, and by "same_server" a GET that
      // may have.
      upstreams: {
        php: {
          servers: [placeUrl(place)],
          connections: { max: CHILDREN - 1, ...connections },
          retry: { attempts: 100, same_server: true },
        },
      },
      sites: [{
        root: sourcePath("php/root"),
        routes: [{ php: { upstream: "php", front_controller: "/index.php" } }],
      }],
      ...ADMIN,
    },
  });
}

/** The master stays the same process, and writes once more that it is ready. */
async function reload(master: Child, signal: NodeJS.Signals, directory: string): Promise<void> {
  const readyLines = (): number => logLines(directory, /ready to handle connections/).length;
  const before = readyLines();
  process.kill(master.pid, signal);
  await waitUntil(() => readyLines() > before, "php-fpm ready again");
}

function logLines(directory: string, pattern: RegExp): string[] {
  const lines = readFileSync(join(directory, "php-fpm.log"), "utf8").split("\n");
  return lines.filter((line) => pattern.test(line));
}

/** Resolves when the last of its children has gone too. */
async function end(master: Child, signal: NodeJS.Signals): Promise<void> {
  // Killed alone, the master would leave its children behind; asked to end, it sees to them itself.
  if (signal === "SIGKILL") master.kill(signal);
  else process.kill(master.pid, signal);
  await master.exited;
}

async function startAgain(options: PhpFpmOptions): Promise<Child> {
  if (options.place.network === "unix") rmSync(options.place.path, { force: true });
  return await startPhpFpm(options);
}
