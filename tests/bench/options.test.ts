import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readOptions } from "../../bench/options.ts";
import { temporaryDirectory } from "../support/places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A case that HAProxy, which serves no files, takes no part in: nothing is started. */
const NOTHING = ["--case", "static", "--contenders", "haproxy"];

function bench(...args: readonly string[]) {
  const bun = join(ROOT, "node_modules/.bin/bun");
  return spawnSync(bun, [join(ROOT, "bench/main.ts"), ...args], { encoding: "utf8" });
}

test("Without options every case runs, against every contender, in 9 rounds of 1 s", () => {
  const { cases, contenders, rounds, seconds } = readOptions([]);
  for (const name of ["small", "headers", "go", "fpm", "page", "download", "upload", "held"]) {
    assert.ok(cases.includes(name), name);
  }
  for (const name of ["slow-reader", "log", "start"]) assert.ok(cases.includes(name), name);
  assert.deepEqual(contenders, [
    "nginx",
    "haproxy",
    "caddy",
    "apache",
    "lighttpd",
    "floor",
    "afcgi",
    "deno",
  ]);
  assert.deepEqual([rounds, seconds], [9, 1]);
});

test("Cases run in their own order, however they are named", () => {
  assert.deepEqual(readOptions(["--case", "log,small", "--case", "fpm"]).cases, [
    "small",
    "fpm",
    "log",
  ]);
});

test("What cannot be used is told in words, with what would be right", () => {
  const says = (args: readonly string[], words: RegExp) =>
    assert.throws(() => readOptions(args), words);
  says(["--case", "smal"], /Cannot find case "smal": it is one of small, pauses/);
  says(["--contenders", "iis"], /Cannot find contender "iis": it is one of nginx/);
  says(["--rounds", "0"], /Cannot use "0" for --rounds: use a whole number from 1 on/);
  says(["--clients", "8,x"], /Cannot use "x" for --clients/);
  says(["--round", "1"], /--round/);
});

test("The file of --json is there before the first table", () => {
  const file = join(temporaryDirectory(), "result.json");
  const { status, stderr } = bench(...NOTHING, "--json", file);
  assert.equal(status, 0, stderr);
  const { rounds, tables } = JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual({ rounds, tables }, { rounds: 9, tables: [] });
});

test("A file of --json that cannot be written ends the benchmark before it begins", () => {
  const file = join(temporaryDirectory(), "no/such/folder/result.json");
  const { status, stdout, stderr } = bench(...NOTHING, "--json", file);
  assert.equal(status, 2);
  assert.match(stderr, /^Cannot write the file of --json: .*\n$/);
  assert.ok(!stdout.includes("static:"), stdout);
});
