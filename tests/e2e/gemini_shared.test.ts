/**
 * Gemini and HTTP at the same time through the executable, to applications that multiplex: all of it
 * over one connection, by the application's own count.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { go } from "../interop/go.ts";
import { gatePath, report } from "../interop/common.ts";
import { runPeer, sourcePath, startApplication, startPeer } from "../interop/application.ts";
import { AFCGI, Afcgi, type LogLine } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { sendGemini } from "../support/gemini.ts";
import { missingPeer } from "../support/peers.ts";
import {
  freePlace,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
  waitForListener,
  waitUntil,
} from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const EACH_AT_ONCE = 50;

/** Go's library reads SERVER_PROTOCOL as a version of HTTP. */
const PARAMS = { SERVER_PROTOCOL: "HTTP/1.1" };

interface Doors {
  readonly afcgi: Afcgi;
  readonly geminiPort: number;
}

/** An afcgi with one upstream behind both doors. */
async function startDoors(place: Place, directory: string): Promise<Doors> {
  const afcgi = await Afcgi.start({
    config: {
      // Of several threads each has a connection of its own.
      workers: 1,
      upstreams: { app: { servers: [placeUrl(place)], multiplex: "on" } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      gemini: [{
        listen: "127.0.0.1:0",
        hosts: ["localhost"],
        tls: { self_signed: true, store: join(directory, "store") },
        routes: [{ fastcgi: { upstream: "app", convert: "cgi", params: PARAMS } }],
      }],
      limits: { gemini: { connections_per_address: 1000, requests_per_second: 0 } },
    },
  });
  const isGemini = (line: LogLine) => line["msg"] === "listening" && line["scheme"] === "gemini";
  const { address } = await afcgi.waitForLog(isGemini);
  return { afcgi, geminiPort: Number(/:(\d+)$/.exec(String(address))![1]) };
}

function askGemini({ geminiPort }: Doors, target: string) {
  return sendGemini(geminiPort, `gemini://localhost:${geminiPort}${target}\r\n`);
}

/** Holds requests of both kinds in the application, and lets all of them go at once. */
async function holdBoth(doors: Doors, gate: string): Promise<void> {
  const target = `/wait?gate=${gate}`;
  const each = Array.from({ length: EACH_AT_ONCE });
  const overHttp = Promise.all(each.map(() => httpRequest(doors.afcgi.port, { target })));
  const overGemini = Promise.all(each.map(() => askGemini(doors, target)));
  // When the wait below fails, nobody is left to hear how these ended.
  overHttp.catch(() => {});
  overGemini.catch(() => {});
  await waitUntil(
    async () => (await report(doors.afcgi)).in_flight === 2 * EACH_AT_ONCE,
    "all requests in flight",
  );
  writeFileSync(gate, "");
  for (const response of await overHttp) assert.equal(response.body.toString(), "waited\n");
  for (const reply of await overGemini) {
    assert.match(reply.header, /^20 text\/plain/);
    assert.equal(reply.body, "waited\n");
  }
}

const perl = {
  ...go,
  name: "Perl Net::Async::FastCGI",
  peer: "perl",
  prepare: () => runPeer("perl", ["-c", sourcePath("perl/app.pl")]),
  start: (_directory: string, place: Place) =>
    startPeer("perl", [sourcePath("perl/app.pl"), place.network, placeName(place)]),
} as const;

for (const application of [go, perl]) {
  test(`${application.name} answers Gemini and HTTP at once over one connection`, {
    skip: missingPeer(application.peer),
  }, async () => {
    const directory = temporaryDirectory();
    await application.prepare(directory);
    const place = await freePlace("unix", directory);
    const running = await startApplication(application, directory, place);
    const doors = await startDoors(place, directory);
    try {
      await holdBoth(doors, gatePath(directory));
      const seen = await report(doors.afcgi);
      assert.equal(seen.in_flight_max, 2 * EACH_AT_ONCE);
      assert.equal(seen.connections, 1);
    } finally {
      await doors.afcgi.stop();
      await running.child.stop();
    }
  });
}

test("afcgi's own application answers Gemini and HTTP at once over one connection", async () => {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  const responder = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  const doors = await startDoors(place, directory);
  try {
    const target = "/slow?ms=2000";
    const each = Array.from({ length: EACH_AT_ONCE });
    const responses = await Promise.all([
      ...each.map(async () => (await httpRequest(doors.afcgi.port, { target })).status),
      ...each.map(async () => Number((await askGemini(doors, target)).header.slice(0, 2))),
    ]);
    assert.deepEqual(new Set(responses), new Set([200, 20]));
    const response = await httpRequest(doors.afcgi.port, { target: "/connections" });
    const seen = JSON.parse(response.body.toString());
    assert.equal(seen.connections, 1);
    assert.ok(seen.requestsInFlightMax > EACH_AT_ONCE, `${seen.requestsInFlightMax} in flight`);
  } finally {
    await doors.afcgi.stop();
    await responder.stop();
  }
});
