/**
 * The settings that flags and environment variables carry: one table for the command line, the
 * reading, and the names in errors. A flag comes before its variable. A variable that holds several
 * addresses has them apart by commas or spaces; an empty variable counts as not set.
 */
import type { AcmeOptions } from "../acme/options.ts";
import type { ListenOptions, LogOptions } from "../app/options.ts";
import { LOG_LEVELS } from "../observe/logger.ts";
import {
  type Address,
  AddressError,
  type AddressRules,
  parseServeAddress,
} from "../runtime/address.ts";
import type { Files } from "../runtime/files.ts";
import { SERVER_ADDRESS_RULES, type ServerOptions } from "../upstream/options.ts";
import {
  DIRECTORY_REMEDY,
  EMAIL_REMEDY,
  isDirectoryUrl,
  isEmail,
  withDirectory,
} from "./acme_schema.ts";
import { accessTarget } from "./app_options.ts";
import type { ReadVariable } from "./environment.ts";
import type { LocatedError } from "./located_error.ts";
import { didYouMean } from "./nearest.ts";
import { directoryError } from "./path_references.ts";
import { resolveAddress, resolvePath } from "./paths.ts";
import { LISTEN_ADDRESS_RULES, LOG_FORMATS, THREADS_MAX } from "./schema.ts";
import { readAddress } from "./schema_parts.ts";
import { parseSize, sizeRemedy } from "./units.ts";

export interface SettingDefinition {
  readonly key: string;
  /** As commander takes it. */
  readonly flags: string;
  readonly description: string;
  readonly repeatable: boolean;
}

function setting<const Key extends string>(
  key: Key,
  flags: string,
  description: string,
  repeatable = false,
) {
  return { key, flags, description, repeatable } satisfies SettingDefinition;
}

/** Each setting's variable is `AFCGI_` and the flag's name. */
export const SETTINGS = [
  setting(
    "config",
    "-c, --config <file>",
    "configuration file (default: afcgi.yaml, then /etc/afcgi/afcgi.yaml)",
  ),
  setting(
    "listen",
    "-l, --listen <address>",
    "address to serve HTTP on, such as :8080 (repeatable)",
    true,
  ),
  setting(
    "upstream",
    "-u, --upstream <address>",
    "FastCGI application, such as unix:/run/php/php-fpm.sock (repeatable)",
    true,
  ),
  setting(
    "spawn",
    "--spawn <command>",
    "application to start, such as php-fpm; arguments separated by spaces",
  ),
  setting("root", "-r, --root <dir>", "directory of files and scripts"),
  setting("preset", "--preset <name>", "php or app: how requests are routed to --upstream"),
  setting(
    "domain",
    "--domain <name>",
    "name to serve over HTTPS, with a certificate by itself (repeatable)",
    true,
  ),
  setting(
    "acmeEmail",
    "--acme-email <address>",
    "where the authority for certificates may reach you",
  ),
  setting(
    "acmeDirectory",
    "--acme-directory <url>",
    "directory of the authority for certificates (default: Let's Encrypt's)",
  ),
  setting(
    "acmeCa",
    "--acme-ca <file>",
    "certificates, PEM, that vouch for a private authority's own server",
  ),
  setting("admin", "--admin <address>", "address for health and metrics; off: none"),
  setting("user", "--user <name>", "user to become once it listens, if it is root"),
  setting(
    "workers",
    "--workers <count>",
    "threads that serve: auto (one for each processor) or a number",
  ),
  setting("logFormat", "--log-format <format>", "json or text"),
  setting("logLevel", "--log-level <level>", "debug, info, warn or error"),
  setting(
    "accessLog",
    "--access-log <file>",
    "file of the access log; -: standard output; off: none",
  ),
  setting(
    "maxBody",
    "--max-body <size>",
    "maximum size of a request body, such as 64MiB; 0: no limit",
  ),
];

export type SettingKey = (typeof SETTINGS)[number]["key"];

/** What the command line gave; a key that was not given is absent or undefined. */
export type Flags = { readonly [Key in SettingKey]?: string | readonly string[] | undefined };

/** A setting's text or texts, and what to call it in an error. */
export interface GivenSetting {
  readonly texts: readonly string[];
  readonly origin: string;
}

export type GivenSettings = ReadonlyMap<SettingKey, GivenSetting>;

