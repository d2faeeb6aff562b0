/** Every configuration in the pages is a whole file that can be used as it is written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { MemoryFiles } from "../support/memory/memory.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import { allPages, blocksOf } from "./pages.ts";

/** What an example names is there: a file where the name has an ending, else a directory. */
class NamedFiles extends MemoryFiles {
  override stat(path: string): FileInfo {
    const kind = /\.[a-z]+$/.test(path) ? "file" : "directory";
    return { kind, size: 0, modifiedMs: 0, changedMs: 0, inode: 0, device: 0 };
  }
}

function errorsOf(text: string, source: string): string[] {
  const { errors: errors } = readConfig(text, {
    source,
    directory: "/etc/afcgi",
    files: new NamedFiles(),
    readVariable: () => "value",
    rootGiven: false,
  });
  return errors.map(formatError);
}

const pages = allPages()
  .map((page) => ({ page, blocks: blocksOf(page, "yaml") }))
  .filter(({ blocks }) => blocks.length > 0);

test("The pages have configurations", () => {
  assert.ok(pages.length >= 9, `only in ${pages.length} pages`);
});

for (const { page, blocks } of pages) {
  test(`Every configuration in ${page.name} has no errors`, () => {
    for (const block of blocks) assert.deepEqual(errorsOf(block, page.name), [], block);
  });
}
