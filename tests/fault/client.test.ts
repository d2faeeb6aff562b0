/** Clients that send what they should not, and what they get for it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { FaultPeer, GOOD_BODY } from "../support/fault_peer.ts";
import { freePlace, placeUrl, temporaryDirectory } from "../support/places.ts";
import { httpRequest, rawRequest } from "../support/raw_http.ts";

const BODY_MAX = 1024;

let peer: FaultPeer;
let afcgi: Afcgi;

before(async () => {
  peer = await FaultPeer.start(await freePlace("unix", temporaryDirectory()));
  afcgi = await Afcgi.start({
    config: {
      upstreams: { app: { servers: [placeUrl(peer.place)] } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
      limits: { request_body: `${BODY_MAX}B` },
    },
  });
});

after(async () => {
  await afcgi?.stop();
  await peer?.stop();
});

/** What is sent, and which status it may get; each must leave the application alone. */
const REFUSED = [
  ["A broken percent-encoding", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", [400]],
  ["A percent-encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", [400]],
  ["A target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", [400]],
  ["A Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", [400]],
  ["A Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", [400]],
  ["A Host with a bad port", "GET / HTTP/1.1\r\nHost: a:port\r\n\r\n", [400]],
  ["Two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]],
  ["No Host", "GET / HTTP/1.1\r\n\r\n", [400]],
  ["No HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", [400]],
  ["The method TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", [405]],
  ["The method CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", [400, 405]],
  [
    "A Content-Length that is no number",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    [400],
  ],
  [
    "A Content-Length beside a chunked body",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "0\r\n\r\n",
    [400],
  ],
  [
    "A chunk size that is no number",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    [400],
  ],
  [
    "A Content-Length over the limit",
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY_MAX + 1}\r\n\r\n`,
    [413],
  ],
  [
    "A target over the limit",
    `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    [414, 431],
  ],
  [
    "A header over the limit",
    `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"a".repeat(100_000)}\r\n\r\n`,
    [431],
  ],
] as const;

for (const [what, bytes, statuses] of REFUSED) {
  test(`${what} gets ${statuses.join(" or ")} and does not reach the application`, async () => {
    const requestsBefore = peer.requestCount;
    const response = await rawRequest(afcgi.port, bytes);
    assert.ok(statuses.some((status) => status === response.status), `${response.status}`);
    assert.equal(peer.requestCount, requestsBefore);
    await answersWell();
  });
}

test("A chunked body over the limit gets 413 and does not reach the application", async () => {
  const requestsBefore = peer.requestCount;
  const response = await httpRequest(afcgi.port, {
    method: "POST",
    body: "x".repeat(BODY_MAX + 1),
    chunked: true,
  });
  assert.equal(response.status, 413);
  assert.equal(peer.requestCount, requestsBefore);
  await answersWell();
});

test("A body of exactly the limit passes, with a Content-Length and in chunks", async () => {
  for (const chunked of [false, true]) {
    const body = "x".repeat(BODY_MAX);
    const response = await httpRequest(afcgi.port, { method: "POST", body, chunked });
    assert.equal(response.status, 200);
    assert.equal(response.body.toString(), GOOD_BODY);
  }
});

async function answersWell(): Promise<void> {
  const response = await httpRequest(afcgi.port, { target: "/" });
  assert.equal(response.status, 200);
  assert.equal(response.body.toString(), GOOD_BODY);
}
