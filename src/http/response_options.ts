/**
 * What a site or a route says of its responses, and of access to it: read by `response_rules.ts` and
 * `route_middleware.ts`, which use nothing of it for a request whose route has nothing.
 */

import type { ClientAuthOptions } from "../certificates/options.ts";

/** A file below the root, or a text. */
export type ErrorPageOptions =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "text"; readonly body: string; readonly type: string };

/** Names to texts, in which `${…}` stands for parts of the request. Removed first, then set, added. */
export interface HeaderRuleOptions {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface ResponseOptions {
  /** By status (`404`) or class (`5xx`). */
  readonly errorPages: Readonly<Record<string, ErrorPageOptions>>;
  /** Whether an application's errors get these pages too. */
  readonly interceptErrors: boolean;
  /** One after the other: the site's, then the route's. */
  readonly headers: readonly HeaderRuleOptions[];
}

export interface CorsOptions {
  /** `*` for all. */
  readonly origins: readonly string[];
  readonly methods: readonly string[] | undefined;
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeS: number | undefined;
  readonly credentials: boolean;
}

/** Authentication by passwords: one of the three at least lets somebody in. */
export interface BasicAuthOptions {
  readonly realm: string;
  /** Passwords by names. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Hashes of passwords by names, as a file of users has them. */
  readonly hashes?: Readonly<Record<string, string>> | undefined;
  /** The path of a file of names and hashes. */
  readonly file?: string | undefined;
}

/** What stands before a route's handler; undefined or absent: not there. */
export interface MiddlewareOptions {
  readonly ipRestriction?:
    | { readonly allow: readonly string[]; readonly deny: readonly string[] }
    | undefined;
  readonly cors?: CorsOptions | undefined;
  readonly basicAuth?: BasicAuthOptions | undefined;
  readonly clientAuth?: ClientAuthOptions | undefined;
  /** Hono's names of them; true: its value, false: not sent. */
  readonly securityHeaders?: Readonly<Record<string, string | boolean>> | undefined;
  readonly etag?: boolean | undefined;
}
