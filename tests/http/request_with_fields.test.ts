/** A request with other fields is the same request, and says the same of them in every way to ask. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RequestWithFields } from "../../src/http/request_with_fields.ts";

const name = fc.constantFrom("x-user", "x-other", "authorization", "accept");
const sent = fc.dictionary(name, fc.constantFrom("sent", "", "a, b"));
const changed = fc.dictionary(name, fc.constantFrom("ours", "", null));

test("Fields are those of the client, but for what is said in their place", () => {
  fc.assert(
    fc.property(sent, changed, (sent, changed) => {
      const request = new Request("http://a.test/x", { method: "PUT", headers: sent });
      const { headers } = new RequestWithFields(request, new Map(Object.entries(changed)));
      const merged = { ...Object.fromEntries(request.headers), ...changed };
      const expected = Object.entries(merged).filter(([, value]) => value !== null).sort();
      const told: [string, string][] = [];
      headers.forEach((value, name) => told.push([name, value]));
      assert.deepEqual(told.sort(), expected);
      assert.deepEqual([...headers].sort(), expected);
      assert.deepEqual([...headers.keys()].sort(), expected.map(([name]) => name));
      for (const name of ["x-user", "x-other", "authorization", "accept", "missing"]) {
        const value = merged[name] ?? null;
        for (const asked of [name, name.toUpperCase()]) {
          assert.equal(headers.get(asked), value);
          assert.equal(headers.has(asked), value !== null);
        }
      }
    }),
  );
});

test("All but its fields is the client's", async () => {
  const leaving = new AbortController();
  const request = new Request("http://a.test/x?y", {
    method: "PUT",
    body: "hello",
    signal: leaving.signal,
  });
  const changed = new RequestWithFields(request, new Map([["x-user", "anna"]]));
  assert.deepEqual([changed.method, changed.url], ["PUT", "http://a.test/x?y"]);
  assert.equal(changed.body, request.body);
  assert.equal(changed.signal, request.signal);
  assert.equal(changed.abortSignal.aborted, false);
  leaving.abort();
  assert.equal(changed.abortSignal.aborted, true);
  assert.equal(await new Response(changed.body).text(), "hello");
});
