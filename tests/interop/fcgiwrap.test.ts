/** A plain CGI program under fcgiwrap behind afcgi: a process for each request. */
import { type Place, placeName, placeUrl } from "../support/places.ts";
import { type Application, sourcePath, startPeer } from "./application.ts";
import { commonTests } from "./common.ts";

/** As many as afcgi opens connections by default, and one that its question may hold. */
const WORKERS = 9;

const PROGRAM = sourcePath("fcgiwrap/app.cgi");

const fcgiwrap: Application = {
  name: "fcgiwrap",
  peer: "fcgiwrap",
  supports: { values: undefined, multiplexes: false, keepsConnection: true },
  prepare: () => Promise.resolve(),
  start: (_directory, place) =>
    startPeer("fcgiwrap", ["-c", String(WORKERS), "-s", socketUrl(place)]),
  // Which program to run is a parameter, and parameters have no flag.
  flags: () => undefined,
  config: (_directory, place) => ({
    upstreams: { app: { servers: [placeUrl(place)] } },
    sites: [{
      routes: [{
        fastcgi: {
          upstream: "app",
          // Without NO_BUFFERING it gathers what the program writes.
          params: { SCRIPT_FILENAME: PROGRAM, NO_BUFFERING: "1" },
        },
      }],
    }],
  }),
  requestFlags: () => ["--param", `SCRIPT_FILENAME=${PROGRAM}`],
};

function socketUrl(place: Place): string {
  return `${place.network}:${placeName(place)}`;
}

commonTests(fcgiwrap);
