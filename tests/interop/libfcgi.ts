/** The interop application in C on libfcgi: how it is compiled and started. */
import { join } from "node:path";
import { placeName } from "../support/places.ts";
import { type Application, presetApp, runPeer, sourcePath, startPeer } from "./application.ts";

/** As many as afcgi opens connections by default, and one that its question may hold. */
const THREADS = 9;

export const libfcgi: Application = {
  ...presetApp,
  name: "C libfcgi",
  peer: "libfcgi",
  supports: { values: undefined, multiplexes: false, keepsConnection: true },
  prepare: (directory) =>
    runPeer("cc", [
      "-O2",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-pthread",
      sourcePath("libfcgi/app.c"),
      "-lfcgi",
      "-o",
      join(directory, "app"),
    ]),
  start: (directory, place) =>
    startPeer(join(directory, "app"), [placeName(place), String(THREADS)]),
};
