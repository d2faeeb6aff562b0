/** The image that this project's Dockerfile makes, on a base of what dist/afcgi needs to be built in. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyLibraries, copyShell, type ImageStore } from "./images.ts";
import { temporaryDirectory } from "./places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIBRARY_IMAGE = "localhost/afcgi-test-libc";
const IMAGE = "localhost/afcgi-test";

/** Its name. */
export function buildAfcgiImage(images: ImageStore): string {
  const tree = join(temporaryDirectory(), "tree");
  copyShell(tree, ["mkdir", "cp", "chmod", "sed", "dirname", "echo"]);
  copyLibraries(tree, join(ROOT, "dist/afcgi"));
  images.fromTree(LIBRARY_IMAGE, tree);
  images.build(IMAGE, ROOT, { LIBRARY_IMAGE });
  return IMAGE;
}
