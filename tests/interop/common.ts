/**
 * What every application must get through afcgi, whatever it is written in: the table that each
 * `*.test.ts` beside this file runs, once over TCP and once over a unix socket.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Afcgi } from "../support/afcgi.ts";
import { missingPeer } from "../support/peers.ts";
import { freePlace, type Place, temporaryDirectory } from "../support/places.ts";
import { HttpConnection, httpRequest, requestHeaders } from "../support/raw_http.ts";
import {
  type Application,
  NETWORKS,
  type RunningApplication,
  startApplication,
} from "./application.ts";
import { terminalTests } from "./terminal.ts";

const MIB = 1024 * 1024;
const BIG = 64 * MIB;
const REQUESTS_AT_ONCE = 200;
const LONG_HEADER_LENGTH = 70_000;
const LONG_HEADER_FIELDS = 5;

/** One application behind one afcgi, over one kind of socket. */
export interface Fixture {
  readonly application: RunningApplication;
  readonly afcgi: Afcgi;
  readonly directory: string;
}

interface Case {
  readonly says: string;
  run(fixture: Fixture): Promise<void>;
}

/** Starts the application and afcgi before the tests of a file, and stops both after them. */
export function fixtures(application: Application): {
  readonly skip: string | false;
  get(network: Place["network"]): Fixture;
} {
  const skip = missingPeer(application.peer);
  const byNetwork = new Map<string, Fixture>();
  before(async () => {
    if (skip) return;
    const directory = temporaryDirectory();
    await application.prepare(directory);
    for (const network of NETWORKS) {
      const place = await freePlace(network, directory);
      const running = await startApplication(application, directory, place);
      const flags = application.flags(directory, place);
      const afcgi = await Afcgi.start(
        flags ? { args: flags } : { config: application.config(directory, place) },
      );
      byNetwork.set(network, { application: running, afcgi, directory });
    }
  });
  after(async () => {
    for (const { afcgi, application } of byNetwork.values()) {
      await afcgi.stop();
      await application.child.stop();
    }
  });
  return {
    skip,
    get(network) {
      const fixture = byNetwork.get(network);
      assert.ok(fixture, `${application.name} over ${network} did not start`);
      return fixture;
    },
  };
}

/** Registers the whole table for an application. */
export function commonTests(application: Application): ReturnType<typeof fixtures> {
  const started = fixtures(application);
  for (const network of NETWORKS) {
    for (const { says, run } of CASES) {
      test(`${application.name} over ${network} ${says}`, { skip: started.skip }, async () => {
        await run(started.get(network));
      });
    }
    longHeaderTest(application, network, started);
    terminalTests(application, network, started);
  }
  return started;
}

const CASES: readonly Case[] = [
  {
    says: "answers a GET",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { target: "/hello" });
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), "hello\n");
      assert.ok(response.complete);
    },
  },
  {
    says: "answers a HEAD without a body",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, { method: "HEAD", target: "/hello" });
      assert.equal(response.status, 200);
      assert.equal(response.body.length, 0);
    },
  },
  {
    says: "gets a POST with a Content-Length, its query and its headers",
    async run({ afcgi }) {
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/echo?a=1&b=%20",
        headers: { "X-Test": "some value", "Content-Type": "application/octet-stream" },
        body: "a body",
      });
      assert.equal(response.status, 200);
      assert.deepEqual(fieldsOf(response.body), {
        method: "POST",
        length: "6",
        sha256: sha256("a body"),
        content_length: "6",
        query: "a=1&b=%20",
        x_test: "some value",
      });
    },
  },
  {
    says: "gets a chunked POST with its exact CONTENT_LENGTH",
    async run({ afcgi }) {
      const body = pattern(200_000);
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/echo",
        headers: { "Content-Type": "application/octet-stream" },
        body,
        chunked: true,
      });
      assert.equal(response.status, 200);
      const fields = fieldsOf(response.body);
      assert.equal(fields.length, "200000");
      assert.equal(fields.content_length, "200000");
      assert.equal(fields.sha256, sha256(body));
    },
  },
  {
    says: "sends 64 MiB down, every byte in its place",
    async run({ afcgi }) {
      const connection = await HttpConnection.open(afcgi.port);
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
    async run({ afcgi }) {
      const body = pattern(BIG);
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/echo",
        headers: { "Content-Type": "application/octet-stream" },
        body,
      });
      assert.equal(response.status, 200, response.body.toString());
      const fields = fieldsOf(response.body);
      assert.equal(fields.length, String(BIG));
      assert.equal(fields.sha256, sha256(body));
    },
  },
  {
    says: "gets 64 MiB up in chunks, every byte in its place",
    async run({ afcgi }) {
      const body = pattern(BIG);
      const response = await httpRequest(afcgi.port, {
        method: "POST",
        target: "/echo",
        headers: { "Content-Type": "application/octet-stream" },
        body,
        chunked: true,
      });
      assert.equal(response.status, 200, response.body.toString());
      const fields = fieldsOf(response.body);
      assert.equal(fields.content_length, String(BIG));
      assert.equal(fields.sha256, sha256(body));
    },
  },
  {
    says: "does not get a body one byte over 64 MiB: 413",
    async run({ afcgi }) {
      const connection = await HttpConnection.open(afcgi.port);
      const headers = { "Content-Length": String(BIG + 1) };
      await connection.write(requestHeaders({ method: "POST", target: "/echo", headers }));
      const response = await connection.readResponse();
      connection.destroy();
      assert.equal(response.status, 413);
    },
  },
  {
    says: `answers ${REQUESTS_AT_ONCE} requests at once, each with its own response`,
    async run({ afcgi }) {
      const requests = Array.from({ length: REQUESTS_AT_ONCE }, async (_, index) => {
        const body = pattern(index + 1);
        const response = await httpRequest(afcgi.port, {
          method: "POST",
          target: `/echo?index=${index}`,
          headers: { "Content-Type": "application/octet-stream" },
          body,
        });
        assert.equal(response.status, 200);
        const fields = fieldsOf(response.body);
        assert.equal(fields.query, `index=${index}`);
        assert.equal(fields.sha256, sha256(body));
      });
      await Promise.all(requests);
    },
  },
  {
    says: "is read by the client as it writes",
    async run({ afcgi, directory }) {
      const gate = gatePath(directory);
      const connection = await HttpConnection.open(afcgi.port);
      await connection.send({ target: `/stream?gate=${gate}` });
      const headers = await connection.readHeaders();
      const body = connection.readBody(headers);
      const first = await readUntil(body.pieces, "first\n");
      assert.equal(first, "first\n");
      writeFileSync(gate, "");
      assert.equal(await readUntil(body.pieces, "second\n"), "second\n");
      assert.ok((await body.pieces.next()).done);
      assert.ok(body.complete);
      connection.destroy();
    },
  },
  {
    says: "answers on after a client left in the middle of a response",
    async run({ afcgi, directory }) {
      const gate = gatePath(directory);
      const connection = await HttpConnection.open(afcgi.port);
      await connection.send({ target: `/stream?gate=${gate}` });
      const body = connection.readBody(await connection.readHeaders());
      await readUntil(body.pieces, "first\n");
      connection.destroy();
      await answersHello(afcgi, 20);
      writeFileSync(gate, "");
      await answersHello(afcgi, 20);
    },
  },
  {
    says: "answers on after a client left in the middle of 64 MiB",
    async run({ afcgi }) {
      const connection = await HttpConnection.open(afcgi.port);
      await connection.send({ target: `/bytes?n=${BIG}` });
      const body = connection.readBody(await connection.readHeaders());
      await body.pieces.next();
      connection.destroy();
      await answersHello(afcgi, 20);
    },
  },
  {
    says: "answers on after a client left in the middle of its upload",
    async run({ afcgi }) {
      const connection = await HttpConnection.open(afcgi.port);
      const headers = { "Content-Length": String(MIB) };
      await connection.write(requestHeaders({ method: "POST", target: "/echo", headers }));
      await connection.write(pattern(MIB / 2));
      connection.destroy();
      await answersHello(afcgi, 20);
    },
  },
];

