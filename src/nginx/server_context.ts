/** What the locations of one server are translated with. */
import type { Guards } from "./guards.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { Notes } from "../import/notes.ts";
import type { Upstreams } from "./upstreams.ts";
import type { VariableValues } from "./variables.ts";

export interface ServerContext {
  readonly notes: Notes;
  readonly upstreams: Upstreams;
  readonly locations: readonly Location[];
  /** The server's directory of files. */
  readonly root: string | undefined;
  /** The one root that the site has; undefined where its routes name theirs. */
  readonly siteRoot: string | undefined;
  readonly values: VariableValues;
  /** Whether headers stand at routes, because a location has some of its own. */
  readonly hasOwnHeaders: boolean;
  /** Most bytes of a body, where no location says another number. */
  readonly bodyMax: number;
  /** What says the server's directory. */
  readonly rootDirective: Directive | undefined;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  /** Whether anything looks at what `set` makes of a variable. */
  readonly isUsed: (variable: string) => boolean;
  /** Access control of the location that is translated, in each of its ways. */
  readonly guards?: readonly (Guards | "closed")[];
  /** How many cases the server's own rules make of its requests. */
  readonly cases: number;
  /** Whether a location is for afcgi's own ways alone. */
  readonly hasInternal: boolean;
  /** Whether names that begin with "." need routes, because not only files are asked for. */
  readonly namesHidden: boolean;
}