export const PRESETS = ["php", "app"] as const;
export type Preset = (typeof PRESETS)[number];

/** The settings read; undefined where neither a flag nor a variable says anything. */
export interface Overrides {
  readonly listen: readonly ListenOptions[] | undefined;
  readonly servers: readonly ServerOptions[] | undefined;
  /** A program and its arguments. */
  readonly spawn: readonly string[] | undefined;
  /** Absolute. */
  readonly root: string | undefined;
  readonly preset: Preset | undefined;
  readonly admin: Address | "off" | undefined;
  readonly log: Partial<LogOptions>;
  readonly requestBodyMax: number | undefined;
  readonly workers: number | "auto" | undefined;
  readonly user: string | undefined;
  /** In lower case. */
  readonly domains: readonly string[] | undefined;
  readonly acme: Partial<AcmeOptions>;
}

/** `--max-body` is `AFCGI_MAX_BODY`. */
export function variableName(definition: SettingDefinition): string {
  return `AFCGI_${longFlag(definition).slice(2).toUpperCase().replaceAll("-", "_")}`;
}

function longFlag(definition: SettingDefinition): string {
  return /--[a-z-]+/.exec(definition.flags)![0];
}

/** Variables that begin like ours and mean something to another part, or to our tests. */
const OTHER_VARIABLES =
  /^AFCGI_(?:LISTEN_DEFAULT$|LISTENERS$|READY_FD$|WATCH$|TEST_|STORE$|EXEC_|SERVICE_|PORT(?:_|$))/;

/** Variables that look like settings and are none, with what was meant. */
export function unknownVariables(
  names: readonly string[],
): readonly { readonly name: string; readonly remedy: string }[] {
  const known = SETTINGS.map(variableName);
  return names.filter((name) =>
    name.startsWith("AFCGI_") && !known.includes(name) && !OTHER_VARIABLES.test(name)
  ).map((name) => ({ name, remedy: `${didYouMean(name, known)}; unset it` }));
}

/** Flags before variables; a relative path among them starts at the working directory. */
export function collectSettings(flags: Flags, readVariable: ReadVariable): GivenSettings {
  const given = new Map<SettingKey, GivenSetting>();
  for (const definition of SETTINGS) {
    const fromFlag = flags[definition.key];
    if (fromFlag !== undefined) {
      const texts = typeof fromFlag === "string" ? [fromFlag] : fromFlag;
      given.set(definition.key, { texts, origin: longFlag(definition) });
      continue;
    }
    const name = variableName(definition);
    const variable = readVariable(name)?.trim();
    if (variable === undefined || variable === "") continue;
    const texts = definition.repeatable ? variable.split(/[\s,]+/).filter(Boolean) : [variable];
    given.set(definition.key, { texts, origin: name });
  }
  return given;
}

/** Reads every setting but `config`; what cannot be read is told and left out. */
export function readOverrides(
  given: GivenSettings,
  cwd: string,
  files: Files,
  tell: (error: LocatedError) => void,
): Overrides {
  const each = <Value>(key: SettingKey, read: (text: string) => Value): Value[] | undefined => {
    const setting = given.get(key);
    return setting && readTexts(setting, read, tell);
  };
  const one = <Value>(key: SettingKey, read: (text: string) => Value) => each(key, read)?.[0];

  const workers = one("workers", readWorkers);
  const log: { -readonly [Key in keyof LogOptions]?: LogOptions[Key] } = {};
  const level = one("logLevel", (text) => readWord("level", text, LOG_LEVELS));
  const format = one("logFormat", (text) => readWord("format", text, LOG_FORMATS));
  const access = one("accessLog", (text) => accessTarget(readNonEmpty(text, "a file"), cwd));
  if (level !== undefined) log.level = level;
  if (format !== undefined) log.format = format;
  if (access !== undefined) log.access = access;
  const addressAt = (rules: AddressRules) => (text: string) =>
    resolveAddress(cwd, readAddress(text, rules));
  return {
    listen: each(
      "listen",
      (text) => resolveAddress(cwd, parseServeAddress(text, LISTEN_ADDRESS_RULES)),
    )
      ?.map((address) => ({ address, tls: undefined })),
    servers: each("upstream", addressAt(SERVER_ADDRESS_RULES))
      ?.map((address) => ({ address, weight: 1, backup: false })),
    spawn: one("spawn", (text) => readNonEmpty(text, "a program").trim().split(/\s+/)),
    root: one("root", (text) => readRoot(text, cwd, files)),
    preset: one("preset", (text) => readWord("preset", text, PRESETS)),
    admin: one("admin", (text) => text === "off" ? text : addressAt(LISTEN_ADDRESS_RULES)(text)),
    log,
    requestBodyMax: one("maxBody", readSize),
    workers,
    user: one("user", (text) => readNonEmpty(text, "a user")),
    domains: each("domain", readDomain),
    acme: readAcme(one, cwd),
  };
}

