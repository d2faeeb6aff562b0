/** A static route's configuration as `static/` takes it: patterns compiled, small files kept. */
import { compilePattern } from "../routing/route_pattern.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { FileMemory } from "../static/file_memory.ts";
import type { StaticOptions } from "../static/static_files.ts";
import type { StaticHandlerOptions } from "./options.ts";

export interface StaticRouteParts {
  readonly runtime: Pick<Runtime, "files" | "clock">;
  /** Absolute path. */
  readonly root: string;
  /** See `StaticOptions`. */
  readonly never: (path: string) => boolean;
  /** Whether small files are kept in memory: not where each look at a file is to be seen. */
  readonly keepsFiles: boolean;
}

export function compileStatic(
  handler: StaticHandlerOptions,
  { runtime, root, never, keepsFiles }: StaticRouteParts,
): StaticOptions {
  const { files, clock } = runtime;
  return {
    files,
    root,
    index: handler.index,
    never,
    precompressed: handler.precompressed ?? [],
    cacheControl: firstMatch(handler.cacheControl ?? []),
    listing: handler.listing ?? false,
    ...(keepsFiles && { memory: new FileMemory(files, () => clock.wallMs()) }),
  };
}

/** The value of the first pattern that matches a path. */
function firstMatch(
  patterns: readonly (readonly [pattern: string, value: string])[],
): (path: string) => string | undefined {
  const compiled = patterns.map(([pattern, value]) => ({
    matches: compilePattern(pattern),
    value,
  }));
  return (path) => compiled.find(({ matches }) => matches(path))?.value;
}
