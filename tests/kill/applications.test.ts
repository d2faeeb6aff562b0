/**
 * `kill -9` of an application under load, and its restart: one that multiplexes (Go) and one that
 * does not (C). Only requests in flight that cannot be sent again may fail, and each visibly.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { type Application, NETWORKS, startApplication } from "../interop/application.ts";
import { answersHello } from "../interop/common.ts";
import { go } from "../interop/go.ts";
import { libfcgi } from "../interop/libfcgi.ts";
import { Afcgi } from "../support/afcgi.ts";
import { runCount, timeLimitMs } from "../support/long_runs.ts";
import { missingPeer } from "../support/peers.ts";
import { freePlace, type Place, placeUrl, temporaryDirectory } from "../support/places.ts";
import { CLIENTS, Load } from "./load.ts";

const KILLS = runCount(3, 100);

/** Enough for any restart: what has not reached an application is tried until one is there. */
const RETRY = { attempts: 100, same_server: true };

for (const application of [go, libfcgi]) {
  for (const network of NETWORKS) {
    test(`Killing ${application.name} over ${network} under load loses and doubles no POST`, {
      skip: missingPeer(application.peer),
      timeout: timeLimitMs(20 * 60_000),
    }, async () => {
      const directory = temporaryDirectory();
      await application.prepare(directory);
      await killRepeatedly(application, directory, await freePlace(network, directory));
    });
  }
}

async function killRepeatedly(
  application: Application,
  directory: string,
  place: Place,
): Promise<void> {
  let { child } = await startApplication(application, directory, place);
  const afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [placeUrl(place)], retry: RETRY } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
  try {
    const load = Load.start(afcgi.port, directory);
    for (let kill = 0; kill < KILLS; kill++) {
      await load.goOn();
      await load.disturb(async () => {
        child.kill("SIGKILL");
        assert.equal((await child.exited).signal, "SIGKILL");
      });
      // It had no time to take its socket away.
      if (place.network === "unix") rmSync(place.path, { force: true });
      ({ child } = await startApplication(application, directory, place));
    }
    await load.goOn();
    await load.stop();
    load.check(afcgi);
    await answersHello(afcgi, CLIENTS);
  } finally {
    await afcgi.stop();
    await child.stop();
  }
}