type ReadOne = <Value>(key: SettingKey, read: (text: string) => Value) => Value | undefined;

function readAcme(one: ReadOne, cwd: string): Partial<AcmeOptions> {
  const email = one("acmeEmail", (text) => readMatching(text, isEmail, EMAIL_REMEDY));
  const url = one("acmeDirectory", (text) => readMatching(text, isDirectoryUrl, DIRECTORY_REMEDY));
  const ca = one("acmeCa", (text) => resolvePath(cwd, readNonEmpty(text, "a file")));
  return {
    ...(email !== undefined && { email }),
    ...(url !== undefined && { stagingDirectory: undefined, ...withDirectory(url) }),
    ...(ca !== undefined && { ca }),
  };
}

function readMatching(text: string, isGood: (text: string) => boolean, remedy: string): string {
  if (isGood(text)) return text;
  throw new RangeError(`Cannot read "${text}" (${remedy})`);
}

const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$/;

function readDomain(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (name.startsWith("*.")) {
    const what =
      `A certificate for "${text}" needs the challenge dns-01, which afcgi does not have`;
    throw new RangeError(`${what} (name each host, with --domain for each)`);
  }
  if (DOMAIN.test(name)) return name;
  throw new RangeError(`Cannot read "${text}" (use a name without port, such as example.com)`);
}

/** Images set it: where to listen when neither a setting nor the file says anything. */
const LISTEN_DEFAULT_VARIABLE = "AFCGI_LISTEN_DEFAULT";

/** The addresses of {@link LISTEN_DEFAULT_VARIABLE}; undefined where it is not set. */
export function readListenDefault(
  readVariable: ReadVariable,
  cwd: string,
  tell: (error: LocatedError) => void,
): readonly ListenOptions[] | undefined {
  const texts = readVariable(LISTEN_DEFAULT_VARIABLE)?.split(/[\s,]+/).filter(Boolean) ?? [];
  if (texts.length === 0) return undefined;
  return readTexts({ texts, origin: LISTEN_DEFAULT_VARIABLE }, (text) => {
    const address = resolveAddress(cwd, readAddress(text, LISTEN_ADDRESS_RULES));
    return { address, tls: undefined };
  }, tell);
}

/** What each text says; what cannot be read is told. */
function readTexts<Value>(
  { texts, origin }: GivenSetting,
  read: (text: string) => Value,
  tell: (error: LocatedError) => void,
): Value[] {
  return texts.flatMap((text) => {
    try {
      return [read(text)];
    } catch (error) {
      if (!(error instanceof AddressError) && !(error instanceof RangeError)) throw error;
      tell({ source: origin, place: undefined, message: error.message });
      return [];
    }
  });
}

function readWord<Word extends string>(what: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) {
    throw new RangeError(`Unknown ${what} "${text}" (${didYouMean(text, words)})`);
  }
  return word;
}

function readNonEmpty(text: string, what: string): string {
  if (text === "") throw new RangeError(`The value is empty (name ${what})`);
  return text;
}

function readRoot(text: string, cwd: string, files: Files): string {
  const path = resolvePath(cwd, readNonEmpty(text, "a directory"));
  const error = directoryError(path, files);
  if (error !== undefined) throw new RangeError(error);
  return path;
}

function readSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new RangeError(`Cannot read size "${text}" (${sizeRemedy(text)})`);
  return bytes;
}

function readWorkers(text: string): number | "auto" {
  if (text === "auto") return text;
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= THREADS_MAX) return count;
  throw new RangeError(
    `Cannot read "${text}" as workers (use auto, or a number from 1 to ${THREADS_MAX})`,
  );
}
