/** The examples in the docstrings of what mod.ts exports run as they stand. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { asProgram, ROOT, runArguments } from "./example_program.ts";

interface Example {
  /** File and number within it. */
  readonly name: string;
  readonly code: string;
}

/** Code blocks of docstrings: every line begins with " * ". */
function examplesIn(path: string, text: string): Example[] {
  const blocks = text.matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm);
  return [...blocks].map(([, block], index) => ({
    name: `${relative(ROOT, path)}, example ${index + 1}`,
    code: block!.replace(/^ *\* ?/gm, ""),
  }));
}

function allExamples(): Example[] {
  return readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(ROOT, "src", name))
    .sort()
    .flatMap((path) => examplesIn(path, readFileSync(path, "utf8")));
}

async function runProgram(code: string): Promise<{ status: number | null; stderr: string }> {
  const directory = mkdtempSync(join(tmpdir(), "afcgi-example-"));
  const file = join(directory, "example.ts");
  writeFileSync(file, asProgram(code));
  try {
    const child = spawn(process.execPath, runArguments(file), {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (bytes) => stderr += bytes);
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { status, stderr };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const examples = allExamples();

test("The codec, the server, the client and the Hono handler have an example each", () => {
  const files = new Set(examples.map(({ name }) => name.split(",")[0]));
  for (
    const file of [
      "src/protocol/streams.ts",
      "src/protocol/name_value.ts",
      "src/responder/serve_fastcgi.ts",
      "src/serve/serve_http.ts",
      "src/upstream/upstream.ts",
      "src/upstream/fastcgi_client.ts",
      "src/http/fastcgi_handler.ts",
    ]
  ) assert.ok(files.has(file), `no example in ${file}`);
});

for (const { name, code } of examples) {
  test(`Runs without an error: ${name}`, async () => {
    const { status, stderr } = await runProgram(code);
    assert.equal(status, 0, stderr);
  });
}

test("An example that fails is noticed", async () => {
  const { status } = await runProgram('throw new Error("on purpose");');
  assert.notEqual(status, 0);
});

test("The library example of the repository runs", async () => {
  const code = readFileSync(join(ROOT, "examples/library.ts"), "utf8");
  const { status, stderr } = await runProgram(
    code.replaceAll('from "../mod.ts"', 'from "afcgi"'),
  );
  assert.equal(status, 0, stderr);
});
