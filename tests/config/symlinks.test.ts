/** `follow_symlinks_to` in a file: what becomes of it, and its errors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

const GEMINI = "hosts: [a.test], tls: { self_signed: true, store: tls }";

function read(text: string, rootGiven = false) {
  const { options, errors: errors } = readConfig(text, {
    source: "a.yaml",
    directory: "/srv/app",
    files: memoryFiles({
      "/srv/app/public": null,
      "/srv/app/storage/app/public": null,
      "/srv/app/file.txt": "text",
      "/var/lib/app": null,
    }),
    readVariable: () => undefined,
    rootGiven,
  });
  return { options, errors: errors.map(formatError) };
}

const site = (more: string) => `sites: [{ ${more} routes: [{ static: {} }] }]`;
const gemini = (more: string) => `gemini: [{ ${GEMINI}, ${more} routes: [{ static: {} }] }]`;

test("Directories to which symlinks may lead start where the file is, for HTTP and for Gemini", () => {
  const keys = "root: public, follow_symlinks_to: [storage/app/public, /var/lib/app],";
  const wanted = ["/srv/app/storage/app/public", "/var/lib/app"];
  const http = read(site(keys));
  assert.deepEqual([http.errors, http.options?.sites[0]?.symlinkTargets], [[], wanted]);
  const capsule = read(gemini(keys));
  assert.deepEqual([capsule.errors, capsule.options?.gemini?.sites[0]?.symlinkTargets], [
    [],
    wanted,
  ]);
  const without = read(site("root: public,")).options?.sites[0];
  assert.ok(without !== undefined && !("symlinkTargets" in without));
});

test("A directory that is not there, or is none, is told with its place", () => {
  for (const place of [site, gemini]) {
    const { errors } = read(place("root: public, follow_symlinks_to: [none, file.txt, storage],"));
    assert.deepEqual(errors.map((error) => error.replace(/^a\.yaml:1:\d+: /, "")), [
      'There is no directory "/srv/app/none" (create it, or name another)',
      '"/srv/app/file.txt" is not a directory (name its directory)',
    ]);
  }
});

test("Directories for symlinks without a root are told, unless a flag gives the root", () => {
  const text = 'sites: [{ follow_symlinks_to: [storage], routes: [{ redirect: { to: "/" } }] }]';
  const told = /Key follow_symlinks_to has no root for symlinks to lead out of \(add root\)$/;
  assert.match(read(text).errors.join(), told);
  assert.deepEqual(read(text, true).errors, []);
  const capsule =
    `gemini: [{ ${GEMINI}, follow_symlinks_to: [storage], routes: [${"{ respond: { code: 51, meta: gone } }"}] }]`;
  assert.match(read(capsule).errors.join(), told);
});

test("Other ways to say it are led to the key", () => {
  for (const key of ["disable_symlinks", "follow_symlinks", "symlinks"]) {
    const [error] = read(site(`root: public, ${key}: on,`)).errors;
    assert.match(error ?? "", /did you mean "follow_symlinks_to"\?/, key);
  }
  const [scalar] = read(site("root: public, follow_symlinks_to: storage,")).errors;
  assert.match(scalar ?? "", /use a list: \[storage\]/);
});
