/**
 * The whole configuration from flags alone: one upstream, one site for every host. `app` sends
 * everything to the application. `php` serves files below the root, runs the scripts there, and
 * hands every other path to `/index.php` where the root has one.
 */
import type { AppOptions } from "../app/options.ts";
import { type HandlerOptions, HTTP_LIMIT_DEFAULTS } from "../http/options.ts";
import { parseAddress } from "../runtime/address.ts";
import type { Files } from "../runtime/runtime.ts";
import { type ServerOptions, UPSTREAM_DEFAULTS } from "../upstream/options.ts";
import {
  DEFAULT_ACCESS_LOG,
  DEFAULT_GRACE_MS,
  DEFAULT_LISTEN,
  DEFAULT_LOG_FORMAT,
  DEFAULT_LOG_LEVEL,
  LISTEN_ADDRESS_RULES,
} from "./schema.ts";
import type { Preset } from "./settings.ts";

const FRONT_CONTROLLER = "/index.php";

/** `php` where the root has an `index.php`, else `app`. */
export function detectPreset(root: string | undefined, files: Files): Preset {
  return root !== undefined && hasFrontController(root, files) ? "php" : "app";
}

/** Everything goes to the application. */
export function appPreset(servers: readonly ServerOptions[], root: string | undefined): AppOptions {
  const handler = { kind: "fastcgi", upstream: "app", scriptName: "", params: {} } as const;
  return presetOptions("app", servers, root, [handler]);
}

/** The static handler passes on what is no file, and scripts. */
export function phpPreset(
  servers: readonly ServerOptions[],
  root: string,
  files: Files,
): AppOptions {
  return presetOptions("php", servers, root, [
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
  servers: readonly ServerOptions[],
  root: string | undefined,
  handlers: readonly HandlerOptions[],
): AppOptions {
  const routes = handlers.map((handler) => ({ path: undefined, methods: undefined, handler }));
  return {
    listen: [{ address: parseAddress(DEFAULT_LISTEN, LISTEN_ADDRESS_RULES), tls: undefined }],
    upstreams: [{ name, servers, ...UPSTREAM_DEFAULTS }],
    sites: [{ hosts: [], root, routes }],
    admin: undefined,
    log: { level: DEFAULT_LOG_LEVEL, format: DEFAULT_LOG_FORMAT, access: DEFAULT_ACCESS_LOG },
    limits: HTTP_LIMIT_DEFAULTS,
    shutdownGraceMs: DEFAULT_GRACE_MS,
    workers: 1,
  };
}

function hasFrontController(root: string, files: Files): boolean {
  return files.stat(root + FRONT_CONTROLLER)?.kind === "file";
}
