/**
 * Flags, environment and file → {@link AppOptions}. What a flag says comes first, then what a
 * variable says, then the file, then the default. `--upstream` or `--spawn` without `--config` is the
 * whole configuration: no file is looked for then.
 */
import type { AppOptions } from "../app/options.ts";
import type { Files } from "../runtime/files.ts";
import type { ReadVariable } from "./environment.ts";
import { ConfigError, type LocatedError } from "./located_error.ts";
import { kindAt } from "../runtime/kind_at.ts";
import { withDomains } from "./domains.ts";
import { ACME_DEFAULTS } from "../acme/options.ts";
import { type LocatedTls, NO_TLS } from "./tls_references.ts";
import { directoryOf, resolvePath } from "./paths.ts";
import { appPreset, detectPreset, phpPreset } from "./preset.ts";
import { commandKind } from "../spawn/options.ts";
import { readConfigInSteps } from "./config_steps.ts";
import { Secrets } from "./secrets.ts";
import { readSimpleYaml } from "./simple_yaml.ts";
import {
  collectSettings,
  type Flags,
  type GivenSettings,
  type Overrides,
  type Preset,
  readListenDefault,
  readOverrides,
  unknownVariables,
} from "./settings.ts";
import type { ReadYaml } from "./yaml_tree.ts";

/** Files that are looked for where none is named. */
export const DEFAULT_FILES: readonly string[] = ["afcgi.yaml", "/etc/afcgi/afcgi.yaml"];

/** A larger file is refused instead of read. */
export const FILE_LENGTH_MAX = 1024 * 1024;

export interface LoadDeps {
  readonly files: Files;
  readonly readVariable: ReadVariable;
  readonly cwd: string;
  /** Every name of a variable that is set; left out where none is looked for. */
  readonly variableNames?: readonly string[];
  /** Whether errors repeat secrets; left out: no. */
  readonly showSecrets?: boolean;
  /** Lets others have their turn while a large file is read; left out: nobody waits for one. */
  readonly betweenSteps?: () => Promise<void>;
}

export interface LoadedConfig {
  readonly options: AppOptions;
  /** The file as the user named it; undefined when the flags were the whole configuration. */
  readonly file: string | undefined;
  /** How requests are answered where flags are the whole configuration. */
  readonly preset: ChosenPreset | undefined;
  /** What a user may not expect, for the log. */
  readonly notes: readonly string[];
  /** What nothing that is printed should show. */
  readonly secrets: Secrets;
  /** What the file says of TLS. */
  readonly tls: LocatedTls;
}

export interface ChosenPreset {
  readonly name: Preset;
  /** Why it is this one. */
  readonly reason: string;
}

/** @throws {ConfigError} with every error */
export async function loadConfig(flags: Flags, deps: LoadDeps): Promise<LoadedConfig> {
  const given = collectSettings(flags, deps.readVariable);
  const errors: LocatedError[] = [];
  const tell = (error: LocatedError) => void errors.push(error);
  const overrides = readOverrides(given, deps.cwd, deps.files, tell);
  const source = given.has("spawn") ? "spawn" : "upstream";
  const flagsOnly = given.has(source) && !given.has("config");
  const file = flagsOnly ? undefined : findFile(given, deps);
  const listenDefault = readListenDefault(deps.readVariable, deps.cwd, tell);
  const { options: base, hasListen = false, secrets = new Secrets(), tls = NO_TLS } =
    file === undefined
      ? { options: fromFlags(overrides, given, deps.files, tell), hasListen: false }
      : await fromFile(file, overrides, given, deps, tell);
  if (base === undefined || errors.length > 0) throw new ConfigError(errors);
  const unread = flagsOnly ? existingDefault(deps) : undefined;
  const notes = unread === undefined ? variableNotes(deps.variableNames ?? []) : [
    ...variableNotes(deps.variableNames ?? []),
    `File "${unread}" is not read because --${source} is the whole configuration`,
  ];
  const preset = flagsOnly ? choosePreset(overrides, given, deps.files) : undefined;
  // A file that serves Gemini alone opens no port for HTTP.
  const isOpen = hasListen || base.listen.length === 0;
  const based = { ...base, ...(!isOpen && listenDefault && { listen: listenDefault }) };
  return { options: overridden(based, overrides, given), file, preset, notes, secrets, tls };
}

