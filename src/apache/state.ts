/** What holds for a request on its way through a virtual host, and what that is read with. */
import type { RouteValue } from "../import/chain.ts";
import type { Notes } from "../import/notes.ts";
import type { UpstreamTable } from "../import/upstream_table.ts";
import type { Space } from "./spaces.ts";

/** What runs scripts. */
export interface ScriptHandler {
  readonly upstream: string;
  /** Endings of names; undefined: every file is a script. */
  readonly endings: readonly string[] | undefined;
  /** The root as the application sees it, where it is another. */
  readonly applicationRoot: string | undefined;
}

export interface ApacheState {
  readonly space: Space;
  /** Whether files that exist are meant alone, or paths without one. */
  readonly existence: "any" | "there" | "missing";
  /** Whether a directory counts as something that exists. */
  readonly countsDirectories: boolean;
  readonly scripts: ScriptHandler | undefined;
  readonly keys: RouteValue;
  readonly listing: boolean;
  /** Names of `DirectoryIndex`. */
  readonly index: readonly string[];
  /** A path below the space that takes what has no file. */
  readonly fallback: string | undefined;
  readonly params: Readonly<Record<string, string | null>>;
  /** Fields of the request for a server behind us. */
  readonly fields: Readonly<Record<string, string | null>>;
  readonly cacheControl: Readonly<Record<string, string>>;
  /** Whether not everybody is let in to a path, whichever way leads there. */
  readonly isGuarded: (path: string) => boolean;
  /** Sets of rules that are done with the request. */
  readonly done: ReadonlySet<object>;
}

export interface VhostContext {
  readonly notes: Notes;
  readonly upstreams: UpstreamTable;
  /** The first space is the document root's. */
  readonly spaces: readonly Space[];
  readonly serverName: string;
  /** Names without stars. */
  readonly names: readonly string[];
  readonly isTls: boolean;
  readonly siteRoot: string | undefined;
  readonly serverRoot: string;
  readonly isFile: (path: string) => boolean;
  /** Texts of files that were read before: of users and groups. */
  readonly textOf: (path: string) => string | undefined;
  readonly readVariable: (name: string) => string | undefined;
  /** Seconds, of `Timeout` and `ProxyTimeout`. */
  readonly timeout: number | undefined;
}
