/** What holds for a request on its way through a site's directives, and what they are read with. */
import type { RouteValue } from "../import/chain.ts";
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import type { Globals } from "./globals.ts";
import type { UpstreamTable } from "../import/upstream_table.ts";

export interface SiteState {
  readonly root: string | undefined;
  /** What has been taken off the path. */
  readonly prefix: string;
  /** The path that the request has got, with its query; a template of ours. */
  readonly rewrite: string | undefined;
  /** Whether files that exist are meant alone, or paths without one. */
  readonly existence: "any" | "there" | "missing";
  /** Of `try_files`, in our words. */
  readonly tries: readonly string[] | undefined;
  /** Keys of the routes. */
  readonly keys: RouteValue;
  /** Fields of the request that the application gets in the place of the client's. */
  readonly fields: Readonly<Record<string, string | null>>;
}

export const START: SiteState = {
  root: undefined,
  prefix: "",
  rewrite: undefined,
  existence: "any",
  tries: undefined,
  keys: {},
  fields: {},
};

export interface SiteContext {
  readonly notes: Notes;
  readonly globals: Globals;
  readonly upstreams: UpstreamTable;
  /** Named matchers by name, with "@". */
  readonly matchers: ReadonlyMap<string, Directive>;
  /** Whether the site speaks TLS. */
  readonly isTls: boolean;
  /** The root that the site has in our file; routes with another one say so. */
  readonly siteRoot: string | undefined;
  /** Whether all files of the root are given away, none hidden. */
  readonly servesFiles: boolean;
  readonly isFile: (path: string) => boolean;
  /** The value of an environment variable, for `{env.NAME}`. */
  readonly readVariable: (name: string) => string | undefined;
}
