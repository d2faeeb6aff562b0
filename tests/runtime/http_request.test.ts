/** What handlers take: our own servers' requests and Fetch's are the same to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { http1World } from "../support/http1_world.ts";

function described({ method, url, headers, body }: HttpRequest) {
  const names: string[] = [];
  headers.forEach((value, name) => names.push(`${name}=${value}`));
  return {
    method,
    url,
    host: headers.get("host"),
    hasOther: headers.has("x-other"),
    pairs: [...headers].map(([name, value]) => `${name}=${value}`).sort(),
    keys: [...headers.keys()].sort(),
    names: names.sort(),
    hasBody: body !== null,
  };
}

test("A handler is told the same by a Fetch Request and by a request of our server", async () => {
  const seen: unknown[] = [];
  const { open } = await http1World((request) => {
    seen.push(described(request));
    return new BytesResponse(200, [], new Uint8Array(0));
  });
  open().send("PUT /a?b HTTP/1.1\r\nhost: a.example\r\nX-One: 1\r\nx-one: 2\r\n\r\n");
  const request = new Request("http://a.example/a?b", {
    method: "PUT",
    headers: [["host", "a.example"], ["X-One", "1"], ["x-one", "2"]],
  });
  assert.deepEqual(seen, [described(request)]);
});
