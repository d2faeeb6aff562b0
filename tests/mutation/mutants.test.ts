// The faults that a small file can be given, each applied and read again, and which tests are asked.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SourceFile } from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { applyMutant, describeMutant, type Mutant, mutantsOf } from "./mutants.ts";
import { findNamed, NAMED_MUTANTS } from "./named_mutants.ts";
import { FactsStore } from "./facts_store.ts";
import { failedFile, linesOf } from "./test_runs.ts";
import { TestSelection } from "./test_selection.ts";

const TEXT = `import { limit } from "./limit.ts";
type Size = 1 | 2;
export function check(size: number, isOpen: boolean): boolean {
  if (size > 300 && !isOpen) return false;
  count(size);
  return size === 0;
}
`;

let directory: string;
let mutants: Mutant[];
let source: SourceFile;
let twice: SourceFile;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "afcgi-mutants-"));
  writeFileSync(join(directory, "tsconfig.json"), `{ "include": ["*.ts"] }`);
  writeFileSync(join(directory, "check.ts"), TEXT);
  writeFileSync(join(directory, "twice.ts"), TEXT.replace("size === 0", "size === 0 || size > 0"));
  const api = new API({ cwd: directory });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [join(directory, "tsconfig.json")] });
    const [project] = await snapshot.getProjects();
    source = (await project!.program.getSourceFile(join(directory, "check.ts")))!;
    twice = (await project!.program.getSourceFile(join(directory, "twice.ts")))!;
    mutants = mutantsOf(source, "check.ts");
  } finally {
    await api.close();
  }
});

after(() => rmSync(directory, { recursive: true, force: true }));

test("A condition, a bound, a number, a call and a result are each made wrong by themselves", () => {
  assert.deepEqual(
    mutants.map(({ kind, line, original, replacement }) => [line, kind, original, replacement])
      .sort((one, other) => String(one).localeCompare(String(other))),
    [
      [4, "boolean", "false", "true"],
      [4, "bound", ">", ">="],
      [4, "condition", "size > 300 && !isOpen", "false"],
      [4, "condition", "size > 300 && !isOpen", "true"],
      [4, "logic", "&&", "||"],
      [4, "negation", "!isOpen", "isOpen"],
      [4, "number", "300", "600"],
      [5, "call", "count(size)", "void 0"],
      [6, "equality", "===", "!=="],
      [6, "number", "0", "1"],
    ],
  );
});

test("An applied mutant changes its place and nothing else", () => {
  const mutant = mutants.find(({ kind }) => kind === "bound")!;
  assert.equal(applyMutant(TEXT, mutant), TEXT.replace("size > 300", "size >= 300"));
  assert.equal(describeMutant(mutant), "check.ts:4 bound: > -> >=");
});

test("A mutant knows the function it is in", () => {
  assert.deepEqual([...new Set(mutants.map(({ within }) => within))], ["check"]);
});

test("A named mutant is found by its place, and one that is not there, or twice, is told", async () => {
  const named = { file: "check.ts", within: "check", says: "", test: "" };
  const find = (original: string, replacement: string) =>
    findNamed({ ...named, original, replacement }, () => Promise.resolve(source));
  assert.equal((await find(">", ">=")).line, 4);
  await assert.rejects(find("<", "<="), /is not there any more/);
  await assert.rejects(
    findNamed(
      { ...named, original: "0", replacement: "1" },
      () => Promise.resolve(twice),
    ),
    /is there 2 times/,
  );
});

test("Every named mutant is there, and the test that should notice it", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const api = new API({ cwd: root });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] });
    const [project] = await snapshot.getProjects();
    for (const named of NAMED_MUTANTS) {
      await findNamed(
        named,
        async (file) => (await project!.program.getSourceFile(join(root, file)))!,
      );
      assert.ok(existsSync(join(root, named.test)), named.test);
    }
  } finally {
    await api.close();
  }
});

test("The tests of a file are those that import it: its own directory's first, then the nearest", () => {
  const write = (path: string, text: string) => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write("src/low/part.ts", "export const part = 1;\n");
  write("src/high/whole.ts", `import { part } from "../low/part.ts";\n`);
  write("tests/high/whole.test.ts", `import "../../src/high/whole.ts";\n`);
  write("tests/low/far.test.ts", `import { whole } from "../../src/high/whole.ts";\n`);
  write("tests/a/near.test.ts", `import { part } from "../../src/low/part.ts";\n`);
  write("tests/a/other.test.ts", `import "../../src/other.ts";\n`);
  const files = ["tests/a/near.test.ts", "tests/a/other.test.ts", "tests/high/whole.test.ts"];
  const selection = new TestSelection(directory, [...files, "tests/low/far.test.ts"]);
  assert.deepEqual(selection.byDirectory("src/low/part.ts"), {
    own: ["tests/low/far.test.ts"],
    others: ["tests/a/near.test.ts", "tests/high/whole.test.ts"],
  });
});

test("Of a report of coverage the lines count that were run, each of its own file", () => {
  const report = `TN:
SF:src/low/part.ts
DA:1,3
DA:2,0
DA:12,1
end_of_record
SF:src/high/whole.ts
DA:2,1
end_of_record
`;
  assert.deepEqual(
    linesOf(report),
    new Map([["src/low/part.ts", new Set([1, 12])], ["src/high/whole.ts", new Set([2])]]),
  );
});

test("What a test runs through is remembered until it changes, or something that it imports", () => {
  const write = (path: string, text: string) => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write("src/kept/part.ts", "export const part = 1;\n");
  write("src/kept/whole.ts", `import { part } from "./part.ts";\nimport "./none.ts";\n`);
  write("tests/kept/whole.test.ts", `import "../../src/kept/whole.ts";\n`);
  const file = "tests/kept/whole.test.ts";
  const keyNow = () => {
    const files = new TestSelection(directory, [file]).closureOf(file);
    assert.deepEqual(files, [file, "src/kept/whole.ts", "src/kept/part.ts"]);
    return new FactsStore(join(directory, "facts"), directory).keyOf(files);
  };
  const store = new FactsStore(join(directory, "facts"), directory);
  const facts = { durationMs: 12.5, lines: new Map([["src/kept/part.ts", new Set([1, 3])]]) };
  const key = keyNow();
  assert.equal(store.read(key), undefined);
  store.write(key, facts);
  assert.deepEqual(store.read(keyNow()), facts);
  write("src/kept/part.ts", "export const part = 2;\n");
  assert.equal(store.read(keyNow()), undefined);
});

test("Of a run that stops at the first failure the last file is the one that failed", () => {
  const output = `bun test v1.4.5

tests/a/one.test.ts:
(pass) One [1.00ms]

tests/b/two.test.ts:
(fail) Two [1.00ms]
Bailed out after 1 failure
`;
  assert.equal(failedFile(output), "tests/b/two.test.ts");
  assert.equal(failedFile("error: Cannot find module"), undefined);
});
