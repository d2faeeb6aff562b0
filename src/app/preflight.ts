/**
 * What a start would find: certificates and their keys, the access log, programs, users, addresses.
 * Nothing is started, made or changed. An error ends `serve`; a note is what may be otherwise where
 * `serve` runs: with other rights, at another time.
 */
import type { PairPaths } from "../certificates/options.ts";
import { doubtOf, PairError, readPair } from "../certificates/pair.ts";
import {
  formatAddress,
  isServerName,
  type TcpAddress,
  type UnixAddress,
} from "../runtime/address.ts";
import { loadPasswordFile } from "../passwords/password_file.ts";
import { describeUnusable, kindAt } from "../runtime/kind_at.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SpawnOptions } from "../spawn/options.ts";
import { isProgramThere } from "../spawn/program.ts";
import { errorText } from "../upstream/errors.ts";
import { missingHttp3 } from "./http3.ts";
import type { AppOptions } from "./options.ts";
import { anyFileRuns } from "./any_file_runs.ts";
import { sentSources } from "./script_sources.ts";

export interface Findings {
  readonly errors: string[];
  readonly notes: string[];
}

type PreflightRuntime = Pick<
  Runtime,
  | "files"
  | "tls"
  | "spawner"
  | "process"
  | "clock"
  | "listen"
  | "connect"
  | "listenHttp3"
  | "name"
  | "version"
>;

/** `isWhole`: the configuration is flags alone, so the program that they name is all there is. */
export async function preflight(
  options: AppOptions,
  runtime: PreflightRuntime,
  isWhole: boolean,
): Promise<Findings> {
  const findings: Findings = { errors: [], notes: [] };
  const withoutHttp3 = missingHttp3(runtime, options);
  if (withoutHttp3 !== undefined) findings.errors.push(withoutHttp3);
  for (const pair of pairsOf(options)) await checkCertificate(pair, runtime, findings);
  await checkGemini(options, runtime, findings);
  for (const site of options.sites) {
    findings.notes.push(...await sentSources(site, runtime.files));
  }
  findings.notes.push(...anyFileRuns(options.sites));
  checkAccessLog(options.log.access, runtime, findings);
  await checkPasswordFiles(options, runtime, findings);
  const programs = await missingPrograms(options, runtime, isWhole);
  findings.errors.push(...programs.errors);
  findings.notes.push(...programs.notes);
  for (const spawn of options.spawns ?? []) checkSpawn(spawn, runtime, findings);
  checkUser(options.user, "user", runtime, findings);
  const addresses = [
    ...options.listen.map(({ address }) => address),
    ...(options.gemini?.sites ?? []).map(({ listen }) => listen),
    ...[options.admin, options.health].filter((address) => address !== undefined),
  ];
  for (const name of new Set(addresses.map(formatAddress))) {
    const address = addresses.find((one) => formatAddress(one) === name)!;
    if (address.transport === "tcp") await tryAddress(address, runtime, findings);
    else if (address.transport === "unix" && !address.path.startsWith("\0")) {
      checkSocket(address, runtime, findings);
    }
  }
  return findings;
}

/**
 * Programs that cannot be started because they are not there. One that is named by its path may come
 * later, with a disk or a deployment: where there is more than that program this is a note.
 */
export async function missingPrograms(
  { spawns = [] }: AppOptions,
  { files, process }: Pick<Runtime, "files" | "process">,
  isWhole: boolean,
): Promise<Findings> {
  const findings: Findings = { errors: [], notes: [] };
  for (const { upstream, command: [program = ""] } of spawns) {
    if (await isProgramThere(program, files, process.env("PATH"))) continue;
    const isNamed = !program.includes("/");
    const remedy = isNamed ? "install it, or name its path" : "install it, or name another";
    const line =
      `Cannot start upstream "${upstream}": there is no program "${program}" (${remedy})`;
    (isNamed || isWhole ? findings.errors : findings.notes).push(line);
  }
  return findings;
}

/** Each once, however many sites have it. */
function pairsOf({ listen, sites }: AppOptions): Iterable<PairPaths> {
  const pairs = [
    ...listen.flatMap(({ tls }) => tls?.pair ?? []),
    ...sites.flatMap(({ tls }) => tls?.kind === "files" ? tls.pairs : []),
  ];
  return new Map(pairs.map((pair) => [JSON.stringify([pair.cert, pair.key]), pair])).values();
}

