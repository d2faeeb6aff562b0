/** What an application says before its response, for clients that can be told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

const FINAL = "Status: 200\r\nLink: </final.css>; rel=preload\r\n\r\nresponse";

/**
 * All that a client is sent of the response to a request, when the application writes `interim`
 * first.
 */
async function sentFor(interim: string, version = "1.1"): Promise<string> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection }) => {
      connection.send(
        new ResponseRecords().stdout(id, interim).stdout(id, FINAL).stdoutEnd(id).end(id),
      );
    },
  };
  let text = "";
  try {
    const server = { transport: "unix", path } as const;
    await withGateway({ server }, async ({ port }) => {
      const connection = await HttpConnection.open(port);
      await connection.write(`GET / HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`);
      text = await connection.readToEnd();
      connection.destroy();
    });
  } finally {
    await peer.stop();
  }
  return text;
}

const HINTS = "Status: 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Inner: 1\r\n" +
  "Link: </b.js>; rel=preload; as=script\r\n\r\n";

test("The links of an application's 103 reach the client, and nothing else of it", async () => {
  const text = await sentFor(HINTS);
  const [interim, headers, body] = text.split("\r\n\r\n");
  assert.match(interim!, /^HTTP\/1\.1 103 Early Hints\r\n/);
  const links = [...interim!.matchAll(/<([^>]*)>; rel=preload/g)].map(([, link]) => link);
  assert.deepEqual(links, ["/a.css", "/b.js"]);
  assert.doesNotMatch(text, /X-Inner/i);
  assert.match(headers!, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(headers!, /link: <\/final\.css>; rel=preload/i);
  assert.equal(body, "response");
});

test("A 103 without a link, with one that is none, and other interim responses are taken out", async () => {
  const interims = [
    "Status: 103\r\nX-Inner: 1\r\n\r\n",
    "Status: 103\r\nLink: no link\r\n\r\n",
    "Status: 102\r\nLink: </a.css>; rel=preload\r\n\r\n",
  ];
  for (const interim of interims) {
    assert.match(await sentFor(interim), /^HTTP\/1\.1 200 /, interim);
  }
});

test("No interim response reaches HTTP/1.0", async () => {
  assert.match(await sentFor(HINTS, "1.0"), /^HTTP\/1\.1 200 /);
});
