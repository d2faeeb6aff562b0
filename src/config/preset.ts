/**
 * The whole configuration from flags alone: one upstream, one site for every host. `app` sends
 * everything to the application. `php` serves files below the root, runs the scripts there, and
 * hands every other path to `/index.php` where the root has one.
 */
import type { AppOptions } from "../app/options.ts";
import { type HandlerOptions, HTTP_LIMIT_DEFAULTS } from "../http/options.ts";
import { parseAddress } from "../runtime/address.ts";
import type { Files } from "../runtime/files.ts";
import { SPAWN_DEFAULTS } from "../spawn/options.ts";
import { type ServerOptions, UPSTREAM_DEFAULTS } from "../upstream/options.ts";
import {
  DEFAULT_ACCESS_LOG,
  DEFAULT_GRACE_MS,
  DEFAULT_LISTEN,
  DEFAULT_LOG_FORMAT,
  DEFAULT_LOG_LEVEL,
  DEFAULT_THREADS,
  LISTEN_ADDRESS_RULES,
} from "./schema.ts";
import type { Preset } from "./settings.ts";

/** Where the application is, or the command that starts it. */
export type Application =
  | { readonly servers: readonly ServerOptions[] }
  | { readonly command: readonly string[] };

const FRONT_CONTROLLER = "/index.php";

/** `php` where the root has an `index.php`, else `app`. */
export function detectPreset(root: string | undefined, files: Files): Preset {
  return root !== undefined && hasFrontController(root, files) ? "php" : "app";
}

/** Everything goes to the application. */
export function appPreset(application: Application, root: string | undefined): AppOptions {
  const handler = { kind: "fastcgi", upstream: "app", scriptName: "", params: {} } as const;
  return presetOptions("app", application, root, [handler]);
}

/** The static handler passes on what is no file, and scripts. */
export function phpPreset(application: Application, root: string, files: Files): AppOptions {
  return presetOptions("php", application, root, [
    { kind: "static", index: ["index.html"] },
    {
      kind: "php",
      upstream: "php",
      index: ["index.php"],
      frontController: hasFrontController(root, files) ? FRONT_CONTROLLER : undefined,
      params: {},
    },
  ]);
}

function presetOptions(
  name: Preset,
  application: Application,
  root: string | undefined,
  handlers: readonly HandlerOptions[],
): AppOptions {
  const routes = handlers.map((handler) => ({ path: undefined, methods: undefined, handler }));
  return {
    listen: [{ address: parseAddress(DEFAULT_LISTEN, LISTEN_ADDRESS_RULES), tls: undefined }],
    ...upstreamOf(name, application),
    sites: [{ hosts: [], root, routes }],
    admin: undefined,
    log: { level: DEFAULT_LOG_LEVEL, format: DEFAULT_LOG_FORMAT, access: DEFAULT_ACCESS_LOG },
    limits: HTTP_LIMIT_DEFAULTS,
    shutdownGraceMs: DEFAULT_GRACE_MS,
    workers: DEFAULT_THREADS,
  };
}

function upstreamOf(
  name: Preset,
  application: Application,
): Pick<AppOptions, "upstreams" | "spawns"> {
  if ("servers" in application) {
    return { upstreams: [{ name, servers: application.servers, ...UPSTREAM_DEFAULTS }] };
  }
  return {
    upstreams: [{ name, servers: [], supplied: true, ...UPSTREAM_DEFAULTS }],
    // Flags have no place for variables: the environment is all that there is to tell it by.
    spawns: [{
      upstream: name,
      command: application.command,
      ...SPAWN_DEFAULTS,
      clearEnv: false,
    }],
  };
}

function hasFrontController(root: string, files: Files): boolean {
  return files.stat(root + FRONT_CONTROLLER)?.kind === "file";
}
