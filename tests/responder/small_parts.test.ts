/** The small parts of `serveFastCgi`, each by itself, at the edges of what it counts and takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../src/protocol/constants.ts";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { Parameters } from "../../src/protocol/parameters.ts";
import type { ServerConnection } from "../../src/protocol/server_connection.ts";
import { cgiHeaders, declaredLength, hasBody } from "../../src/responder/cgi_headers.ts";
import { HandlerInfo, type InfoSource } from "../../src/responder/handler_info.ts";
import { InputStream } from "../../src/responder/input_stream.ts";
import { RESPONDER_LIMIT_DEFAULTS, type ResponderLimits } from "../../src/responder/options.ts";
import { Outlet, OUTPUT_LENGTH_MAX } from "../../src/responder/outlet.ts";
import { ServerContext } from "../../src/responder/server_context.ts";
import { responseOf } from "../../src/runtime/http_response.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock } from "../support/memory/memory.ts";
import { hello, serve } from "./setup.ts";

/** As docs/applications.md has them. */
const LIMITS: ResponderLimits = {
  maxRequests: 10_000,
  maxRequestsPerConnection: 10_000,
  maxConnections: 1024,
  paramsLengthMax: 262_144,
  paramsMax: 1000,
  bodyBufferMax: 1_048_576,
  headLengthMax: 65_536,
  inputTimeoutMs: 60_000,
  idleTimeoutMs: 0,
};

function response(
  status: number,
  { body = null, statusText = "", headers = {} }: {
    readonly body?: string | null;
    readonly statusText?: string;
    readonly headers?: Record<string, string>;
  } = {},
): Response {
  // Not every runtime lets each text be said, so it is said of one that is there.
  const made = responseOf(body, { status, statusText: "", headers });
  return statusText === ""
    ? made
    : Object.defineProperty(made, "statusText", { value: statusText });
}

test("A final status has its own phrase, the usual one, or none that could be taken for more", () => {
  const cases: [status: number, statusText: string, line: string][] = [
    [200, "", "200 OK"],
    [200, "Fine enough", "200 Fine enough"],
    [200, "tab\tand ~", "200 tab\tand ~"],
    [200, "two\r\nlines", "200 OK"],
    [404, "h\u00e4", "404 Not Found"],
    [299, "", "299 Unknown"],
    [299, "\u007f", "299 Unknown"],
    [999, "", "999 Unknown"],
  ];
  for (const [status, statusText, line] of cases) {
    assert.equal(cgiHeaders(response(status, { statusText })).text, `Status: ${line}\r\n`);
  }
  for (const status of [0, 101, 199, 1000]) {
    const made = Object.defineProperty(response(200), "status", { value: status });
    assert.throws(
      () => cgiHeaders(made),
      new RangeError(`Cannot answer: status "${status}" is not a final one`),
    );
  }
});

test("Fields go as they are, but for those of a connection, and variables in upper case", () => {
  const { text, contentLength } = cgiHeaders(response(200, {
    headers: {
      connection: "close",
      "keep-alive": "1",
      "transfer-encoding": "chunked",
      status: "500",
      "content-length": "5",
      "variable-remote_user": "Me",
      "variable-": "x",
      "x-variable-a": "b",
      variable: "c",
    },
  }));
  assert.deepEqual(text.split("\r\n").toSorted(), [
    "",
    "Status: 200 OK",
    "Variable-: x",
    "Variable-REMOTE_USER: Me",
    "content-length: 5",
    "variable: c",
    "x-variable-a: b",
  ]);
  assert.equal(contentLength, "5");
  assert.equal(cgiHeaders(response(200)).contentLength, undefined);
});

test("A body has a type where it may be one, and its own where it says so", () => {
  const type = "content-type: text/plain;charset=utf-8";
  for (const status of [200, 404, 599]) {
    const made = response(status, { body: "x" });
    assert.equal(hasBody(made), true);
    assert.ok(cgiHeaders(made).text.toLowerCase().includes(`${type}\r\n`), String(status));
    assert.equal(hasBody(response(status)), false);
    assert.ok(!cgiHeaders(response(status)).text.includes("content-type"));
  }
  const own = response(200, { body: "x", headers: { "content-type": "a/b" } });
  assert.match(cgiHeaders(own).text, /^Status: 200 OK\r\ncontent-type: a\/b\r\n$/);
  for (const status of [204, 205, 304]) {
    const made = Object.defineProperty(response(200, { body: "x" }), "status", { value: status });
    made.headers.delete("content-type");
    assert.equal(hasBody(made), false, String(status));
    assert.ok(!cgiHeaders(made).text.includes("content-type"), String(status));
  }
});

