/** A connection that was under way when the server began to shut down is taken by nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../src/runtime/address.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import { MemoryNetwork, memoryPair } from "../support/memory/memory.ts";
import { gate, serve, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

class LateNetwork extends MemoryNetwork {
  /** Hands over what the system had accepted. */
  accept: (connection: ByteConnection) => void = () => {};

  override listen(
    address: Address,
    onConnection: (connection: ByteConnection) => void,
  ): Promise<ByteListener> {
    this.accept = onConnection;
    return super.listen(address, onConnection);
  }
}

test(
  "A connection that comes while the server shuts down is ended, told, and not waited for",
  inWorld(async () => {
    const goOn = gate();
    const network = new LateNetwork();
    const { server, errors, connect } = await serve(
      async () => {
        await goOn.promise;
        return new Response("x");
      },
      {},
      network,
    );
    const client = await connect();
    const request = client.begin();
    await turns();
    const shutdown = server.shutdown({ grace: 1_000_000 });
    const [late, ours] = memoryPair();
    network.accept(ours);
    assert.equal(ours.destroyed, true);
    assert.match(String(errors[0]), /shutting down/);
    assert.equal((await late.readable.getReader().read()).done, true);
    goOn.resolve();
    await request.ended();
    await client.destroy();
    await shutdown;
  }),
);