/**
 * A variable of ours that nobody reads is a slip that would change nothing in silence. It is no
 * error: a file may use it as `${env.…}`, and Kubernetes makes some for a service of our name.
 */
function variableNotes(names: readonly string[]): string[] {
  return unknownVariables(names).map(({ name, remedy }) =>
    `Variable ${name} is no setting of ours and changes nothing (${remedy})`
  );
}

/** @throws {ConfigError} when there is neither a file nor an upstream */
function findFile(given: GivenSettings, deps: LoadDeps): string {
  const named = given.get("config")?.texts[0];
  const file = named ?? existingDefault(deps);
  if (file !== undefined) return file;
  const where = DEFAULT_FILES.map((path) => `"${path}"`).join(" nor ");
  throw new ConfigError([{
    source: "afcgi",
    place: undefined,
    message: `There is neither ${where} (name a file with --config, or an application with ` +
      "--upstream or --spawn)",
  }]);
}

/** One that cannot be looked at may be there; who reads it tells so. */
export function existingDefault(
  { files, cwd }: Pick<LoadDeps, "files" | "cwd">,
): string | undefined {
  return DEFAULT_FILES.find((path) => kindAt(files, resolvePath(cwd, path)) !== undefined);
}

function choosePreset(
  { preset, root, spawn }: Overrides,
  given: GivenSettings,
  files: Files,
): ChosenPreset {
  if (preset !== undefined) {
    return { name: preset, reason: `${given.get("preset")!.origin} says so` };
  }
  if (spawn !== undefined && commandKind(spawn) !== "other") {
    return { name: "php", reason: `${given.get("spawn")!.origin} starts PHP` };
  }
  const name = detectPreset(root, files);
  if (root === undefined) return { name, reason: "there is no root" };
  return { name, reason: `the root has ${name === "php" ? "an" : "no"} index.php` };
}

function fromFlags(
  overrides: Overrides,
  given: GivenSettings,
  files: Files,
  tell: (error: LocatedError) => void,
): AppOptions | undefined {
  const { root, servers = [], spawn } = overrides;
  const application = spawn === undefined ? { servers } : { command: spawn };
  if (spawn !== undefined && given.has("upstream")) {
    const message = "The application is at --upstream already (leave one of the two out)";
    tell({ source: given.get("spawn")!.origin, place: undefined, message });
  }
  if (choosePreset(overrides, given, files).name === "app") return appPreset(application, root);
  if (root !== undefined) return phpPreset(application, root, files);
  // A root that cannot be read has been told about.
  if (given.has("root")) return undefined;
  const source = given.get("preset")?.origin ?? given.get("spawn")!.origin;
  tell({ source, place: undefined, message: 'Preset "php" has no files (add --root DIR)' });
  return undefined;
}

async function fromFile(
  source: string,
  overrides: Overrides,
  given: GivenSettings,
  deps: LoadDeps,
  tell: (error: LocatedError) => void,
): Promise<
  {
    readonly options: AppOptions | undefined;
    readonly hasListen?: boolean;
    readonly secrets?: Secrets;
    readonly tls?: LocatedTls;
  }
> {
  const path = resolvePath(deps.cwd, source);
  const text = await readFile(source, path, deps.files, tell);
  if (text === undefined) return { options: undefined };
  const steps = readConfigInSteps(text, await readYaml(text), {
    source,
    directory: directoryOf(path),
    files: deps.files,
    readVariable: deps.readVariable,
    rootGiven: overrides.root !== undefined,
    showSecrets: deps.showSecrets ?? false,
  });
  let step = steps.next();
  for (; !step.done; step = steps.next()) await deps.betweenSteps?.();
  const result = step.value;
  result.errors.forEach(tell);
  if (result.options !== undefined) checkOverrides(source, result.options, given, tell);
  return result;
}

