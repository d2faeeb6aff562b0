/**
 * What an application writes and what a client gets of it, byte by byte, through the executable:
 * header sections of all kinds, an event stream that is compressed, and a body that the client is
 * asked for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGunzip } from "node:zlib";
import { Afcgi } from "../support/afcgi.ts";
import { type Behaviour, FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

/** What the client of the moment is connected to. */
interface World {
  readonly open: () => Promise<HttpConnection>;
  readonly behave: (behaviour: Behaviour) => void;
}

async function withApplication(
  site: Record<string, unknown>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  const routes = [
    { path: "/whole", request_body: "gather", fastcgi: { upstream: "app" } },
    { methods: ["GET", "POST"], fastcgi: { upstream: "app" } },
  ];
  const afcgi = await Afcgi.start({
    config: { upstreams: { app: { servers: [`unix:${path}`] } }, sites: [{ ...site, routes }] },
  });
  try {
    await use({
      open: () => HttpConnection.open(afcgi.port),
      behave: (behaviour) => peer.behaviour = behaviour,
    });
    await afcgi.stop();
  } finally {
    await peer.stop();
  }
}

/** All bytes that a client is sent when the application answers with these. */
async function sentFor({ open, behave }: World, response: string, method = "GET"): Promise<string> {
  behave({
    onRequest: ({ id, connection }) => {
      const bytes = Buffer.from(response, "latin1");
      connection.send(new ResponseRecords().stdout(id, bytes).stdoutEnd(id).end(id));
    },
  });
  const client = await open();
  await client.write(`${method} / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`);
  const text = await client.readToEnd();
  client.destroy();
  return text;
}

test("The header section of a response becomes status and fields, and frames nothing", async () => {
  await withApplication({}, async (world) => {
    const moved = await sentFor(world, "Location: http://b.example/\nX-A: 1\n\nmoved");
    assert.match(moved, /^HTTP\/1\.1 302 Found\r\n/);
    assert.match(moved, /\r\nlocation: http:\/\/b\.example\/\r\n/i);

    const fields = await sentFor(
      world,
      "Status: 404 Gone\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-High: \xe9\xff\r\n" +
        "Transfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n0\r\n\r\n",
    );
    // The phrase is the application's.
    assert.match(fields, /^HTTP\/1\.1 404 Gone\r\n/);
    assert.match(fields, /\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/i);
    assert.doesNotMatch(fields, /transfer-encoding|x-hop|status:/i);
    assert.match(fields, /\r\ncontent-length: 5\r\n/i);
    assert.ok(fields.endsWith("\r\n\r\n0\r\n\r\n"), "the body is the application's bytes");

    for (const status of [204, 304]) {
      const empty = await sentFor(world, `Status: ${status}\nX-A: 1\n\nnobody reads this`);
      assert.match(empty, new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n$`));
    }
    const headers = await sentFor(world, "Content-Length: 7\n\ncontent", "HEAD");
    assert.match(headers, /\r\ncontent-length: 7\r\n[^]*\r\n\r\n$/i);

    const early = await sentFor(world, "Status: 103\nLink: </a.css>\n\nX-A: 1\n\nlate");
    assert.match(early, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>\r\n\r\nHTTP\/1\.1 200 /i);
  });
});

test("A header section that can be read in two ways is 502, and none of it reaches the client", async () => {
  const sections = [
    "Content-Length: 1\nContent-Length: 1",
    "Content-Length: 1, 1",
    "Content-Length: x",
    "Content-Length: 9",
    "Status: 200\nStatus: 200",
    "Status: 2000",
    "X-A: a\0b",
    "X-A: a\rb",
    "X-A: a\n b",
    "X A: a",
    "HTTP/1.1 200 OK",
  ];
  await withApplication({}, async (world) => {
    for (const headers of sections) {
      const text = await sentFor(world, `${headers}\n\n1`);
      assert.match(text, /^HTTP\/1\.1 502 /, JSON.stringify(headers));
      assert.match(text, /\(bad_answer\)/);
      assert.doesNotMatch(text, /x-a|\0/i);
    }
  });
});

test("Each event of a compressed stream arrives before the next one is sent", async () => {
  await withApplication({ compression: true }, async ({ open, behave }) => {
    let sendNext = (): void => {};
    let count = 0;
    behave({
      onRequest: ({ id, connection }) => {
        connection.send(new ResponseRecords().stdout(id, "Content-Type: text/event-stream\n\n"));
        sendNext = () => connection.send(new ResponseRecords().stdout(id, `data: ${++count}\n\n`));
        sendNext();
      },
    });
    const client = await open();
    await client.send({ headers: { "Accept-Encoding": "gzip" } });
    const headers = await client.readHeaders();
    assert.equal(headers.headers.get("content-encoding"), "gzip");
    const { pieces } = client.readBody(headers);
    const gunzip = createGunzip();
    let text = "";
    const allThere = new Promise<void>((resolve) => {
      gunzip.on("data", (bytes: Buffer) => {
        text += bytes.toString();
        if (!text.endsWith(`data: ${count}\n\n`)) return;
        if (count === 3) resolve();
        else sendNext();
      });
    });
    const reading = (async () => {
      for await (const piece of pieces) gunzip.write(piece);
    })();
    // Were one held back, reading would end first: by the limit for a silent server.
    await Promise.race([allThere, reading]);
    assert.equal(text, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    client.destroy();
    await reading;
  });
});

test("A body is asked for when it is wanted, and its length told when all of it is there", async () => {
  await withApplication({ limits: { request_body: "4KiB" } }, async ({ open, behave }) => {
    behave({
      onRequest: ({ id, connection, params, bodyLength }) => {
        const text = `${params.get("CONTENT_LENGTH")} ${bodyLength}`;
        connection.send(
          new ResponseRecords().stdout(id, `X-A: 1\n\n${text}`).stdoutEnd(id).end(id),
        );
      },
    });
    const asking = (method: string, target: string, length: number) =>
      `${method} ${target} HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n` +
      `Content-Length: ${length}\r\n\r\n`;
    const wanted = await open();
    await wanted.write(asking("POST", "/", 3));
    assert.equal((await wanted.readAnyHeaders()).status, 100);
    await wanted.write("abc");
    assert.equal((await wanted.readResponse()).body.toString(), "3 3");
    wanted.destroy();

    for (const [method, status] of [["POST", 413], ["DELETE", 405]] as const) {
      const refused = await open();
      await refused.write(asking(method, "/", 5000));
      assert.equal((await refused.readAnyHeaders()).status, status);
      refused.destroy();
    }

    const gathered = await open();
    await gathered.send({ method: "POST", target: "/whole", body: "abcd", chunked: true });
    assert.equal((await gathered.readResponse()).body.toString(), "4 4");
    gathered.destroy();
  });
});
