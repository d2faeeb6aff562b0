/** Handlers of our own responder that read their bodies late, behind the whole gateway. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGateway } from "../support/gateway.ts";

const MIB = 1024 * 1024;
/** Far less than the late handler takes, far more than any other does. */
const PROMPT_MS = 2_000;

for (const multiplex of ["on", "auto"] as const) {
  for (const length of [10, 100_000, 3 * MIB]) {
    test(`${length} bytes that a handler of our own reads late hold up nobody (multiplex ${multiplex})`, async () => {
      const goOn = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const application = async (request: Request) => {
        if (request.method !== "POST") return new Response("at once");
        begun.resolve();
        await goOn.promise;
        return new Response(String((await request.arrayBuffer()).byteLength));
      };
      await withGateway({ application, upstream: { multiplex } }, async ({ send }) => {
        assert.equal((await send("/warm")).status, 200);
        const late = send({ method: "POST", target: "/late", body: "x".repeat(length) });
        await begun.promise;
        const startMs = performance.now();
        for (let count = 0; count < 20; count++) {
          assert.equal((await send(`/${count}`)).body.toString(), "at once");
        }
        const together = await Promise.all(Array.from({ length: 20 }, () => send("/together")));
        assert.ok(together.every(({ status }) => status === 200));
        assert.ok(performance.now() - startMs < PROMPT_MS, "somebody waited");
        goOn.resolve();
        assert.equal((await late).body.toString(), String(length));
      });
    });
  }
}
