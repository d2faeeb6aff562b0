/** What a site is compiled with, beside its options: upstreams, limits, and who wants to know. */
import type { Authorities } from "../certificates/authorities.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Destination, FastCgiRoute } from "./fastcgi_exchange.ts";
import type { RequestContext } from "./request_context.ts";
import type { HttpLimits } from "./options.ts";
import type { AttemptWatch } from "./php_route.ts";
import type { ForwardedError } from "./trusted_proxies.ts";

export interface SiteDeps {
  /** Those that clients' certificates are held against; left out: none. */
  readonly authorities?: Authorities | undefined;
  readonly runtime: Pick<
    Runtime,
    "files" | "clock" | "createCompressor" | "compressQuickly" | "checkBcrypt"
  >;
  readonly upstreams: ReadonlyMap<string, Destination>;
  readonly limits: HttpLimits;
  /** Such as `afcgi/1.0.0`. */
  readonly serverSoftware: string;
  readonly onError: (error: unknown, context: RequestContext) => void;
  /** A trusted proxy sent forwarding fields that could not be read. */
  readonly onForwardedError?: (
    site: string,
    context: RequestContext,
    error: ForwardedError,
  ) => void;
  /** A copy of a response could not be kept; left out: nobody wants to know. */
  readonly onStoreError?: (error: unknown, context: RequestContext) => void;
  /** As {@link FastCgiRoute.onScriptError}. */
  readonly onScriptError?: FastCgiRoute["onScriptError"];
  /** As `files.realPath`, but never what was true a moment ago; left out: that of `runtime`. */
  readonly followSymlinks?: (path: string) => string | undefined;
  /** Who wants to see which routes a request meets; nobody, when left out. */
  readonly watch?: RouteWatch;
}

/** Routes are named by their place in the site. */
export interface RouteWatch {
  /** The route matches, and is asked. */
  onRoute(index: number): void;
  /** It leaves the request to the next one that matches. */
  onPass(index: number): void;
  /** It has given the request this path. */
  onRewrite(index: number, path: string): void;
  /** What the route that is asked has tried. */
  onAttempt: AttemptWatch;
}
