/** A client that leaves HTTP, and a request that ends before it has, or just then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientTunnel } from "../../src/http/client_tunnel.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { untilIdle } from "../support/idle.ts";

type Act = "open" | "read" | "cancel";

/** What the client sends, and whether it was told that nobody wants it. */
function incoming() {
  let isCancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    cancel: () => void (isCancelled = true),
  });
  return { stream, isCancelled: () => isCancelled };
}

for (
  const order of [
    ["open", "read", "cancel"],
    ["read", "open", "cancel"],
    ["read", "cancel", "open"],
    ["open", "cancel"],
    ["cancel", "open"],
  ] as const satisfies readonly (readonly Act[])[]
) {
  test(`Whoever is given up is told so, whatever comes first: ${order.join(", ")}`, async () => {
    const tunnel = new ClientTunnel({ trace: {} } as RequestContext);
    const reader = tunnel.reader();
    const { stream, isCancelled } = incoming();
    const acts: Record<Act, () => void> = {
      open: () => tunnel.open(stream),
      read: () => void reader.read().catch(() => {}),
      cancel: () => reader.cancel(),
    };
    for (const act of order) {
      acts[act]();
      await untilIdle();
    }
    assert.equal(isCancelled(), true);
  });
}
