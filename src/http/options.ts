/**
 * What the HTTP front can be told: the configuration's `sites`, read and with every default filled
 * in. `compile_site.ts` turns it into handlers once, when the program starts.
 */

/** What answers a request that a route matches. */
export type HandlerOptions =
  | { readonly kind: "respond"; readonly status: number; readonly body: string }
  | { readonly kind: "redirect"; readonly to: string; readonly status: number }
  | FastCgiHandlerOptions
  | PhpHandlerOptions
  | { readonly kind: "static"; readonly index: readonly string[] };

/** Everything that the route matches goes to the application. */
export interface FastCgiHandlerOptions {
  readonly kind: "fastcgi";
  readonly upstream: string;
  /** The part of the path that is SCRIPT_NAME; the rest is PATH_INFO. */
  readonly scriptName: string;
  /** Parameters of our own; they win over what a client sends. */
  readonly params: Readonly<Record<string, string>>;
}

/** Existing scripts below the root run; other paths fall back to the front controller. */
export interface PhpHandlerOptions {
  readonly kind: "php";
  readonly upstream: string;
  readonly index: readonly string[];
  /** Such as `/index.php`; undefined: a path without a script is passed to the next route. */
  readonly frontController: string | undefined;
  readonly params: Readonly<Record<string, string>>;
}

/** `path` is `/exact`, `/prefix/*`, `*.suffix`, or undefined for everything. */
export interface RouteOptions {
  readonly path: string | undefined;
  /** Upper case; undefined: all. */
  readonly methods: readonly string[] | undefined;
  readonly handler: HandlerOptions;
}

export interface SiteOptions {
  /** Names, `*.example.com` wildcards; empty: every host. Lower case. */
  readonly hosts: readonly string[];
  /** Absolute path; undefined where no route needs one. */
  readonly root: string | undefined;
  readonly routes: readonly RouteOptions[];
}

export interface HttpLimits {
  /** Most bytes of a request's body; 0: no limit. */
  readonly requestBodyMax: number;
  /** Most bytes of a request's head. */
  readonly requestHeaderMax: number;
  /** Most bytes of a gathered request body held in memory; the rest goes to a file. */
  readonly requestBufferMax: number;
}

const KIB = 1024;

export const HTTP_LIMIT_DEFAULTS: HttpLimits = {
  requestBodyMax: 64 * KIB * KIB,
  requestHeaderMax: 64 * KIB,
  requestBufferMax: 64 * KIB,
};
