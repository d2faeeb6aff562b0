/**
 * Container images as a person without a registry would make them: buildah in a store of the test's
 * own, base images of programs and libraries of this machine.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { PEER_PATH } from "./peers.ts";
import { temporaryDirectory } from "./places.ts";

/** What an image says of how it is run. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly StopSignal?: string;
  readonly Healthcheck?: { readonly Test: readonly string[] };
}

/** A store of images, removed when the process ends. */
export class ImageStore {
  readonly #directory = temporaryDirectory();

  /** Runs buildah to its end; its output. */
  buildah(...args: readonly string[]): string {
    const storage = ["--storage-driver", "vfs", "--root", `${this.#directory}/images`];
    const result = spawnSync("buildah", [
      ...storage,
      "--runroot",
      `${this.#directory}/run`,
      ...args,
    ], {
      encoding: "utf8",
      env: { ...process.env, PATH: PEER_PATH },
    });
    assert.equal(result.status, 0, `buildah ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  }

  /** An image of the files of a directory; `config` are flags of `buildah config`. */
  fromTree(image: string, tree: string, config: readonly string[] = []): void {
    const container = this.buildah("from", "scratch").trim();
    this.buildah("copy", "-q", container, tree, "/");
    if (config.length > 0) this.buildah("config", ...config, container);
    this.buildah("commit", "-q", container, image);
    this.buildah("rm", container);
  }

  /** An image of a directory with a Dockerfile. */
  build(image: string, directory: string, args: Readonly<Record<string, string>>): void {
    const given = Object.entries(args).flatMap(([name, value]) => [
      "--build-arg",
      `${name}=${value}`,
    ]);
    this.buildah(
      "bud",
      "--isolation",
      "chroot",
      "--format",
      "docker",
      ...given,
      "-t",
      image,
      directory,
    );
  }

  config(image: string): ImageConfig {
    return JSON.parse(this.buildah("inspect", "--type", "image", image)).Docker.config;
  }

  /** A new container of the image, and the directory that holds its files. */
  container(image: string): { readonly name: string; readonly root: string } {
    const name = this.buildah("from", "--pull-never", image).trim();
    return { name, root: this.buildah("mount", name).trim() };
  }
}

/** Puts a shell and some programs beside it into a tree. */
export function copyShell(tree: string, names: readonly string[]): void {
  const busybox = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
  copyInto(tree, busybox, "/bin/busybox");
  for (const name of ["sh", ...names]) symlinkSync("busybox", join(tree, "bin", name));
}

/** Puts the shared libraries of a program into a tree, where its loader looks for them. */
export function copyLibraries(tree: string, program: string): void {
  const listed = spawnSync("ldd", [program], { encoding: "utf8" }).stdout;
  const libraries = listed.match(/\/\S+/g) ?? [];
  assert.ok(libraries.length > 1, `No libraries in:\n${listed}`);
  for (const library of libraries) copyInto(tree, realpathSync(library), library);
}

export function copyInto(tree: string, source: string, name: string): void {
  mkdirSync(dirname(join(tree, name)), { recursive: true });
  copyFileSync(source, join(tree, name));
}
