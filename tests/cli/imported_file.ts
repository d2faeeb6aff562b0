/** What `afcgi import` makes of a configuration, as plain data; `afcgi check` must find no error. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import type { Tree } from "../config/memory_files.ts";
import { runCommand } from "./run_program.ts";

export type Route = Readonly<Record<string, unknown>>;

export interface ImportedSite extends Route {
  readonly routes: readonly Route[];
}

export interface ImportedFile {
  readonly status: number;
  readonly stderr: string;
  readonly stdout: string;
  readonly sites: readonly ImportedSite[];
  /** All of the file. */
  readonly file: Readonly<Record<string, unknown>>;
}

export async function importedFile(
  server: string,
  text: string,
  { tree = {}, env = {} }: { tree?: Tree; env?: Readonly<Record<string, string>> } = {},
): Promise<ImportedFile> {
  const files: Tree = { "/srv/www/index.php": "", "/etc/x/site": text, ...tree };
  const world = { tree: files, cwd: "/etc/x", env };
  const { status, stderr, stdout } = await runCommand(`import ${server} site`, world);
  assert.ok(stdout !== "", stderr);
  const checked = await runCommand("check a.yaml", {
    ...world,
    tree: { ...files, "/etc/x/a.yaml": stdout },
  });
  assert.deepEqual([checked.status, checked.stderr], [0, ""], stdout);
  const file = parse(stdout) as { sites: ImportedSite[] };
  return { status, stderr, stdout, sites: file.sites, file: file as unknown as Route };
}