async function checkCertificate(
  paths: PairPaths,
  runtime: PreflightRuntime,
  { errors }: Findings,
): Promise<void> {
  try {
    const doubt = doubtOf(await readPair(paths, runtime), paths.cert, runtime.clock.wallMs());
    if (doubt !== undefined) errors.push(doubt);
  } catch (error) {
    errors.push(errorText(error));
  }
}

async function checkGemini(
  { gemini }: AppOptions,
  runtime: PreflightRuntime,
  { errors }: Findings,
): Promise<void> {
  for (const { tls, listen } of gemini?.sites ?? []) {
    // One that signs itself is made at the first start.
    if (tls.kind !== "files") continue;
    try {
      await readPair(tls, runtime);
    } catch (error) {
      const text = errorText(error);
      errors.push(
        error instanceof PairError
          ? text
          : `Cannot serve Gemini at ${formatAddress(listen)}: ${text}`,
      );
    }
  }
}

function checkAccessLog(
  path: string,
  { files }: PreflightRuntime,
  { errors, notes }: Findings,
): void {
  if (path === "-" || path === "off") return;
  const reason = files.whyNotAppend?.(path);
  if (reason !== undefined) {
    errors.push(`Cannot open access log "${path}": ${reason}`);
  } else if (kindAt(files, path) === "other") {
    // A FIFO cannot be opened for writing before somebody reads it, and a look would be its reader's.
    notes.push(`Access log "${path}" is no regular file (start what reads it before afcgi)`);
  }
}

/** Files of users: what stands in them and lets nobody in. */
async function checkPasswordFiles(
  { sites }: AppOptions,
  { files }: PreflightRuntime,
  { errors }: Findings,
): Promise<void> {
  const paths = sites.flatMap(({ routes }) =>
    routes.flatMap(({ middleware }) => middleware?.basicAuth?.file ?? [])
  );
  for (const path of new Set(paths)) {
    try {
      const entries = await loadPasswordFile(files, path);
      errors.push(...entries.errors.map((error) => `File of users "${path}", ${error}`));
      if (entries.hashes.size === 0 && entries.errors.length === 0) {
        errors.push(
          `File of users "${path}" has no user (add a line of "afcgi hash-password NAME")`,
        );
      }
    } catch (error) {
      errors.push(errorText(error));
    }
  }
}

function checkSpawn(spawn: SpawnOptions, runtime: PreflightRuntime, findings: Findings): void {
  const { upstream, cwd, user } = spawn;
  const kind = cwd === undefined ? "directory" : kindAt(runtime.files, cwd);
  if (kind !== "directory") {
    const why = describeUnusable(kind, `there is no directory "${cwd}" (create it, or change cwd)`);
    findings.errors.push(`Cannot start upstream "${upstream}": ${why}`);
  }
  checkUser(user, `upstream "${upstream}": spawn.user`, runtime, findings);
}

function checkUser(
  name: string | undefined,
  where: string,
  { spawner }: PreflightRuntime,
  { errors, notes }: Findings,
): void {
  if (name === undefined) return;
  if (spawner.findUser(name) === undefined) {
    errors.push(`There is no user "${name}" (${where}; create it, or name another)`);
  } else if (!spawner.isRoot) {
    notes.push(`Only root may become user "${name}" (${where}; start afcgi as root)`);
  }
}

async function tryAddress(
  address: TcpAddress,
  { listen }: PreflightRuntime,
  { errors, notes }: Findings,
): Promise<void> {
  // Names are looked up at the start.
  if (address.port === 0 || isServerName(address)) return;
  try {
    (await listen(address, (connection) => connection.destroy())).close();
  } catch (error) {
    const text = errorText(error);
    const isForNow = /in use|permission|EACCES|EADDRINUSE/i.test(text);
    (isForNow ? notes : errors).push(text);
  }
}

function checkSocket(
  { path, file }: UnixAddress,
  { files, spawner }: PreflightRuntime,
  { errors }: Findings,
): void {
  const group = file?.group;
  if (group !== undefined && spawner.findGroup(group) === undefined) {
    errors.push(`There is no group "${group}" (listener unix:${path}; create it, or name another)`);
  }
  const directory = path.slice(0, Math.max(1, path.lastIndexOf("/")));
  const kind = kindAt(files, directory);
  if (kind === "directory") return;
  const why = describeUnusable(kind, `there is no directory "${directory}" (create it)`);
  errors.push(`Cannot listen on unix:${path}: ${why}`);
}
