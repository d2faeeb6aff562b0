/**
 * The library as others install it: what `npm pack` makes is installed into an empty directory, and
 * a stranger's program is type-checked and run there. npm has to be reached, or to have in its
 * cache what `npm ci` has put there.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as library from "../../mod.ts";
import { temporaryDirectory } from "../support/places.ts";
import { CONFIGURATIONS, NAMES_PROGRAM, PROGRAM, PROGRAM_OUTPUT } from "./stranger.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TIME_LIMIT_MS = 120_000;
/** The oldest TypeScript that is looked at; the newest is that of package.json. */
const OLD_TYPESCRIPT = "5.9.3";

const directory = temporaryDirectory();
const project = join(directory, "project");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const archive = join(directory, `afcgi-${manifest.version}.tgz`);
const tool = (name: string) => join(ROOT, "node_modules/.bin", name);

/** Its output; an assertion fails with it when the program does. */
function run(program: string, args: readonly string[], cwd = project): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { cwd, timeout: TIME_LIMIT_MS, env: { ...process.env, NO_COLOR: "1" } };
  execFile(program, [...args], options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else {
      const command = [program, ...args].join(" ");
      reject(new assert.AssertionError({ message: `${command} failed:\n${stdout}${stderr}` }));
    }
  });
  return promise;
}

before(async () => {
  await run("npm", ["pack", "--silent", "--pack-destination", directory], ROOT);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(join(project, "program.ts"), PROGRAM);
  writeFileSync(join(project, "names.ts"), NAMES_PROGRAM);
  const { "@types/bun": bunTypes, typescript } = manifest.devDependencies;
  await run("npm", [
    ...["install", "--no-audit", "--no-fund", "--prefer-offline", "--save-exact"],
    archive,
    `@types/bun@${bunTypes}`,
    `old-typescript@npm:typescript@${OLD_TYPESCRIPT}`,
    `typescript@${typescript}`,
  ]);
}, { timeout: 2 * TIME_LIMIT_MS });

test("The package has JavaScript and declarations, and no source, test or other package", async () => {
  const files = (await run("tar", ["-tzf", archive])).trim().split("\n")
    .map((path) => path.replace(/^package\//, ""));
  const kinds = new Set(
    files.map((path) => path.replace(/^dist\/package\/.*?(\.d\.ts|\.\w+)$/, "$1")),
  );
  assert.deepEqual(kinds, new Set([".js", ".d.ts", "package.json", "README.md", "LICENSE"]));
  for (const path of files.filter((path) => path.endsWith(".js"))) {
    assert.ok(files.includes(path.replace(/\.js$/, ".d.ts")), `${path} has no declaration`);
  }
  const installed = JSON.parse(
    readFileSync(join(project, "node_modules/afcgi/package.json"), "utf8"),
  );
  assert.deepEqual(installed.dependencies ?? {}, {});
});

test("publint finds nothing in the package", async () => {
  assert.match(await run(tool("publint"), ["run", "--strict", archive]), /All good/);
});

test("Are the types wrong? No, for whoever can load modules", async () => {
  const found = await run(tool("attw"), ["--profile", "esm-only", "--format", "json", archive]);
  const { problems } = JSON.parse(found).analysis;
  // Nothing on Bun or Deno calls `require` and gets CommonJS.
  const others = problems.filter(({ kind }: { kind: string }) => kind !== "CJSResolvesToESM");
  assert.deepEqual(others, []);
});

/** The old compiler takes ten times as long: Bun's defaults, and what differs most from them. */
const OLD_CHECKS = 2;

for (const [index, [name, compilerOptions]] of Object.entries(CONFIGURATIONS).entries()) {
  const compilers = index < OLD_CHECKS ? ["typescript", "old-typescript"] : ["typescript"];
  for (const compiler of compilers) {
    test(`A stranger's program type-checks with ${compiler} and ${name} configuration`, async () => {
      const path = join(project, "tsconfig.json");
      writeFileSync(path, JSON.stringify({ compilerOptions, include: ["*.ts"] }));
      await run("node", [join("node_modules", compiler, "bin/tsc"), "-p", "."]);
    });
  }
}

test("A stranger's program type-checks with Deno, declarations of packages and all", async () => {
  // Deno would read the compiler options of the tests before.
  rmSync(join(project, "tsconfig.json"), { force: true });
  await run(tool("deno"), ["check", "--all", "program.ts"]);
});

const RUN = { bun: ["run"], deno: ["run", "-A", "--quiet"] };

for (const [runtime, args] of Object.entries(RUN)) {
  test(`A stranger's program does what it should on ${runtime}`, async () => {
    assert.equal(await run(tool(runtime), [...args, "program.ts"]), PROGRAM_OUTPUT);
  });

  test(`The package exports on ${runtime} what mod.ts exports`, async () => {
    const names = (await run(tool(runtime), [...args, "names.ts"])).trim().split("\n");
    assert.deepEqual(names, Object.keys(library).sort());
  });
}
