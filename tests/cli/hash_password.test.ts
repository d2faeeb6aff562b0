/** `afcgi hash-password`: lines that `basic_auth: { file }` and other servers read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPasswordEntries } from "../../src/passwords/password_file.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { runCommand } from "./run_program.ts";

function run(args: string, stdin: string) {
  const runtime = new MemoryRuntime({ process: { stdin: new TextEncoder().encode(stdin) } });
  return runCommand(`hash-password ${args}`, { runtime });
}

test("The first line of standard input is hashed, and its hash knows it", async () => {
  for (const input of ["wörd 1", "wörd 1\n", "wörd 1\r\nmore"]) {
    const { status, stdout, stderr } = await run("--cost 4 anna", input);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^anna:\$2b\$04\$[./A-Za-z0-9]{53}\n$/);
    const { hashes, errors } = readPasswordEntries(stdout);
    assert.deepEqual(errors, []);
    assert.equal(await hashes.get("anna")!.matches("wörd 1"), true);
    assert.equal(await hashes.get("anna")!.matches("word 1"), false);
  }
  assert.match((await run("--cost 4", "x")).stdout, /^\$2b\$04\$/);
});

test("What makes no hash is told in one line", async () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["--cost 4", "", /There is no password on standard input/],
    ["--cost 4", "\nx", /There is no password on standard input/],
    ["--cost 4", "x".repeat(73), /has 73 bytes, and bcrypt reads 72/],
    ["--cost 4", "x\0y", /has a zero byte/],
    ["--cost 4", "x".repeat(5000), /more than 4096 bytes without a line end/],
    ["--cost 3", "x", /Cannot use "3" for --cost: use a number from 4 to 14/],
    ["--cost x", "x", /Cannot use "x" for --cost/],
    ["a:b", "x", /Cannot use "a:b" as a name/],
    ["#a", "x", /Cannot use "#a" as a name/],
  ];
  for (const [args, input, expected] of cases) {
    const { status, stdout, stderr } = await run(args, input);
    assert.deepEqual([status, stdout], [2, ""], args);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split("\n").length, 1);
  }
});
