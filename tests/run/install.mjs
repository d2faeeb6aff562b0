// Brings what is missing: the pinned packages of package-lock.json from npm (Bun and Deno among
// them), and, for root on Debian, real FastCGI applications from its archive. What cannot be
// installed is named; the tests that need it are then skipped, or failures where CI is set.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, runOrFail, StepFailed, tool } from "./command.mjs";

/** Asked by Debian's packages before they start a service; 101 forbids it. */
const POLICY_PATH = "/usr/sbin/policy-rc.d";

function readJson(path) {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

/** Versions as package.json pins them. */
export function pinnedVersions() {
  const { dependencies, devDependencies } = readJson("package.json");
  return { ...dependencies, ...devDependencies };
}

/** Makes node_modules hold the pinned versions, with Bun and Deno ready to run. */
export async function installPackages() {
  if (!packagesComplete()) {
    console.log("installing packages (npm ci)");
    await runOrFail("npm", ["ci", "--no-audit", "--no-fund"]);
  }
  for (const name of ["bun", "deno"]) await installTool(name);
}

function packagesComplete() {
  return Object.entries(pinnedVersions()).every(([name, version]) => {
    const path = `node_modules/${name}/package.json`;
    return existsSync(join(ROOT, path)) && readJson(path).version === version;
  });
}

/** Their executables are put in place by install scripts, which npm may have been told to skip. */
async function installTool(name) {
  if (await toolRuns(name)) return;
  await runOrFail("npm", ["rebuild", "--ignore-scripts=false", "bun", "deno"]);
  if (await toolRuns(name)) return;
  throw new StepFailed(
    `Cannot run ${name} ${pinnedVersions()[name]} from node_modules: ` +
      "let npm run its install script (npm config get ignore-scripts should say false)",
  );
}

async function toolRuns(name) {
  const { code, output } = await run(tool(name), ["--version"], { capture: true });
  return code === 0 && output.includes(pinnedVersions()[name]);
}

/** Installs the peers that `purpose` ("test" or "bench") needs, as far as that is possible. */
export async function installPeers(purpose) {
  const peers = Object.values(readJson("tests/support/peers.json"));
  const wanted = peers.filter((peer) => peer.for.includes(purpose));
  const missing = await missingPeers(wanted);
  if (missing.length === 0) return;
  const packages = missing.flatMap((peer) => peer.packages);
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) {
    console.log(`missing, and only root on Debian installs them here: ${packages.join(" ")}`);
    return;
  }
  console.log(`installing peers: ${packages.join(" ")}`);
  await withoutServices(async () => {
    await updateDebianLists();
    if (await installDebianPackages(packages)) return;
    // One name that this release does not know makes apt-get install none of them.
    for (const peer of await missingPeers(missing)) await installDebianPackages(peer.packages);
  });
  for (const peer of await missingPeers(missing)) {
    console.log(`could not be installed: ${peer.packages.join(" ")}`);
  }
}

async function missingPeers(peers) {
  const missing = [];
  for (const peer of peers) {
    const { code } = await run("sh", ["-c", peer.check], { capture: true });
    if (code !== 0) missing.push(peer);
  }
  return missing;
}

async function updateDebianLists() {
  const { code, output } = await run("apt-get", ["update"], { capture: true });
  if (code !== 0) console.log(output);
}

/** Whether all of them are there now. */
async function installDebianPackages(packages) {
  const args = ["install", "--yes", "--no-install-recommends", ...packages];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { code, output } = await run("apt-get", args, { capture: true, env });
  if (code !== 0) console.log(output);
  return code === 0;
}

/** Packages of servers start them when installed; ours run only while a test needs them. */
async function withoutServices(action) {
  const ours = !existsSync(POLICY_PATH);
  if (ours) writeFileSync(POLICY_PATH, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await action();
  } finally {
    if (ours) rmSync(POLICY_PATH, { force: true });
  }
}
