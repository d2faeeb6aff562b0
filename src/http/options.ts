/**
 * What the HTTP gateway can be told: the configuration's `sites`, read and with every default
 * filled in. `site.ts` turns it into handlers once, when the program starts.
 */
import type { SiteTlsOptions } from "../certificates/options.ts";
import type { Encoding } from "../compression/accept_encoding.ts";
import type { CompressionOptions } from "../compression/options.ts";
import type { ServeAddress } from "../runtime/address.ts";
import type { BodyMode } from "../upstream/request_body.ts";
import type { MiddlewareOptions, ResponseOptions } from "./response_options.ts";
import type { ConditionOptions } from "./route_conditions.ts";
import type { ProxyHeader } from "./forwarded.ts";
import type { ValueMaps } from "./value_map.ts";
import type { ExchangeOptions } from "./exchange_options.ts";
import type { PlainHttp } from "./scheme.ts";

/** What answers a request that a route matches. */
export type HandlerOptions =
  /** Nothing: the request is for other routes, by its new path. */
  | { readonly kind: "rewrite" }
  | { readonly kind: "respond"; readonly status: number; readonly body: string }
  | { readonly kind: "redirect"; readonly to: string; readonly status: number }
  | FastCgiHandlerOptions
  | PhpHandlerOptions
  | FilterHandlerOptions
  | ProxyHandlerOptions
  | StaticHandlerOptions;

export { PHP_ENDINGS } from "../cgi/script_path.ts";

/** Everything that the route matches goes to the application. */
export interface FastCgiHandlerOptions {
  readonly kind: "fastcgi";
  readonly upstream: string;
  /** The part of the path that is SCRIPT_NAME; the rest is PATH_INFO. */
  readonly scriptName: string;
  readonly params: ParamOptions;
  /** The beginning of the path that the application does not see; none, left out. */
  readonly strip?: string | undefined;
  /** Such as `.php`: SCRIPT_NAME ends with the first of them, PATH_INFO is what is behind it. */
  readonly splitPath?: readonly string[] | undefined;
  /** The name that stands for a directory, behind a path that ends with "/". */
  readonly index?: string | undefined;
  readonly exchange?: ExchangeOptions | undefined;
  /** Whether the application is PHP, as far as its configuration tells; left out: no. */
  readonly isPhp?: boolean;
}

/**
 * Parameters of our own: name to text, in which `${…}` stands for parts of the request, or to null
 * for one that is never sent. They win over what a client sends.
 */
export type ParamOptions = Readonly<Record<string, string | null>>;

/** Existing scripts below the root run; other paths fall back to the front controller. */
export interface PhpHandlerOptions {
  readonly kind: "php";
  readonly upstream: string;
  readonly index: readonly string[];
  /** Such as `/index.php`; undefined: a path without a script is passed to the next route. */
  readonly frontController: string | undefined;
  readonly params: ParamOptions;
  /**
   * What is tried for a path, as `http/php_attempts.ts` reads it, in place of `frontController` and
   * what comes before it; left out: the usual.
   */
  readonly attempts?: readonly string[] | undefined;
  /** As of a `fastcgi` handler. */
  readonly exchange?: ExchangeOptions | undefined;
  /** As of a `fastcgi` handler. */
  readonly strip?: string | undefined;
  /** Endings of scripts' names; `.php` when left out. */
  readonly splitPath?: readonly string[] | undefined;
  /** Scripts that may run, such as `/wp-admin/*.php`; every one when left out. */
  readonly scripts?: readonly string[] | undefined;
  /** Directories, such as `/uploads`, below which none may. */
  readonly noScripts?: readonly string[] | undefined;
  /** The root as the application sees it; left out: as we do. */
  readonly applicationRoot?: string | undefined;
  /** Whether a root that is a symlink is followed for each request. */
  readonly resolveRoot?: boolean | undefined;
}

/** Files below the root, each through a FastCGI Filter. */
export interface FilterHandlerOptions {
  readonly kind: "filter";
  readonly upstream: string;
  readonly params: ParamOptions;
}

/** A FastCGI Authorizer that is asked before a route's handler. */
export interface AuthorizeOptions {
  readonly upstream: string;
  readonly params: ParamOptions;
}

/** Everything that the route matches goes to an HTTP server. */
export interface ProxyHandlerOptions {
  readonly kind: "proxy";
  readonly upstream: string;
  /** In the place of the client's Host, in which `${…}` stands for parts of it; left out: that one. */
  readonly host?: string | undefined;
  /** Fields of our own, or null for one that is never sent. */
  readonly headers: ParamOptions;
}

/** An HTTP server that is asked whether a request may go on. */
export interface ForwardAuthOptions {
  readonly upstream: string;
  /** Path and query of the question. */
  readonly uri: string;
  /** Fields of its response that the request gets, in lower case. */
  readonly copyHeaders: readonly string[];
}