test("A length is a number of up to fifteen digits, or an error", () => {
  const lengthOf = (contentLength: string | undefined) =>
    declaredLength({ text: "", contentLength });
  assert.equal(lengthOf(undefined), undefined);
  assert.equal(lengthOf("0"), 0);
  assert.equal(lengthOf("999999999999999"), 999_999_999_999_999);
  for (const wrong of ["", "-1", "+1", "1.5", "0x1", "1, 1", "1000000000000000", "x"]) {
    assert.throws(
      () => lengthOf(wrong),
      new TypeError(`Cannot answer: Content-Length "${wrong}" is not a number`),
    );
  }
});

test("The limits are what they are said to be, and each is refused with its name", async () => {
  assert.deepEqual(RESPONDER_LIMIT_DEFAULTS, LIMITS);
  for (const name of Object.keys(LIMITS) as (keyof ResponderLimits)[]) {
    const least = name.endsWith("TimeoutMs") ? 0 : 1;
    const wrong = [-1, NaN, Infinity, "5", {}, ...(least === 0 ? [] : [0, 0.5])];
    for (const value of wrong) {
      await assert.rejects(
        serve(hello, { [name]: value }),
        new RangeError(`Cannot serve FastCGI: ${name} "${value}" is not ${least} or more`),
      );
    }
    const { server } = await serve(hello, { [name]: least });
    await server.shutdown();
  }
});

function contextOf(
  maxRequests: number,
  onError: ConstructorParameters<typeof ServerContext>[0]["onError"] = () => {},
): ServerContext {
  return new ServerContext({
    handler: hello,
    limits: { ...LIMITS, maxRequests },
    multiplex: true,
    clock: new ManualClock(),
    onError,
  });
}

test("The last eighth of the places is for connections that hold fewer themselves", () => {
  const cases: [maxRequests: number, forOne: number][] = [
    [1, 1],
    [2, 1],
    [3, 2],
    [8, 7],
    [9, 7],
    [16, 14],
    [17, 14],
    [10_000, 8_750],
  ];
  for (const [maxRequests, forOne] of cases) {
    const { quota } = contextOf(maxRequests);
    let held = 0;
    while (quota.take(held)) held++;
    assert.equal(held, forOne, String(maxRequests));
    let others = 0;
    while (quota.take(0)) others++;
    assert.equal(others, maxRequests - forOne, "the rest is for others");
  }
});

test("The most requests at once are those that were, not those that are", () => {
  const context = contextOf(10);
  const seen: number[][] = [];
  const note = () =>
    void seen.push([context.requestsActive, context.requestsActiveMax, context.requestsSeen]);
  for (const step of ["+", "+", "-", "+", "-", "-", "+"]) {
    if (step === "+") {
      context.quota.take();
      context.countRequest();
    } else context.quota.release();
    note();
  }
  assert.deepEqual(seen, [
    [1, 1, 1],
    [2, 2, 2],
    [1, 2, 2],
    [2, 2, 3],
    [1, 2, 3],
    [0, 2, 3],
    [1, 2, 4],
  ]);
});

test("Work is waited for until none is left, and what fails of it is told with its peer", async () => {
  const told: unknown[] = [];
  const context = contextOf(1, (error, where) => {
    told.push([(error as Error).message, where]);
    throw new Error("the owner's own");
  });
  await context.workDone();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  context.addWork(first.promise.then(() => context.addWork(second.promise, "b")), "a");
  context.addWork(Promise.reject(new Error("no")), "c");
  let isDone = false;
  void context.workDone().then(() => isDone = true);
  for (const { resolve } of [first, second]) {
    await untilIdle();
    assert.equal(isDone, false);
    resolve();
  }
  await untilIdle();
  assert.equal(isDone, true);
  assert.deepEqual(told, [["no", { phase: "wait_until", peer: "c" }]]);
});

test("A handler is told its role, and has each stream and each function once", async () => {
  const parameters = Parameters.decode(
    encodeNameValues([["A", "1"], ["A", "2"], ["B", "\u00fc"]]),
    3,
  );
  const data = new InputStream(undefined, { inputTaken() {} });
  const works: Promise<unknown>[] = [];
  const source: InfoSource = {
    data,
    serverStatus: contextOf(1),
    writeStderr: (text) => Promise.resolve(text === "x"),
    addWork: (work) => void works.push(work),
  };
  const roles: [Role, string][] = [
    [Role.RESPONDER, "responder"],
    [Role.AUTHORIZER, "authorizer"],
    [Role.FILTER, "filter"],
  ];
  for (const [role, name] of roles) {
    assert.equal(new HandlerInfo(parameters, role, "192.0.2.1", source).role, name);
  }
  const info = new HandlerInfo(parameters, Role.FILTER, "192.0.2.1", source);
  assert.deepEqual([...info.params], [["A", "2"], ["B", "\u00fc"]]);
  assert.equal(info.params, info.params);
  assert.equal(info.stderr, info.stderr);
  assert.equal(info.data, info.data, "two readers would share one stream");
  assert.equal(info.server, source.serverStatus);
  assert.deepEqual([await info.stderr.write("x"), await info.stderr.write("y")], [true, false]);
  const { waitUntil } = info;
  const work = Promise.resolve();
  waitUntil(work);
  assert.deepEqual(works, [work]);
  const none = new HandlerInfo(parameters, Role.RESPONDER, "", { ...source, data: undefined });
  assert.equal(none.data, null);
});

