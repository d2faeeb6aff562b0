import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { Address } from "../../src/runtime/address.ts";
import { ConnectError, type ConnectFailure } from "../../src/runtime/network.ts";
import { freshAddress, freshPath, LOOPBACK, runtime, turn } from "./support.ts";

async function failsWith(
  connecting: Promise<unknown>,
  failure: ConnectFailure,
  message: RegExp,
): Promise<void> {
  await assert.rejects(connecting, (error: unknown) => {
    assert.ok(error instanceof ConnectError, String(error));
    assert.equal(error.failure, failure);
    assert.match(error.message, message);
    return true;
  });
}

test("A connect to a port that nobody listens on is refused", async () => {
  const listener = await runtime.listen(LOOPBACK, () => {});
  listener.close();
  // On Deno the accept that is under way ends in the next turn.
  await turn();
  await failsWith(
    runtime.connect(listener.address),
    "refused",
    /^Cannot connect to tcp:\/\/127\.0\.0\.1:\d+: connection refused \(is the application running\?\)$/,
  );
});

test("A connect to a socket that does not exist is refused", async () => {
  const address = freshAddress("unix");
  await failsWith(
    runtime.connect(address),
    "refused",
    /^Cannot connect to unix:\/.*no such socket/,
  );
});

test("A connect to a file that is not a socket is refused", async () => {
  const path = freshPath();
  writeFileSync(path, "");
  await failsWith(
    runtime.connect({ transport: "unix", path }),
    "refused",
    /: connection refused \(is the application running\?\)$/,
  );
});

test("A connect to an abstract name that nobody has is refused", async () => {
  await failsWith(runtime.connect(freshAddress("abstract")), "refused", /unix:@.*refused/);
});

test("A connect to a name that does not exist finds the host unreachable", async () => {
  const address: Address = { transport: "tcp", host: "no-such-host.invalid", port: 1 };
  await failsWith(runtime.connect(address), "unreachable", /the host's name is not known$/);
});

for (const kind of ["tcp", "unix", "abstract"] as const) {
  test(`A connect over ${kind} that was given up before it began is aborted`, async () => {
    let accepted = 0;
    const listener = await runtime.listen(freshAddress(kind), () => accepted++);
    const signal = AbortSignal.abort(new Error("too late"));
    await failsWith(runtime.connect(listener.address, { signal }), "aborted", /given up/);
    assert.equal(accepted, 0);
    listener.close();
  });

  test(`A connect over ${kind} that is given up on its way is aborted`, async () => {
    const listener = await runtime.listen(freshAddress(kind), () => {});
    const aborter = new AbortController();
    const connecting = runtime.connect(listener.address, { signal: aborter.signal });
    aborter.abort(new Error("too late"));
    await failsWith(connecting, "aborted", /^Cannot connect to .*: given up before it stood$/);
    listener.close();
  });

  test(`A signal that fires after the connect over ${kind} changes nothing`, async () => {
    const listener = await runtime.listen(freshAddress(kind), (connection) => {
      void connection.writable.getWriter().write(new Uint8Array([7]));
    });
    const aborter = new AbortController();
    const connection = await runtime.connect(listener.address, { signal: aborter.signal });
    aborter.abort();
    const { value } = await connection.readable.getReader().read();
    assert.deepEqual(value, new Uint8Array([7]));
    connection.destroy();
    listener.close();
  });
}
