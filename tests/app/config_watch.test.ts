/** A file of the configuration that changes while it is watched. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CONFIG_WATCH_INTERVAL_MS, ConfigWatch } from "../../src/app/config_watch.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { temporaryDirectory } from "../support/places.ts";

const { files } = currentRuntime();

function watched(path: string) {
  const clock = new ManualClock();
  let changes = 0;
  const watch = new ConfigWatch({ clock, files, path, onChange: () => void changes++ });
  return {
    watch,
    looks(count: number): number {
      for (let look = 0; look < count; look++) clock.advance(CONFIG_WATCH_INTERVAL_MS);
      return changes;
    },
  };
}

test("A change is told once, when it has stayed for a look", () => {
  const path = join(temporaryDirectory(), "afcgi.yaml");
  writeFileSync(path, "one");
  const { watch, looks } = watched(path);
  assert.equal(looks(3), 0);
  writeFileSync(path, "half of ");
  assert.equal(looks(1), 0);
  writeFileSync(path, "half of it, and the rest");
  assert.equal(looks(1), 0);
  assert.equal(looks(1), 1);
  assert.equal(looks(5), 1);
  watch.stop();
});

test("A file that goes is waited for", () => {
  const path = join(temporaryDirectory(), "afcgi.yaml");
  writeFileSync(path, "one");
  const { watch, looks } = watched(path);
  rmSync(path);
  assert.equal(looks(5), 0);
  writeFileSync(`${path}.new`, "two");
  renameSync(`${path}.new`, path);
  assert.equal(looks(2), 1);
  watch.stop();
});

test("A ConfigMap's swapped directory is a change, though the file looks the same", () => {
  const directory = temporaryDirectory();
  for (const version of ["..v1", "..v2"]) {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, "afcgi.yaml"), "the same");
  }
  symlinkSync("..v1", join(directory, "..data"));
  symlinkSync("..data/afcgi.yaml", join(directory, "afcgi.yaml"));
  const { watch, looks } = watched(join(directory, "afcgi.yaml"));
  assert.equal(looks(2), 0);
  symlinkSync("..v2", join(directory, "..data_tmp"));
  renameSync(join(directory, "..data_tmp"), join(directory, "..data"));
  assert.equal(looks(2), 1);
  watch.stop();
});
