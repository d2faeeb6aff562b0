/**
 * What every web server must do for an application of the library behind it: the table that each
 * `*.test.ts` beside this file runs. Where web servers differ, `WebServerTraits` says how, and the
 * difference is asserted too.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, before } from "node:test";
import { fieldsOf, pattern, readUntil, sha256 } from "../interop/common.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";
import { TestedApplication } from "./application.ts";
import { startWebServer, type WebServer, type WebServerPlaces } from "./web_server.ts";

const BIG = 64 * 1024 * 1024;
const REQUESTS_AT_ONCE = 200;
const LONG_HEADER_LENGTH = 70_000;
const LONG_HEADER_FIELDS = 5;

/** An application and the web server before it. */
export interface Fixture {
  readonly application: TestedApplication;
  readonly directory: string;
  readonly places: WebServerPlaces;
  readonly port: number;
  webServer: Child;
}

interface Case {
  readonly says: string;
  run(fixture: Fixture, webServer: WebServer): Promise<void>;
}

/** A test of the table, for one web server. */
export interface WebServerTest {
  readonly name: string;
  run(): Promise<void>;
}

/**
 * The whole table for a web server, which starts before the first test. Each file registers its
 * tests itself, because Deno's report names the file that did.
 */
export function commonTests(
  webServer: WebServer,
): { readonly skip: string | false; readonly tests: readonly WebServerTest[] } {
  const skip = webServer.peer === undefined ? false : missingPeer(webServer.peer);
  let fixture: Fixture | undefined;
  const get = () => {
    assert.ok(fixture, `${webServer.name} did not start`);
    return fixture;
  };
  before(async () => {
    if (skip) return;
    const directory = temporaryDirectory();
    const application = await TestedApplication.start(directory);
    const port = await freePort();
    const places = { socket: application.socket, port };
    fixture = {
      application,
      directory,
      places,
      port,
      webServer: await startWebServer(webServer, directory, places),
    };
  });
  after(async () => {
    await fixture?.webServer.stop();
    await fixture?.application.stop();
  });
  const tests = CASES.map(({ says, run }) => ({
    name: `An application behind ${webServer.name} ${says}`,
    run: () => run(get(), webServer),
  }));
  return { skip, tests };
}

