/**
 * Has garbage collected when much of it has come at once: it is old by then, and would stay until memory
 * has doubled. Not while the last responses are still being sent, and not often, because everything
 * stands still meanwhile.
 */
import type { Runtime } from "../runtime/runtime.ts";

/** Sooner after a collection there is none. */
export const COLLECTION_INTERVAL_MS = 2_000;

/** To be called when there is much. */
export function garbageCollector(
  runtime: Pick<Runtime, "clock" | "collectGarbage">,
): () => void {
  const { clock } = runtime;
  let nextMs = -Infinity;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs < nextMs) return;
    nextMs = nowMs + COLLECTION_INTERVAL_MS;
    clock.atTurnEnd(() => runtime.collectGarbage());
  };
}
