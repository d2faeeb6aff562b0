import type { CgiHeaderCache } from "../protocol/cgi_response.ts";
import type { Files } from "../runtime/files.ts";
import type { Deadlines } from "./deadlines.ts";
import type { UpstreamObserver } from "./observer.ts";
import type { UpstreamOptions } from "./options.ts";
import type { SpillSpace } from "./spill_space.ts";
import type { BufferMemory } from "./buffer_memory.ts";

/** What all exchanges of an upstream share. */
export interface ExchangeContext<Item> {
  readonly options: UpstreamOptions;
  readonly deadlines: Deadlines;
  readonly files: Files;
  readonly space: SpillSpace;
  readonly memory: BufferMemory;
  readonly headerCache: CgiHeaderCache;
  readonly observer: UpstreamObserver;
  /** Called once for each, when nothing more will happen. */
  readonly onDone: (exchange: Item) => void;
}