const CASES: readonly Case[] = [
  {
    says: "answers a GET and a HEAD",
    async run({ port }) {
      const response = await httpRequest(port, { target: "/hello" });
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), "hello\n");
      assert.ok(response.complete);
      const headers = await httpRequest(port, { method: "HEAD", target: "/hello" });
      assert.equal(headers.status, 200);
      assert.equal(headers.body.length, 0);
    },
  },
  {
    says: "gets a POST with its length, its query, its headers and the client's address",
    async run({ port }) {
      const fields = await echo(port, {
        target: "/echo?a=1&b=%20",
        headers: { "X-Test": "some value", Authorization: "Bearer abc" },
        body: Buffer.from("a body"),
      });
      assert.deepEqual(fields, {
        method: "POST",
        length: "6",
        sha256: sha256("a body"),
        content_length: "6",
        query: "a=1&b=%20",
        x_test: "some value",
        authorization: "Bearer abc",
        role: "responder",
        client: "127.0.0.1",
      });
    },
  },
  {
    says: "gets a short POST without a length",
    async run({ port }, { chunkedUpload }) {
      await echoesChunks(port, Buffer.from("a body"), chunkedUpload === "streamed");
    },
  },
  {
    says: "sends 64 MiB down, every byte in its place",
    async run({ port }) {
      const connection = await HttpConnection.open(port);
      await connection.send({ target: `/bytes?n=${BIG}` });
      const headers = await connection.readHeaders();
      assert.equal(headers.status, 200);
      const body = connection.readBody(headers);
      const sum = createHash("sha256");
      let length = 0;
      for await (const piece of body.pieces) {
        sum.update(piece);
        length += piece.length;
      }
      connection.destroy();
      assert.equal(length, BIG);
      assert.equal(sum.digest("hex"), sha256(pattern(BIG)));
      assert.ok(body.complete);
    },
  },
  {
    says: "gets 64 MiB up, every byte in its place",
    async run({ port }) {
      const body = pattern(BIG);
      const fields = await echo(port, { body });
      assert.equal(fields.length, String(BIG));
      assert.equal(fields.sha256, sha256(body));
    },
  },
  {
    says: "gets 64 MiB up without a length where the web server can send them",
    async run({ port }, { chunkedUpload }) {
      const body = pattern(BIG);
      if (chunkedUpload === "refused") await refusesUpload(port, body);
      else await echoesChunks(port, body, chunkedUpload === "streamed");
    },
  },
  {
    says: "is read by the client as it writes",
    async run({ application, port }) {
      const { connection, held } = await hold(application, port);
      held.send("first\n");
      const body = connection.readBody(await connection.readHeaders());
      assert.equal(await readUntil(body.pieces, "first\n"), "first\n");
      held.send("second\n");
      assert.equal(await readUntil(body.pieces, "second\n"), "second\n");
      held.end();
      assert.ok((await body.pieces.next()).done);
      assert.ok(body.complete);
      connection.destroy();
    },
  },
  {
    says: `has ${REQUESTS_AT_ONCE} requests in hand at once, and each gets its own response`,
    async run({ application, port }, { multiplexes }) {
      const usedBefore = application.connectionsUsed;
      application.expectTogether(REQUESTS_AT_ONCE);
      await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, async (_, index) => {
        const response = await httpRequest(port, { target: `/together?index=${index}` });
        assert.equal(response.status, 200);
        assert.equal(response.body.toString(), `${index}\n`);
      }));
      const used = application.connectionsUsed - usedBefore;
      if (multiplexes) assert.ok(used < REQUESTS_AT_ONCE / 10, `${used} connections were used`);
      else assert.ok(used > REQUESTS_AT_ONCE / 2, `only ${used} connections were used`);
    },
  },
  {
    says: "hears of a client that left before the response",
    async run({ application, port }, { abort }) {
      const { connection, held } = await hold(application, port);
      const aborted = abortOf(held.signal);
      connection.destroy();
      if (abort === "at_once") return await aborted;
      await answersHello(port, 20);
      assert.equal(held.signal.aborted, false);
      for (let count = 0; count < 20; count++) {
        held.send("a piece\n");
        await answersHello(port, 1);
      }
      if (abort === "when_writing") return await aborted;
      assert.equal(held.signal.aborted, false);
      held.end();
    },
  },
  {
    says: "hears of a client that left in the middle of a response",
    async run({ application, port }, { abort }) {
      const { connection, held } = await hold(application, port);
      const aborted = abortOf(held.signal);
      held.send("first\n");
      const body = connection.readBody(await connection.readHeaders());
      await readUntil(body.pieces, "first\n");
      connection.destroy();
      if (abort === "at_once") return await aborted;
      await answersHello(port, 20);
      assert.equal(held.signal.aborted, false);
      for (let count = 0; count < 20 && !held.signal.aborted; count++) {
        held.send("more\n");
        await answersHello(port, 1);
      }
      if (abort === "when_writing") return await aborted;
      assert.equal(held.signal.aborted, false);
      held.end();
    },
  },
  {
    says: "gets 70 kB of headers where the web server can send them",
    async run({ port }, { longHeaders }) {
      const value = "x".repeat(LONG_HEADER_LENGTH / LONG_HEADER_FIELDS);
      const fields = Array.from({ length: LONG_HEADER_FIELDS }, (_, i) => [`X-Long-${i}`, value]);
      const headers = Object.fromEntries(fields);
      const response = await httpRequest(port, { target: "/header-length", headers });
      assert.equal(response.status, longHeaders, response.body.toString());
      if (longHeaders === 200) assert.equal(response.body.toString(), `${LONG_HEADER_LENGTH}\n`);
    },
  },
  {
    says: "goes on when the web server is started again",
    async run(fixture, webServer) {
      const { connection, held } = await hold(fixture.application, fixture.port);
      const aborted = abortOf(held.signal);
      await fixture.webServer.stop("SIGKILL");
      await aborted;
      connection.destroy();
      fixture.webServer = await startWebServer(webServer, join(fixture.directory), fixture.places);
      await answersHello(fixture.port, 20);
    },
  },
];

/** A request that its handler has in hand. */
async function hold(application: TestedApplication, port: number) {
  const id = crypto.randomUUID();
  const connection = await HttpConnection.open(port);
  await connection.send({ target: `/held?id=${id}` });
  return { connection, held: await application.held(id) };
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}

/**
 * A body whose length the client does not say, and the application hears of if it was gathered:
 * Apache gathers one that is all there when it looks.
 */
async function echoesChunks(port: number, body: Uint8Array, streamed: boolean): Promise<void> {
  const fields = await echo(port, { body, chunked: true });
  assert.equal(fields.length, String(body.length));
  assert.equal(fields.sha256, sha256(body));
  const isLong = body.length === BIG;
  if (streamed && isLong) assert.match(fields.content_length!, /^(-1)?$/);
  else if (streamed) assert.match(fields.content_length!, /^(-1|6)?$/);
  else assert.equal(fields.content_length, String(body.length));
}

/** 400, unless the connection's end overtakes it because the rest of the body was not read. */
async function refusesUpload(port: number, body: Uint8Array): Promise<void> {
  const request = { method: "POST", target: "/echo", body, chunked: true };
  const status = await httpRequest(port, request).then((response) => response.status, () => "cut");
  assert.ok(status === 400 || status === "cut", `The response is ${status}`);
}

async function echo(
  port: number,
  request: {
    readonly target?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
    readonly chunked?: boolean;
  },
): Promise<Record<string, string>> {
  const headers = { "Content-Type": "application/octet-stream", ...request.headers };
  const response = await httpRequest(port, {
    target: "/echo",
    ...request,
    method: "POST",
    headers,
  });
  assert.equal(response.status, 200, response.body.toString());
  return fieldsOf(response.body);
}

export async function answersHello(port: number, times: number): Promise<void> {
  for (let count = 0; count < times; count++) {
    const response = await httpRequest(port, { target: "/hello" });
    assert.equal(response.status, 200, response.body.toString());
    assert.equal(response.body.toString(), "hello\n");
  }
}
