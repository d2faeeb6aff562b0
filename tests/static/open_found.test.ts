/** The moment between the look and the opening, with files whose open form says what a test wants. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import { type FoundFile, resolveBelowRoot } from "../../src/static/below_root.ts";
import { type OpenableTree, openFound } from "../../src/static/open_found.ts";
import { rememberSymlinks } from "../../src/static/symlink_memory.ts";

type Opening = (realPath: string, count: number) => OpenFile | undefined;

/** What the system says of an open file in the place of what the files in memory say. */
interface Said {
  readonly path?: string | undefined;
  readonly info?: Partial<FileInfo>;
}

/** `/root/a.txt`, a secret beside the root, and `openNow` as the test has it. */
class World {
  readonly files = new MemoryFiles();
  readonly opened: string[] = [];
  readonly tree: OpenableTree;

  constructor(open?: Opening, root = "/root") {
    for (const path of ["/root/a.txt", "/root/b.txt", "/shared/c.txt", "/rooted/d.txt"]) {
      this.files.write(path, path);
    }
    this.files.write("/secret.txt", "secret");
    const { files } = this;
    const openNow = (path: string): OpenFile | undefined => {
      this.opened.push(path);
      return open === undefined ? files.openNow(path) : open(path, this.opened.length);
    };
    this.tree = {
      root,
      symlinkTargets: ["/shared"],
      files: {
        stat: (path) => files.stat(path),
        realPath: (path) => files.realPath(path),
        openNow,
      },
    };
  }

  find(path = "/a.txt"): FoundFile {
    const found = resolveBelowRoot(this.tree, path);
    assert.ok(found.kind === "file");
    return found;
  }

  /** Opens a file and lets the open one say something else of itself. */
  says(path: string, said: Said): OpenFile {
    const file = this.files.openNow(path)!;
    return {
      descriptor: -1,
      info: { ...file.info, ...said.info },
      path: "path" in said ? said.path : file.path,
      read: (bytes, offset) => file.read(bytes, offset),
      stream: (pieces) => file.stream(pieces),
      close: () => file.close(),
    };
  }
}

/** `opened` and where it lies, or the kind of what is there instead; nothing else stays open. */
function outcome(world: World, found = world.find()): string {
  const opened = openFound(world.tree, found);
  const isOpen = opened.kind === "opened";
  assert.equal(world.files.openCount, isOpen ? 1 : 0);
  if (!isOpen) return opened.kind === "forbidden" ? opened.code : opened.kind;
  opened.file.close();
  return `opened ${opened.found.realPath}`;
}

test("A file that lies where it was found is opened at once, with what the open file says", () => {
  const world = new World((path) => world.says(path, { info: { size: 77 } }));
  const opened = openFound(world.tree, world.find());
  assert.ok(opened.kind === "opened");
  assert.equal(opened.found.info.size, 77);
  assert.deepEqual(world.opened, ["/root/a.txt"]);
});

test("A file that is gone, a directory or a symlink by now is what the second look finds", () => {
  const changes: [change: (files: MemoryFiles) => void, outcome: string][] = [
    [(files) => files.remove("/root/a.txt"), "missing"],
    [(files) => {
      files.remove("/root/a.txt");
      files.write("/root/a.txt/inner", "inner");
    }, "directory"],
    [(files) => files.symlink("/root/a.txt", "/secret.txt"), "outside_root"],
    [(files) => files.symlink("/root/a.txt", "/root/b.txt"), "opened /root/b.txt"],
    [(files) => files.symlink("/root/a.txt", "/shared/c.txt"), "opened /shared/c.txt"],
  ];
  for (const [change, expected] of changes) {
    const world = new World();
    const found = world.find();
    change(world.files);
    assert.equal(outcome(world, found), expected);
  }
});

test("A file that may not be read is unreadable; any other failure is thrown", () => {
  for (const code of ["EACCES", "EPERM"]) {
    const world = new World((path) => {
      throw new FileError("open", path, code);
    });
    assert.equal(outcome(world), "unreadable");
  }
  for (const error of [new FileError("open", "/root/a.txt", "EMFILE"), new TypeError("ours")]) {
    const world = new World(() => {
      throw error;
    });
    assert.throws(() => openFound(world.tree, world.find()), (thrown) => thrown === error);
  }
});

