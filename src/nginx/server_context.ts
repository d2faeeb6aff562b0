/** What the locations of one server are translated with. */
import type { Location } from "./locations.ts";
import type { Notes } from "../import/notes.ts";
import type { Upstreams } from "./upstreams.ts";
import type { VariableValues } from "./variables.ts";

export interface ServerContext {
  readonly notes: Notes;
  readonly upstreams: Upstreams;
  readonly locations: readonly Location[];
  /** The one root that a site has. */
  readonly root: string | undefined;
  readonly values: VariableValues;
  /** Whether headers stand at routes, because a location has some of its own. */
  readonly hasOwnHeaders: boolean;
  /** Most bytes of a body, where no location says another number. */
  readonly bodyMax: number;
}
