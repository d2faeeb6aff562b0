// Makes the executables with `bun build --compile`. For other platforms Bun wants its own executable
// of that platform as a base; it comes from npm, as one of the packages that `bun` itself is made
// of, because Bun's download host is not to be reached from everywhere.
import { closeSync, existsSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { recordOrder } from "./bytecode_order.mjs";
import { DIST, executablePath, run, runOrFail, tool } from "./command.mjs";
import { installPackages, pinnedVersions } from "./install.mjs";

/** The program, and what its threads run. */
const ENTRIES = ["src/main.ts", "src/thread.ts"];

/** Base executables by version, fetched once. */
const BASES = join(DIST, ".bun");

const FLAGS = [
  "--compile",
  "--minify",
  "--bytecode",
  // Bytecode would otherwise mean CommonJS, which has no top-level await.
  "--format=esm",
  // What a command needs alone, or a feature that few use, is loaded when it is asked for.
  "--splitting",
  // An executable must not change with the directory in which it is started.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
];

/** What `build:all` makes beside the executable of this machine: our name, Bun's, and the proof. */
const TARGETS = [
  { name: "linux-x64", bun: "linux-x64", package: "bun-linux-x64", is: elf(0x3e, "glibc") },
  { name: "linux-arm64", bun: "linux-arm64", package: "bun-linux-aarch64", is: elf(0xb7, "glibc") },
  {
    name: "linux-x64-musl",
    bun: "linux-x64-musl",
    package: "bun-linux-x64-musl",
    is: elf(0x3e, "musl"),
  },
  {
    name: "linux-arm64-musl",
    bun: "linux-arm64-musl",
    package: "bun-linux-aarch64-musl",
    is: elf(0xb7, "musl"),
  },
  { name: "darwin-x64", bun: "darwin-x64", package: "bun-darwin-x64", is: machO(0x07) },
  { name: "darwin-arm64", bun: "darwin-arm64", package: "bun-darwin-aarch64", is: machO(0x0c) },
  { name: "windows-x64.exe", bun: "windows-x64", package: "bun-windows-x64", is: windowsX64 },
];

/** `npm run build`: the executable of this machine. */
export async function build() {
  await makeOwn();
  return 0;
}

/** Makes it twice: the first one says in which order it wants its bytecode. Resolves to the flags for that. */
async function makeOwn() {
  await installPackages();
  mkdirSync(DIST, { recursive: true });
  const output = executablePath();
  await runOrFail(tool("bun"), compileArgs(output, []), { capture: true });
  const order = await recordOrder(output);
  const flags = order === undefined ? [] : [`--bytecode-order=${order}`];
  await runOrFail(tool("bun"), compileArgs(output, flags));
  return flags;
}

/** `npm run build:all`: every platform; status 1 when one had to be left out. */
export async function buildAll() {
  const flags = await makeOwn();
  const leftOut = [];
  for (const target of TARGETS) {
    const reason = await buildTarget(target, flags);
    if (reason !== undefined) leftOut.push(`${target.name}: ${reason}`);
  }
  for (const line of leftOut) console.error(`left out ${line}`);
  return leftOut.length === 0 ? 0 : 1;
}

/** Resolves to the reason why the target had to be left out, or to undefined. */
async function buildTarget(target, flags) {
  const base = await fetchBase(target);
  if (base === undefined) return `npm has no base "@oven/${target.package}" to give`;
  const output = join(DIST, `afcgi-${target.name}`);
  const args = compileArgs(output, [
    ...flags,
    `--target=bun-${target.bun}`,
    `--compile-executable-path=${base}`,
  ]);
  const { code } = await run(tool("bun"), args);
  if (code !== 0) return `the build ended with status ${code}`;
  return target.is(readHeaders(output)) ? undefined : `${output} is not of that platform`;
}

function compileArgs(output, more) {
  return ["build", ...FLAGS, ...more, ...ENTRIES, "--outfile", output];
}

/** Path of Bun's own executable for the target; undefined when it is not to be had. */
async function fetchBase(target) {
  const version = pinnedVersions().bun;
  const directory = join(BASES, `${target.package}-${version}`);
  const path = join(directory, "package/bin", target.bun.startsWith("windows") ? "bun.exe" : "bun");
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true });
  const specifier = `@oven/${target.package}@${version}`;
  console.log(`fetching ${specifier}`);
  const args = ["pack", specifier, "--pack-destination", directory, "--silent"];
  if ((await run("npm", args, { capture: true })).code !== 0) return undefined;
  const archive = join(directory, `oven-${target.package}-${version}.tgz`);
  const unpack = await run("tar", ["-xzf", archive, "-C", directory, "package/bin"]);
  return unpack.code === 0 && existsSync(path) ? path : undefined;
}

function readHeaders(path) {
  const bytes = Buffer.alloc(4096);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}

/** ELF with this machine number, whose loader (named near the start) is that C library's. */
function elf(machine, library) {
  return (head) =>
    head.readUInt32BE(0) === 0x7f454c46 && head.readUInt16LE(18) === machine &&
    head.includes("ld-musl") === (library === "musl");
}

/** Mach-O, 64 bits, with this processor type. */
function machO(processor) {
  return (head) =>
    head.readUInt32LE(0) === 0xfeedfacf && head.readUInt32LE(4) === 0x01000000 + processor;
}

/** PE whose header, at the offset that the DOS header gives, says x64. */
function windowsX64(head) {
  if (head.toString("latin1", 0, 2) !== "MZ") return false;
  const offset = head.readUInt32LE(0x3c);
  return head.toString("latin1", offset, offset + 2) === "PE" &&
    head.readUInt16LE(offset + 4) === 0x8664;
}
