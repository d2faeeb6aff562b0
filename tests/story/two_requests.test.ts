/**
 * The story of two requests that share one connection, for readers who have never seen FastCGI. It
 * reads from top to bottom: what a client sends, what afcgi makes of it, what an application reads
 * and writes, and what the client gets. It happens in memory, and every byte between afcgi and the
 * application is shown: pairs of hexadecimal digits are bytes, a text in quotes is its characters,
 * and what follows " - " is for you. The tools at the end of the file are no part of the story.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { type RunningApp, startApp } from "../../src/app/app.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { Logger } from "../../src/observe/logger.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";

test("Two requests share one connection, and the second is done first", async () => {
  // There are two people, Ada and Bob, each with a browser. There is an application: a program that
  // listens on port 9000 and speaks FastCGI. We play all three by hand. Between them is the real
  // afcgi, started as by `afcgi serve --listen 0.0.0.0:80 --upstream tcp://10.0.0.9:9000`.

  const world = await startWorld({ listen: "0.0.0.0:80", upstream: "tcp://10.0.0.9:9000" });

  // 1. A question
  //
  // afcgi has never spoken to this application, so it asks one thing first: do you take several
  // requests on one connection? It asks in the only form that FastCGI has, a record. A record begins
  // with a header of 8 bytes: the version, the type, the id of a request (2 bytes), the length of
  // the content (2 bytes), the length of the padding, and a byte without a meaning. This record
  // belongs to no request, so its id is 0.
  //
  // The content is a list of names and values: the length of a name, the length of its value, the
  // name, the value. Whoever asks leaves the values empty.

  const first = await world.acceptConnection();
  await first.reads(`
    01 09 0000 0030 00 00        - version 1, GET_VALUES, request 0, 48 bytes of content, no padding
    0e 00 "FCGI_MAX_CONNS"       - how many connections do you take?
    0d 00 "FCGI_MAX_REQS"        - how many requests at a time?
    0f 00 "FCGI_MPXS_CONNS"      - several requests on one connection?
  `);
  first.writes(`
    01 0a 0000 0012 00 00        - GET_VALUES_RESULT, request 0, 18 bytes
    0f 01 "FCGI_MPXS_CONNS" "1"  - yes
  `);

  // 2. A request as a client sends it
  //
  // HTTP/1.1 is text: a line for the request, a line for each header, and an empty line.

  const ada = world.connectClient("192.0.2.7", 4711);
  ada.send(
    "GET /hello?name=Ada HTTP/1.1\r\n" +
      "Host: example.com\r\n" +
      "Accept: text/plain\r\n" +
      "\r\n",
  );

  // 3. The same request as an application reads it
  //
  // afcgi opens a connection. BEGIN_REQUEST begins the request and gives it an id, here 1. The
  // application is to be a responder (role 1): it makes the response. A flag says that the
  // connection stays open when the request is over.
  //
  // The application does not get the lines of HTTP. It gets parameters, under the names of CGI/1.1:
  // the method, the path, the client's address, and each header as HTTP_ and its name. They are the
  // content of PARAMS records. The padding at the end makes the next record begin at a multiple of 8.
  //
  // PARAMS is a stream: it may take many records, and a record without content ends it. So is STDIN,
  // the body of the request. Ada sent no body, so her STDIN is over at once.

  const connection = await world.acceptConnection();
  await connection.reads(`
    01 01 0001 0008 00 00        - BEGIN_REQUEST, request 1, 8 bytes
    0001 01 00 00 00 00 00       - role 1, responder; flag 1, keep the connection; 5 bytes unused
    01 04 0001 0169 07 00        - PARAMS, request 1, 361 bytes and 7 of padding
    11 07 "GATEWAY_INTERFACE"    "CGI/1.1"
    0f 0b "SERVER_SOFTWARE"      "afcgi/1.0.0"
    0f 03 "REDIRECT_STATUS"      "200"
    0e 03 "REQUEST_METHOD"       "GET"
    0b 0f "REQUEST_URI"          "/hello?name=Ada"
    0c 06 "DOCUMENT_URI"         "/hello"
    0b 00 "SCRIPT_NAME"          - empty: no script was named
    09 06 "PATH_INFO"            "/hello"
    0c 08 "QUERY_STRING"         "name=Ada"
    0f 08 "SERVER_PROTOCOL"      "HTTP/1.1"
    0e 04 "REQUEST_SCHEME"       "http"
    0b 0b "SERVER_NAME"          "example.com"
    0b 02 "SERVER_PORT"          "80"
    0b 09 "REMOTE_ADDR"          "192.0.2.7"
    0b 04 "REMOTE_PORT"          "4711"
    09 0b "HTTP_HOST"            "example.com"
    0b 0a "HTTP_ACCEPT"          "text/plain"
    00 00 00 00 00 00 00         - the padding
    01 04 0001 0000 00 00        - PARAMS of request 1 is over
    01 05 0001 0000 00 00        - STDIN of request 1 is over
  `);

  // 4. A second request on the same connection
  //
  // The application thinks about Ada's request for a while. Meanwhile Bob sends a form. Since the
  // application takes several requests on one connection, afcgi opens no other one: Bob's request
  // is request 2 on this one. Its body, 7 bytes, is the content of a STDIN record. That the two do
  // not get mixed up is the work of the id in each record, and is called multiplexing.

  const bob = world.connectClient("198.51.100.3", 1815);
  bob.send(
    "POST /vote HTTP/1.1\r\n" +
      "Host: example.com\r\n" +
      "Content-Type: text/plain\r\n" +
      "Content-Length: 7\r\n" +
      "\r\n" +
      "my vote",
  );
  await connection.reads(`
    01 01 0002 0008 00 00        - BEGIN_REQUEST, request 2
    0001 01 00 00 00 00 00
    01 04 0002 016b 05 00        - PARAMS
    11 07 "GATEWAY_INTERFACE"    "CGI/1.1"
    0f 0b "SERVER_SOFTWARE"      "afcgi/1.0.0"
    0f 03 "REDIRECT_STATUS"      "200"
    0e 04 "REQUEST_METHOD"       "POST"
    0b 05 "REQUEST_URI"          "/vote"
    0c 05 "DOCUMENT_URI"         "/vote"
    0b 00 "SCRIPT_NAME"
    09 05 "PATH_INFO"            "/vote"
    0c 00 "QUERY_STRING"
    0c 0a "CONTENT_TYPE"         "text/plain"
    0e 01 "CONTENT_LENGTH"       "7"
    0f 08 "SERVER_PROTOCOL"      "HTTP/1.1"
    0e 04 "REQUEST_SCHEME"       "http"
    0b 0b "SERVER_NAME"          "example.com"
    0b 02 "SERVER_PORT"          "80"
    0b 0c "REMOTE_ADDR"          "198.51.100.3"
    0b 04 "REMOTE_PORT"          "1815"
    09 0b "HTTP_HOST"            "example.com"
    00 00 00 00 00
    01 04 0002 0000 00 00        - PARAMS of request 2 is over
    01 05 0002 0007 01 00        - STDIN, 7 bytes and 1 of padding
    "my vote" 00
    01 05 0002 0000 00 00        - STDIN of request 2 is over
  `);
  assert.equal(world.connectionsToAccept, 0);

  // 5. The application writes, in the order that it likes
  //
  // A response is a stream as well, STDOUT: a few lines of headers, an empty line, the body. The
  // application begins Ada's response. Before it goes on, it writes all of Bob's, with a status of
  // its own. END_REQUEST says that the request is over: first with the application's own status (4
  // bytes, as the exit status of a program), then with that of the protocol, where 0 is fine.

  connection.writes(`
    01 06 0001 001c 04 00        - STDOUT, request 1, 28 bytes and 4 of padding
    "Content-Type: text/plain" 0d0a
    0d0a                         - an empty line: the headers are over
    00 00 00 00
    01 06 0002 002a 06 00        - STDOUT, request 2
    "Status: 201 Created" 0d0a
    "Content-Length: 6" 0d0a
    0d0a
    00 00 00 00 00 00
    01 06 0002 0006 02 00        - STDOUT, request 2
    "voted" 0a 00 00
    01 06 0002 0000 00 00        - STDOUT of request 2 is over
    01 03 0002 0008 00 00        - END_REQUEST, request 2
    00000000 00 00 00 00         - the application's status 0; the protocol's 0: complete
  `);

  // 6. The responses as clients read them
  //
  // Bob has his response. It is HTTP again: the status is in the first line, and afcgi has added the
  // date (in memory it is always 2001). Ada has the beginning of hers. Nobody has said how long it
  // will be, so it travels in chunks, each with its length before it; none has come yet.

  await bob.reads(
    "HTTP/1.1 201 Created",
    "date: Sun, 09 Sep 2001 01:46:40 GMT",
    "content-length: 6",
    "",
    "voted\n",
  );
  await ada.reads(
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "date: Sun, 09 Sep 2001 01:46:40 GMT",
    "transfer-encoding: chunked",
    "",
    "",
  );

  // 7. The end of the first request
  //
  // The application writes a line for the log, the rest of Ada's response, and that it is over.

  connection.writes(`
    01 07 0001 000d 03 00        - STDERR, request 1
    "Ada was here." 00 00 00
    01 06 0001 000c 04 00        - STDOUT, request 1
    "Hello, Ada!" 0a 00 00 00 00
    01 06 0001 0000 00 00        - STDOUT of request 1 is over
    01 03 0001 0008 00 00        - END_REQUEST, request 1
    00000000 00 00 00 00         - complete
  `);
  await ada.reads(
    "c", // 12 bytes in hexadecimal digits
    "Hello, Ada!\n",
    "0", // no more chunks
    "",
    "",
  );
  assert.deepEqual(await world.readLog(), ["Ada was here."]);

  // 8. What is left
  //
  // Both ids are free again, and the connection waits for the next requests of whomever. Had the
  // application closed it in the middle of Ada's response, afcgi would have cut her connection: half
  // a response must never look like a whole one.

  assert.equal(connection.isClosed, false);
  await world.app.stop();
  await turnsUntil(() => connection.isClosed);
  assert.equal(connection.isClosed, true);
});

// The tools.

/** afcgi in memory, with the client's side and the application's in our hands. */
class World {
  readonly runtime = new MemoryRuntime();
  readonly listen: string;
  readonly #waiting: ApplicationConnection[] = [];
  app!: RunningApp;
  logger!: Logger;
  #log = "";

