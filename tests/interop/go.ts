/** The interop application on Go's net/http/fcgi: how it is compiled and started. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { placeName } from "../support/places.ts";
import { type Application, presetApp, runPeer, sourcePath, startPeer } from "./application.ts";

/** Kept between runs, and out of the user's own. */
const BUILD_CACHE = fileURLToPath(new URL("../../dist/.go-cache", import.meta.url));

export const go: Application = {
  ...presetApp,
  name: "Go net/http/fcgi",
  peer: "go",
  supports: { values: { FCGI_MPXS_CONNS: "1" }, multiplexes: true, keepsConnection: true },
  prepare: (directory) =>
    runPeer("go", ["build", "-o", join(directory, "app"), sourcePath("go/main.go")], {
      GOCACHE: BUILD_CACHE,
      GO111MODULE: "off",
    }),
  start: (directory, place) => startPeer(join(directory, "app"), [place.network, placeName(place)]),
};