test("A body as long as it was said to be, in any pieces, is whole; nothing else is", async () => {
  const cases: [expected: number | undefined, pieces: number[], error: RegExp | undefined][] = [
    [undefined, [], undefined],
    [undefined, [3, 4], undefined],
    [0, [], undefined],
    [7, [3, 4], undefined],
    [7, [3, 3], /^Cannot read body: 6 of 7 bytes have come$/],
    [7, [], /^Cannot read body: 0 of 7 bytes have come$/],
    [7, [3, 5], /^Cannot read body: it is longer than 7 bytes$/],
    [0, [1], /^Cannot read body: it is longer than 0 bytes$/],
  ];
  for (const [expected, pieces, error] of cases) {
    const input = new InputStream(expected, { inputTaken() {} });
    const length = pieces.reduce((sum, piece) => sum + piece, 0);
    for (const piece of pieces) input.push(new Uint8Array(piece));
    assert.equal(input.isComplete, false, "its end has not come");
    input.end();
    assert.equal(input.isComplete, error === undefined);
    assert.equal(input.buffered, error === undefined ? length : 0);
    const read = new Response(input.readable()).arrayBuffer();
    if (error === undefined) assert.equal((await read).byteLength, length);
    else await assert.rejects(read, { message: error });
    assert.equal(input.buffered, 0);
  }
});

test("All of a body is taken at once, and nothing of it is counted any more", () => {
  for (const pieces of [[], ["one"], ["one", "two", "three"]]) {
    const input = new InputStream(undefined, { inputTaken() {} });
    for (const piece of pieces) input.push(new TextEncoder().encode(piece));
    input.end();
    assert.equal(new TextDecoder().decode(input.takeAll()), pieces.join(""));
    assert.equal(input.buffered, 0);
    assert.equal(input.takeAll().length, 0);
  }
});

test("A body whose request is over fails for who still reads, unless all of it was read", async () => {
  const readAfter = async (act: (input: InputStream) => void) => {
    const input = new InputStream(undefined, { inputTaken() {} });
    const reader = input.readable().getReader();
    act(input);
    return await reader.read().then(({ done }) => done, ({ message }: Error) => message);
  };
  const over = "Cannot read body: the request is over";
  assert.equal(await readAfter((input) => input.close()), over);
  assert.equal(
    await readAfter((input) => {
      input.push(new Uint8Array(1));
      input.end();
      input.close();
    }),
    over,
  );
  assert.equal(
    await readAfter((input) => {
      input.end();
      input.close();
    }),
    true,
  );
  assert.equal(
    await readAfter((input) => {
      input.fail(new Error("first"));
      input.close();
      input.push(new Uint8Array(1));
      input.end();
    }),
    "first",
    "the first reason stays",
  );
});

test("Who waits for a turn is told once it can come no more, and later ones wait for nothing", async () => {
  let encoded = 0;
  const server = {
    // The web server takes nothing.
    outputLength: OUTPUT_LENGTH_MAX,
    sendStdout: () => void encoded++,
    sendStderr: () => void encoded++,
    takeOutput: () => new Uint8Array(1),
    recycleOutput: () => {},
  };
  for (const way of ["close", "end", "forget"] as const) {
    for (const stream of ["stdout", "stderr"] as const) {
      const outlet = new Outlet({
        server: server as unknown as ServerConnection,
        writable: new WritableStream({ write: () => new Promise(() => {}) }),
        clock: new ManualClock(),
        onSent: () => {},
        onBroken: () => {},
      });
      let settled = 0;
      const send = () => {
        const sent = outlet.send(1, stream, new Uint8Array(10));
        if (sent === undefined) settled++;
        else void sent.then(() => settled++);
      };
      send();
      send();
      await untilIdle();
      assert.equal(settled, 0);
      if (way === "forget") outlet.forget(1);
      else void outlet[way]();
      await untilIdle();
      assert.equal(settled, 2);
      if (way === "forget") continue;
      send();
      assert.equal(settled, 3, "nothing is waited for behind the end");
      server.outputLength = 0;
      send();
      server.outputLength = OUTPUT_LENGTH_MAX;
      assert.deepEqual([settled, encoded], [4, 0]);
    }
  }
});
