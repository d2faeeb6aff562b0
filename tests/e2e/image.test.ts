/**
 * The Dockerfile, built as a person without a registry would: from a local base image made of a
 * static shell and this machine's C library. The result must run afcgi and hold little else.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { temporaryFolder } from "../support/places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIBRARY_IMAGE = "localhost/afcgi-test-libc";
const IMAGE = "localhost/afcgi-test";

function buildah(folder: string, args: readonly string[]) {
  const storage = ["--storage-driver", "vfs", "--root", `${folder}/images`];
  const result = spawnSync("buildah", [...storage, "--runroot", `${folder}/run`, ...args], {
    encoding: "utf8",
    env: { ...process.env, PATH: PEER_PATH },
  });
  assert.equal(result.status, 0, `buildah ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** A folder with a shell and the C library: what LIBRARY_IMAGE must have. */
function makeLibraryTree(tree: string): void {
  const busybox = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
  copyInto(tree, busybox, "/bin/busybox");
  for (const name of ["sh", "mkdir", "cp", "chmod", "sed", "dirname", "echo"]) {
    symlinkSync("busybox", join(tree, "bin", name));
  }
  const listed = spawnSync("ldd", [join(ROOT, "dist/afcgi")], { encoding: "utf8" }).stdout;
  const libraries = listed.match(/\/\S+/g) ?? [];
  assert.ok(libraries.length > 1, `No libraries in:\n${listed}`);
  for (const library of libraries) copyInto(tree, realpathSync(library), library);
}

function copyInto(tree: string, source: string, name: string): void {
  mkdirSync(dirname(join(tree, name)), { recursive: true });
  copyFileSync(source, join(tree, name));
}

test("The image runs afcgi as a user that is not root and holds only what it links to", {
  skip: missingPeer("buildah"),
}, () => {
  const folder = temporaryFolder();
  const tree = join(folder, "tree");
  makeLibraryTree(tree);
  const base = buildah(folder, ["from", "scratch"]).trim();
  buildah(folder, ["copy", "-q", base, tree, "/"]);
  buildah(folder, ["commit", "-q", base, LIBRARY_IMAGE]);
  buildah(folder, [
    "bud",
    "--isolation",
    "chroot",
    "--format",
    "docker",
    "--build-arg",
    `LIBRARY_IMAGE=${LIBRARY_IMAGE}`,
    "-t",
    IMAGE,
    ROOT,
  ]);
  const container = buildah(folder, ["from", "--pull-never", IMAGE]).trim();
  const version = buildah(folder, [
    "run",
    "--isolation",
    "chroot",
    container,
    "--",
    "/usr/bin/afcgi",
    "version",
  ]);
  assert.match(version, /^afcgi \d+\.\d+\.\d+ \(bun /);
  const { Docker } = JSON.parse(buildah(folder, ["inspect", "--type", "image", IMAGE]));
  assert.equal(Docker.config.User, "65532:65532");
  assert.deepEqual(Docker.config.Entrypoint, ["/usr/bin/afcgi"]);
  assert.deepEqual(Docker.config.Healthcheck.Test, ["CMD", "/usr/bin/afcgi", "ping", "-q"]);
  const mounted = buildah(folder, ["mount", container]).trim();
  assert.deepEqual(readdirSync(join(mounted, "usr/bin")), ["afcgi"]);
  assert.equal(readdirSync(mounted).includes("bin"), false, "there is a shell in the image");
});
