/**
 * What waits of a request while its web server reads nothing, for each way that it ends and each kind
 * of output: what belongs to the end comes before it, whole; what does not is dropped, and is no part
 * of the next request under its id. And a web server that we do not read is not silent.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestInfo } from "../../src/responder/options.ts";
import { ABORTED, COMPLETE, CUT, gate, MIB, serve, turns } from "./setup.ts";
import { inWorld } from "../support/world_test.ts";

/** More than the outlet and the connection hold. */
const LONG = MIB;

type Output = "stdout" | "stderr" | "both";

const ENDS = ["it responds", "its handler throws", "its body fails", "it is aborted"] as const;

const EXPECTED = {
  "it responds": COMPLETE,
  "its handler throws": COMPLETE,
  "its body fails": CUT,
  "it is aborted": ABORTED,
} as const;

/** A body whose beginning waits, and that goes on as the test says. */
function bodyOf(goOn: Promise<void>, fails: boolean): ReadableStream<Uint8Array> {
  let pieces = 0;
  return new ReadableStream({
    async pull(controller) {
      if (pieces++ === 0) return controller.enqueue(new Uint8Array(LONG).fill(0x6f));
      await goOn;
      if (fails) controller.error(new Error("The body fails"));
      else controller.close();
    },
  });
}

for (const output of ["stdout", "stderr", "both"] as const satisfies readonly Output[]) {
  for (const end of ENDS) {
    // Behind a part of a body nothing is thrown, and a body that fails has one.
    if (end === "its handler throws" && output !== "stderr") continue;
    if (end === "its body fails" && output === "stderr") continue;
    test(
      `A request's ${output} that waits when ${end}`,
      inWorld(async () => {
        const goOn = gate();
        const say = (info: RequestInfo) => void info.stderr.write("e".repeat(LONG));
        const { connect } = await serve(async (request, info) => {
          if (request.url.endsWith("/next")) return new Response("next");
          if (request.url.endsWith("/beside")) {
            await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
            return new Response("late");
          }
          if (output !== "stdout") say(info);
          if (output !== "stderr") {
            return new Response(bodyOf(goOn.promise, end === "its body fails"));
          }
          await goOn.promise;
          if (end === "its handler throws") throw new Error("It fails");
          return new Response("short");
        });
        const client = await connect();
        client.pause();
        // Else the end of the only request is the end of its connection.
        const beside = client.begin({ uri: "/beside" });
        const request = client.begin();
        await turns();
        if (end === "it is aborted") {
          client.protocol.abort(request.id);
          await client.flush();
        }
        goOn.resolve();
        await turns();
        client.resume();
        assert.deepEqual(await request.ended(), EXPECTED[end]);
        await turns();
        const isWhole = end === "it responds" || end === "its handler throws";
        if (isWhole && output !== "stdout") assert.ok(request.stderr.startsWith("e".repeat(LONG)));
        if (isWhole && output !== "stderr") assert.ok(request.stdoutLength > LONG);
        if (end === "its handler throws") assert.match(request.stdout, /^Status: 500/i);
        client.protocol.abort(beside.id);
        await client.flush();
        const next = client.begin({ uri: "/next" });
        assert.deepEqual(await next.ended(), COMPLETE);
        assert.equal(next.stderr, "");
        assert.match(next.stdout, /\r\n\r\nnext$/);
      }),
    );
  }
}

test(
  "A web server that we do not read, for its handler's sake, is not silent",
  inWorld(async () => {
    const goOn = gate();
    const inputTimeoutMs = 10_000;
    const { runtime, connect, errors } = await serve(async (request) => {
      await goOn.promise;
      return new Response(String((await request.text()).length));
    }, { bodyBufferMax: 100, inputTimeoutMs });
    const client = await connect();
    const request = client.begin({
      method: "POST",
      body: null,
      params: { CONTENT_LENGTH: "1200" },
    });
    const send = async (length: number): Promise<void> => {
      client.protocol.sendStdin(request.id, new Uint8Array(length).fill(0x78));
      await client.flush();
      await turns();
    };
    await send(1_000);
    for (let second = 0; second < 30; second++) {
      runtime.clock.advance(1_000);
      await turns();
    }
    assert.deepEqual(errors, []);
    goOn.resolve();
    await turns();
    // From here on it is the web server that is waited for.
    for (let second = 0; second < inputTimeoutMs / 1_000 - 2; second++) {
      runtime.clock.advance(1_000);
      await turns();
    }
    await send(200);
    client.protocol.endStdin(request.id);
    await client.flush();
    assert.match((await request.answer()).body, /^1200$/);
  }),
);