test("A file that is another at each opening is an error behind the fourth", () => {
  const world = new World((path) => world.says(path, { path: "/secret.txt" }));
  assert.throws(
    () => openFound(world.tree, world.find()),
    (error) =>
      error instanceof FileError && error.code === "ESTALE" && error.path === "/root/a.txt",
  );
  assert.equal(world.opened.length, 4);
  assert.equal(world.files.openCount, 0);
});

test("A file that is called otherwise is believed at its second opening, where files may lie", () => {
  const cases: [path: string, outcome: string | undefined][] = [
    ["/root/A.TXT", "opened /root/A.TXT"],
    ["/shared/A.TXT", "opened /shared/A.TXT"],
    ["/rooted/d.txt", undefined],
    ["/A.TXT", undefined],
  ];
  for (const [path, expected] of cases) {
    const world = new World((real) => world.says(real, { path }));
    if (expected === undefined) {
      assert.throws(() => openFound(world.tree, world.find()), FileError, path);
    } else {
      assert.equal(outcome(world), expected);
      assert.equal(world.opened.length, 2, path);
    }
  }
});

test("Where no system says where a file lies, the way is followed once more to the same file", () => {
  const cases: [info: Partial<FileInfo>, isSame: boolean][] = [
    [{}, true],
    [{ inode: 999 }, false],
    [{ device: 999 }, false],
  ];
  for (const [info, isSame] of cases) {
    const world = new World((path) => world.says(path, { path: undefined, info }));
    if (isSame) {
      assert.equal(outcome(world), "opened /root/a.txt");
      assert.deepEqual(world.opened, ["/root/a.txt"]);
    } else {
      assert.throws(() => openFound(world.tree, world.find()), FileError);
      assert.equal(world.files.openCount, 0);
    }
  }
});

test("A way that leads elsewhere at the second look is not believed, the same inode or not", () => {
  for (const target of ["/secret.txt", "/root/b.txt"]) {
    const world = new World((path, count) => {
      const file = world.says(path, { path: undefined, info: { inode: 5, device: 0 } });
      if (count === 1) world.files.symlink("/root/a.txt", target);
      return file;
    });
    const stat = world.tree.files.stat;
    const files = {
      ...world.tree.files,
      stat: (path: string) => {
        const info = stat(path);
        return info && { ...info, inode: 5 };
      },
    };
    const opened = openFound({ ...world.tree, files }, world.find());
    if (target === "/secret.txt") assert.equal(opened.kind, "forbidden");
    else assert.ok(opened.kind === "opened" && opened.found.realPath === "/root/b.txt");
  }
});

test("The second look remembers no way, and takes a root with a slash at its end", () => {
  for (const root of ["/root", "/root/"]) {
    const world = new World();
    world.files.write("/root/docs/a.txt", "old");
    world.files.write("/releases/a.txt", "secret");
    const files = rememberSymlinks(world.files, { nowMs: () => 0 });
    const tree = { root, files };
    const found = resolveBelowRoot(tree, "/docs/a.txt");
    assert.ok(found.kind === "file");
    world.files.remove("/root/docs/a.txt");
    world.files.symlink("/root/docs", "/releases");
    const opened = openFound(tree, found);
    assert.ok(opened.kind === "forbidden" && opened.code === "outside_root");
    world.files.symlink("/root/docs", "/root/other");
    world.files.write("/root/other/a.txt", "new");
    const again = openFound(tree, found);
    assert.ok(again.kind === "opened" && again.found.realPath === "/root/other/a.txt");
    again.file.close();
    assert.equal(world.files.openCount, 0);
  }
});

test("On Windows a file that is called otherwise is held against directories of Windows", () => {
  const cases: [path: string, isBelieved: boolean][] = [
    ["C:\\www\\A.TXT", true],
    ["C:\\www-other\\a.txt", false],
    ["C:/www/a.txt", false],
  ];
  for (const [path, isBelieved] of cases) {
    const world = new World();
    const info = world.files.stat("/root/a.txt")!;
    const realPath = (path: string) => path.replaceAll("/", "\\");
    const openNow = () => world.says("/root/a.txt", { path });
    const tree = { root: "C:/www", files: { stat: () => info, realPath, openNow } };
    const found = resolveBelowRoot(tree, "/a.txt");
    assert.ok(found.kind === "file");
    if (isBelieved) assert.equal(openFound(tree, found).kind, "opened");
    else assert.throws(() => openFound(tree, found), FileError);
  }
});