  constructor(listen: string) {
    this.listen = listen;
  }

  /** Connections of afcgi that the application has yet to accept. */
  get connectionsToAccept(): number {
    return this.#waiting.length;
  }

  /** The messages of the warnings in afcgi's log. */
  async readLog(): Promise<string[]> {
    await this.logger.flush();
    return this.#log.trim().split("\n").map((line) => JSON.parse(line).msg);
  }

  /** As a sink of the logger. */
  write(text: string): void {
    this.#log += text;
  }

  async flush(): Promise<void> {}

  offer(connection: ByteConnection): void {
    this.#waiting.push(new ApplicationConnection(connection));
  }

  async acceptConnection(): Promise<ApplicationConnection> {
    await turnsUntil(() => this.#waiting.length > 0);
    return this.#waiting.shift()!;
  }

  connectClient(host: string, port: number): Client {
    const client = new Client(host, port);
    client.events = this.runtime.connectClient(parseAddress(this.listen), client);
    return client;
  }
}

async function startWorld(flags: { listen: string; upstream: string }): Promise<World> {
  const world = new World(flags.listen);
  const { runtime } = world;
  await runtime.network.listen(
    parseAddress(flags.upstream),
    (connection) => world.offer(connection),
  );
  const { options } = await loadConfig({ ...flags, admin: "off" }, {
    files: runtime.files,
    readVariable: () => undefined,
    cwd: "/",
  });
  const logger = new Logger({ sink: world, clock: runtime.clock, level: "warn", format: "json" });
  world.logger = logger;
  world.app = await startApp(options, { runtime, logger, version: "1.0.0" });
  return world;
}

/** A client that shows what it was sent as lines. */
class Client extends MemoryCallbackSocket {
  async reads(...lines: string[]): Promise<void> {
    await turnsUntil(() => this.text.length >= lines.join("\r\n").length);
    assert.deepEqual(this.takeText().split("\r\n"), lines);
  }
}

/** The application's end of a connection from afcgi. */
class ApplicationConnection {
  isClosed = false;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #received: number[] = [];