/** Files below the root. */
export interface StaticHandlerOptions {
  readonly kind: "static";
  readonly index: readonly string[];
  /** Codings of which compressed siblings are sent; left out: none. */
  readonly precompressed?: readonly Encoding[];
  /** Patterns of paths with the Cache-Control of their files, the first that matches. */
  readonly cacheControl?: readonly (readonly [pattern: string, value: string])[];
  /** Whether a directory without index is listed; left out: no. */
  readonly listing?: boolean;
}

/** `path` is as `routing/route_pattern.ts` reads it, or undefined for everything. */
export interface RouteOptions {
  readonly path: string | undefined;
  /** Upper case; undefined: all. */
  readonly methods: readonly string[] | undefined;
  /** What else it asks of a request; nothing, left out. */
  readonly conditions?: readonly ConditionOptions[] | undefined;
  readonly handler: HandlerOptions;
  /** Absolute path, in the place of the site's root; left out: that. */
  readonly root?: string | undefined;
  /** Another path for the request, before the handler; left out: none. */
  readonly rewrite?: RewriteOptions | undefined;
  /**
   * The beginning of the path, such as `/pma`, that is no directory below the root; the application
   * sees it in SCRIPT_NAME. The route matches no other path. Left out: none.
   */
  readonly stripPrefix?: string | undefined;
  /** Whether only responses of applications lead to it; a client gets 404. Left out: no. */
  readonly internal?: boolean;
  /** Left out: responses go out as they are. */
  readonly compression?: CompressionOptions;
  /** How a body goes to the application; `auto` when left out. */
  readonly requestBody?: BodyMode | undefined;
  /** In the place of the listener's; those left out stay. */
  readonly limits?: Partial<HttpLimits> | undefined;
  /** What becomes of its responses, the site's rules among it; left out: nothing. */
  readonly responses?: ResponseOptions | undefined;
  /** What stands before its handler, the site's among it; left out: nothing. */
  readonly middleware?: MiddlewareOptions | undefined;
  /** Who is asked whether a request may go on to the handler; nobody, left out. */
  readonly authorize?: AuthorizeOptions;
  /** The same, of an HTTP server, and before that; nobody, left out. */
  readonly forwardAuth?: ForwardAuthOptions;
}

export interface RewriteOptions {
  /** A template; a path, and maybe a query. */
  readonly to: string;
  /** Whether the route rewrites its own paths again. */
  readonly repeat: boolean;
  /** Whether the new path may be that of an internal route; left out: no. */
  readonly internal?: boolean | undefined;
}

export interface ProxyOptions {
  /** Networks such as `10.0.0.0/8`, addresses, and `unix` for clients of a unix socket. */
  readonly trusted: readonly string[];
  /** What they set; all else that a request says of its client is the client's own word. */
  readonly headers: readonly ProxyHeader[];
}

export interface SiteOptions {
  /** Names, `*.example.com` wildcards; empty: every host. Lower case. */
  readonly hosts: readonly string[];
  /** Listeners at which it is served; left out: all. */
  readonly listen?: readonly ServeAddress[];
  /** Where its certificates come from; left out: it has none of its own. */
  readonly tls?: SiteTlsOptions;
  /** What a request over plain HTTP gets; left out: a response like any other. */
  readonly https?: PlainHttp;
  /** The value of Strict-Transport-Security over TLS; left out: none is added. */
  readonly hsts?: string;
  /** Absolute path; undefined where no route needs one. */
  readonly root: string | undefined;
  /** Absolute paths of directories to which symlinks may lead out of the root; left out: none. */
  readonly symlinkTargets?: readonly string[] | undefined;
  /** Whom to believe what they say of the client; nobody, left out. */
  readonly proxies?: ProxyOptions | undefined;
  /** Whether an application always gets a `traceparent`. */
  readonly traceContext?: boolean | undefined;
  /** Whether its paths may be no UTF-8; left out: no. */
  readonly keepsBytes?: boolean | undefined;
  /** Tables of values, by their names; none, left out. */
  readonly maps?: ValueMaps | undefined;
  /** What becomes of responses that no route makes; left out: nothing. */
  readonly responses?: ResponseOptions | undefined;
  readonly routes: readonly RouteOptions[];
  /** Absolute paths of directories below which `X-Sendfile` may name files; left out: none. */
  readonly sendfile?: readonly string[];
  /** Whether a `Location` that is a path, without `Status`, is answered here; left out: no. */
  readonly localRedirects?: boolean;
}

export interface HttpLimits {
  /** Most bytes of a request's body; 0: no limit. */
  readonly requestBodyMax: number;
  /** Most bytes of a request's header section. */
  readonly requestHeaderMax: number;
  /** Most bytes of a gathered request body held in memory; the rest goes to a file. */
  readonly requestBufferMax: number;
  /** Most bytes of a body that comes without its length; left out: as of others; 0: no limit. */
  readonly requestBodyChunkedMax?: number | undefined;
  /** Fewest bytes of a body a second while it is waited for; 0: no limit. */
  readonly requestRateMin: number;
}

const KIB = 1024;

export const HTTP_LIMIT_DEFAULTS: HttpLimits = {
  requestBodyMax: 64 * KIB * KIB,
  requestHeaderMax: 64 * KIB,
  requestBufferMax: 64 * KIB,
  requestRateMin: 100,
};