/** The default limit refuses a header of 70 kB; a limit of 128 KiB lets it through whole. */
function longHeaderTest(
  application: Application,
  network: Place["network"],
  started: ReturnType<typeof fixtures>,
): void {
  const value = "x".repeat(LONG_HEADER_LENGTH / LONG_HEADER_FIELDS);
  const fields = Array.from({ length: LONG_HEADER_FIELDS }, (_, i) => [`X-Long-${i}`, value]);
  const request = { target: "/header-length", headers: Object.fromEntries(fields) };
  const name = `${application.name} over ${network}`;
  test(`${name} does not get a 70 kB header by default: 431`, { skip: started.skip }, async () => {
    const response = await httpRequest(started.get(network).afcgi.port, request);
    assert.equal(response.status, 431);
  });
  test(`${name} gets a 70 kB header where the limit is 128 KiB`, {
    skip: started.skip,
  }, async () => {
    const { directory, application: { place } } = started.get(network);
    const config = {
      ...application.config(directory, place),
      limits: { request_header: "128KiB" },
    };
    const afcgi = await Afcgi.start({ config });
    try {
      const response = await httpRequest(afcgi.port, request);
      assert.equal(response.status, 200, response.body.toString());
      assert.equal(response.body.toString(), `${LONG_HEADER_LENGTH}\n`);
    } finally {
      await afcgi.stop();
    }
  });
}

/** A file that does not exist yet; the application waits until it does. */
export function gatePath(directory: string): string {
  return join(directory, `gate-${crypto.randomUUID()}`);
}

/** The application's `/report`: what it saw of connections. */
export async function report(afcgi: Afcgi): Promise<Record<string, number>> {
  const response = await httpRequest(afcgi.port, { target: "/report" });
  assert.equal(response.status, 200);
  const fields = Object.entries(fieldsOf(response.body));
  return Object.fromEntries(fields.map(([name, value]) => [name, Number(value)]));
}

export async function answersHello(afcgi: Afcgi, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const response = await httpRequest(afcgi.port, { target: "/hello" });
    assert.equal(response.status, 200);
    assert.equal(response.body.toString(), "hello\n");
  }
}

/** `name=value` lines. */
export function fieldsOf(body: Uint8Array): Record<string, string> {
  const lines = body.toString().trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => {
    const [name = "", ...value] = line.split("=");
    return [name, value.join("=")];
  }));
}

/** Bytes of which the one at `i` is `i` modulo 251, so that none can change place unseen. */
export function pattern(length: number): Buffer {
  const block = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
  return Buffer.alloc(length, block);
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Reads pieces until their text ends with `end`. */
export async function readUntil(pieces: AsyncGenerator<Uint8Array>, end: string): Promise<string> {
  let text = "";
  while (!text.endsWith(end)) {
    const { value, done } = await pieces.next();
    if (done) return text;
    text += Buffer.from(value).toString();
  }
  return text;
}
