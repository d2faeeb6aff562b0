/**
 * The Dockerfile, built as a person without a registry would: from a local base image made of a
 * static shell and this machine's C library. The result must run afcgi and hold little else.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ImageStore } from "../support/images.ts";
import { buildAfcgiImage } from "../support/afcgi_image.ts";
import { missingPeer } from "../support/peers.ts";

/** In bytes; as a tar, and compressed as registries keep it. */
const SIZE_MAX = 125_000_000;
const COMPRESSED_MAX = 60_000_000;
let root = "";

test("The image runs afcgi as a user that is not root and holds only what it links to", {
  skip: missingPeer("buildah"),
}, () => {
  const images = new ImageStore();
  const image = buildAfcgiImage(images);
  const { name, root: tree } = images.container(image);
  const command = ["--", "/usr/bin/afcgi", "version"];
  const version = images.buildah("run", "--isolation", "chroot", name, ...command);
  assert.match(version, /^afcgi \d+\.\d+\.\d+ \(bun /);
  const config = images.config(image);
  assert.equal(config.User, "65532:65532");
  assert.deepEqual(config.Entrypoint, ["/usr/bin/afcgi"]);
  assert.ok(config.Env?.includes("AFCGI_LISTEN_DEFAULT=:8080"), String(config.Env));
  assert.deepEqual(config.Healthcheck?.Test, ["CMD", "/usr/bin/afcgi", "ping", "-q"]);
  assert.deepEqual(readdirSync(join(tree, "usr/bin")), ["afcgi"]);
  assert.equal(readdirSync(tree).includes("bin"), false, "there is a shell in the image");
  root = tree;
});

test("The image is no larger than it was, as it is pulled and as it lies on the disk", {
  skip: missingPeer("buildah"),
}, () => {
  const sizeOf = (command: string) =>
    Number(execFileSync("sh", ["-c", command, "sh", root], { encoding: "utf8" }).trim());
  const size = sizeOf('tar -C "$1" -c . | wc -c');
  assert.ok(size < SIZE_MAX, `${size} bytes`);
  const compressed = sizeOf('tar -C "$1" -c . | gzip | wc -c');
  assert.ok(compressed < COMPRESSED_MAX, `${compressed} bytes compressed`);
});