/** The library is loaded for what needs it: to load it takes as long as to read a thousand sites. */
async function readYaml(text: string): Promise<ReadYaml> {
  const simple = readSimpleYaml(text, true);
  if (simple !== undefined) return { written: simple, isShared: true };
  const { readAnyYaml } = await import("./any_yaml.ts");
  return readAnyYaml(text);
}

async function readFile(
  source: string,
  path: string,
  files: Files,
  tell: (error: LocatedError) => void,
): Promise<string | undefined> {
  const report = (message: string) => {
    tell({ source, place: undefined, message });
    return undefined;
  };
  try {
    const info = files.stat(path);
    if (info === undefined) return report("There is no such file (name another with --config)");
    if (info.kind === "directory") return report("The path is a directory (name a file in it)");
    if (info.size > FILE_LENGTH_MAX) {
      return report(`The file has ${info.size} bytes (use ${FILE_LENGTH_MAX} or less)`);
    }
    return await files.readText(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return report(`Cannot read the file: ${reason} (make it readable)`);
  }
}

/** A flag that could stand for several places of the file, or for none, is refused. */
function checkOverrides(
  source: string,
  options: AppOptions,
  given: GivenSettings,
  tell: (error: LocatedError) => void,
): void {
  const refuse = (
    key: "preset" | "upstream" | "spawn" | "root" | "domain" | "listen",
    message: string,
  ) => {
    const setting = given.get(key);
    if (setting !== undefined) tell({ source: setting.origin, place: undefined, message });
  };
  refuse("preset", `The routes are in "${source}" (leave one of the two out)`);
  refuse("spawn", `The upstreams are in "${source}" (leave one of the two out)`);
  if (options.sites.some(({ listen }) => listen !== undefined)) {
    refuse("listen", `Sites of "${source}" name listeners (change listen there)`);
  }
  const [sites, upstreams] = [options.sites.length, options.upstreams.length];
  const notOne = (count: number, what: string) => `"${source}" has ${count} ${what}, not one`;
  const ofSites = notOne(sites, "sites");
  if (sites !== 1) refuse("domain", `${ofSites} (add the name to its hosts there)`);
  if (upstreams !== 1) {
    refuse("upstream", `${notOne(upstreams, "upstreams")} (change its servers there)`);
  }
  if (sites !== 1) refuse("root", `${ofSites} (change the root there)`);
}

/** @throws {ConfigError} where `--domain` names what cannot stand together */
function overridden(options: AppOptions, overrides: Overrides, given: GivenSettings): AppOptions {
  try {
    return applyOverrides(options, overrides);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const source = given.get("domain")?.origin ?? "afcgi";
    throw new ConfigError([{ source, place: undefined, message: error.message }]);
  }
}

function applyOverrides(before: AppOptions, overrides: Overrides): AppOptions {
  const options = withDomains(before, overrides);
  const { listen, servers, root, admin, log, requestBodyMax, user, acme, workers } = overrides;
  return {
    ...options,
    ...(user !== undefined && { user }),
    ...(workers !== undefined && { workers }),
    ...(Object.keys(acme).length > 0 && {
      acme: { ...(options.acme ?? ACME_DEFAULTS), ...acme },
    }),
    listen: overrides.domains === undefined ? listen ?? options.listen : options.listen,
    upstreams: servers === undefined ? options.upstreams : options.upstreams.map((upstream) => ({
      ...upstream,
      servers,
      ...(upstream.supplied && { supplied: false }),
    })),
    ...(servers !== undefined && options.spawns && { spawns: [] }),
    sites: root === undefined ? options.sites : options.sites.map((site) => ({ ...site, root })),
    admin: admin === "off" ? undefined : admin ?? options.admin,
    log: { ...options.log, ...log },
    limits: requestBodyMax === undefined ? options.limits : { ...options.limits, requestBodyMax },
  };
}