  constructor(connection: ByteConnection) {
    this.#writer = connection.writable.getWriter();
    void this.#readAll(connection.readable);
  }

  async #readAll(readable: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of readable) this.#received.push(...bytes);
    this.isClosed = true;
  }

  /** What has come since the last call is these bytes and no others. */
  async reads(shown: string): Promise<void> {
    const expected = bytesOf(shown);
    await turnsUntil(() => this.#received.length >= expected.length);
    assert.equal(print(this.#received.splice(0)), print(expected));
  }

  writes(shown: string): void {
    void this.#writer.write(Uint8Array.from(bytesOf(shown)));
  }
}

/** Far above what any step takes; some wait for another thread. */
const LIMIT_MS = 10_000;

/** Turns of the event loop until something holds; a test that waits in vain fails by what it expects. */
async function turnsUntil(holds: () => boolean): Promise<void> {
  const limitMs = performance.now() + LIMIT_MS;
  while (!holds() && performance.now() < limitMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The bytes that lines show; see the top of this file. */
function bytesOf(shown: string): number[] {
  const tokens = shown.split("\n").flatMap((line) =>
    line.replace(/(^|\s)- .*$/, "").match(/"[^"]*"|[0-9a-f]{2}|\S/g) ?? []
  );
  return tokens.flatMap((token) =>
    token.startsWith('"')
      ? [...token.slice(1, -1)].map((character) => character.charCodeAt(0))
      : [parseInt(token, 16)]
  );
}

/** A line for each 16 bytes, so that a difference can be read. */
function print(bytes: readonly number[]): string {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const row = bytes.slice(start, start + 16);
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => String.fromCharCode(byte)).join("");
    lines.push(`${hex.padEnd(48)}${text.replace(/[^ -~]/g, ".")}`);
  }
  return lines.join("\n");
}
