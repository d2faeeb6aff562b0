/** What a program may hand to the client: parameters in several shapes, bodies in several. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { type ClientRequest, FastCgiClient } from "../../src/upstream/fastcgi_client.ts";

/** The application tells its parameters and its body. */
async function clientOfEcho(): Promise<FastCgiClient> {
  const runtime = new MemoryRuntime();
  await serveFastCgi(async (request, { params, data }) => {
    const body = await request.text();
    const second = data === null ? undefined : await new Response(data).text();
    return Response.json({ params: Object.fromEntries(params), body, data: second });
  }, { listen: "127.0.0.1:9000", runtime });
  return new FastCgiClient("127.0.0.1:9000", { runtime });
}

async function ask(client: FastCgiClient, request: ClientRequest) {
  const { status, body } = await client.request(request);
  assert.equal(status, 200);
  return await new Response(body).json();
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("Parameters come as an object, as pairs or as a map, and mean the same", async () => {
  const client = await clientOfEcho();
  const object = { SCRIPT_NAME: "/é", QUERY_STRING: bytes("a=b"), REQUEST_METHOD: "PUT" };
  const shapes: ClientRequest["params"][] = [
    object,
    Object.entries(object),
    new Map<string, string | Uint8Array>(Object.entries(object)),
    Object.assign(Object.create(null), object),
  ];
  const responses = [];
  for (const params of shapes) responses.push(await ask(client, { params, body: "text" }));
  for (const response of responses) assert.deepEqual(response, responses[0]);
  const { SCRIPT_NAME, QUERY_STRING, REQUEST_METHOD, CONTENT_LENGTH } = responses[0].params;
  assert.deepEqual([SCRIPT_NAME, QUERY_STRING, REQUEST_METHOD, CONTENT_LENGTH], [
    "/é",
    "a=b",
    "PUT",
    "4",
  ]);
  await client.close();
});

test("A body comes as text, as bytes or as a stream, and an empty one is one", async () => {
  const client = await clientOfEcho();
  const params = { REQUEST_METHOD: "POST", SCRIPT_NAME: "/" };
  const text = "a text with é";
  const bodies: [ClientRequest["body"], string, string][] = [
    [text, text, "14"],
    [bytes(text), text, "14"],
    [{ stream: new Blob([text]).stream(), length: 14 }, text, "14"],
    ["", "", "0"],
    [new Uint8Array(0), "", "0"],
  ];
  for (const [body, expected, length] of bodies) {
    const response = await ask(client, { params, ...(body !== undefined && { body }) });
    assert.equal(response.body, expected);
    assert.equal(response.params.CONTENT_LENGTH, length);
  }
  await client.close();
});

test("What is neither parameters nor a body is refused with a word", async () => {
  const client = await clientOfEcho();
  const mistakes: [unknown, RegExp][] = [
    [{}, /"params" is missing/],
    [{ params: null }, /"params" is missing/],
    [{ params: "A=b" }, /"params" is missing/],
    [{ params: { A: 1 } }, /parameter "A" is neither text nor bytes/],
    [{ params: [["A", undefined]] }, /parameter "A" is neither text nor bytes/],
    [{ params: {}, body: 5 }, /body is not text, bytes or/],
    [{ params: {}, body: null }, /body is not text, bytes or/],
    [{ params: {}, body: {} }, /body is not text, bytes or/],
    [{ params: {}, data: [1] }, /body is not text, bytes or/],
  ];
  for (const [mistake, message] of mistakes) {
    const refused = client.request(mistake as ClientRequest);
    await assert.rejects(refused, { name: "TypeError", message });
  }
  await client.close();
});
