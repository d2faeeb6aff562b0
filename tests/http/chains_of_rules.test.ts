/**
 * What several rules on a request's way say together: of two authorizers the later one knows more, and
 * who says less takes nothing away; internal routes stay open once a rewrite has opened them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { authorized } from "../../src/responder/authorized.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";

test("Of two authorizers the later one's variables hold, and those that only the first has said", async () => {
  const application: FastCgiHandler = (request, info) => {
    const { pathname } = new URL(request.url);
    const isInner = info.params.get("REQUEST_URI") !== "/outer" || pathname === "/inner";
    if (info.role === "authorizer") {
      return isInner ? authorized({ BOTH: "second" }) : authorized({ BOTH: "first", FIRST: "1" });
    }
    if (!isInner) return new Response(null, { headers: { "X-Accel-Redirect": "/inner" } });
    return new Response(`${info.params.get("BOTH")} ${info.params.get("FIRST")}`);
  };
  const text = `${APP_UPSTREAM}
sites:
  - routes:
      - { path: /inner, internal: true, authorize: { upstream: app }, fastcgi: { upstream: app } }
      - { path: /outer, authorize: { upstream: app }, fastcgi: { upstream: app } }
`;
  await withConfig({ text, application }, async (gateway) => {
    const response = await gateway.send("/outer");
    assert.deepEqual([response.status, response.body.toString()], [200, "second 1"]);
  });
});

for (const first of [false, true]) {
  for (const second of [false, true]) {
    const opens = (isInternal: boolean): string => isInternal ? "opens" : "does not open";
    test(`Internal routes behind two rewrites, of which the first ${opens(first)} them and the second ${opens(second)} them`, async () => {
      const text = `
sites:
  - routes:
      - { path: /a, rewrite: { to: /b, internal: ${first} } }
      - { path: /b, rewrite: { to: /c, internal: ${second} } }
      - { path: /c, internal: true, respond: { body: inside } }
`;
      await withConfig({ text }, async (gateway) => {
        assert.equal((await gateway.send("/c")).status, 404);
        assert.equal((await gateway.send("/a")).status, first || second ? 200 : 404);
        assert.equal((await gateway.send("/b")).status, second ? 200 : 404);
      });
    });
  }
}
