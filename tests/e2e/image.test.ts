/**
 * The Dockerfile, built as a person without a registry would: from a local base image made of a
 * static shell and this machine's C library. The result must run afcgi and hold little else.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ImageStore } from "../support/images.ts";
import { buildAfcgiImage } from "../support/afcgi_image.ts";
import { missingPeer } from "../support/peers.ts";

test("The image runs afcgi as a user that is not root and holds only what it links to", {
  skip: missingPeer("buildah"),
}, () => {
  const images = new ImageStore();
  const image = buildAfcgiImage(images);
  const { name, root } = images.container(image);
  const command = ["--", "/usr/bin/afcgi", "version"];
  const version = images.buildah("run", "--isolation", "chroot", name, ...command);
  assert.match(version, /^afcgi \d+\.\d+\.\d+ \(bun /);
  const config = images.config(image);
  assert.equal(config.User, "65532:65532");
  assert.deepEqual(config.Entrypoint, ["/usr/bin/afcgi"]);
  assert.ok(config.Env?.includes("AFCGI_LISTEN_DEFAULT=:8080"), String(config.Env));
  assert.deepEqual(config.Healthcheck?.Test, ["CMD", "/usr/bin/afcgi", "ping", "-q"]);
  assert.deepEqual(readdirSync(join(root, "usr/bin")), ["afcgi"]);
  assert.equal(readdirSync(root).includes("bin"), false, "there is a shell in the image");
});
