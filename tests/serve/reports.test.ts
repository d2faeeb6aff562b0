/** Who hears of what goes wrong behind `serveHttp`, and that nothing goes further wrong where that fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpErrorContext, HttpHandler } from "../../src/serve/options.ts";
import { turn, untilIdle } from "../support/idle.ts";
import "../support/unexpected.ts";
import { GET, type ServeWorld, serveWorld } from "./world.ts";

type Phase = HttpErrorContext["phase"];

/** What goes wrong: brought about by a client, or by the handler. */
interface Wrong {
  readonly phase: Phase;
  readonly says: RegExp;
  /** Whom it is told of; "" where nobody knows. */
  readonly peer?: "";
  readonly handler?: HttpHandler;
  readonly act: (world: ServeWorld) => void;
}

const ask = (world: ServeWorld) => void world.open(GET);
const askHttp2 = (world: ServeWorld) => void world.openHttp2().request();

const throws: HttpHandler = () => {
  throw new Error("no");
};

const rejects: HttpHandler = async () => {
  await Promise.resolve();
  throw new Error("no");
};

const leavesWork: HttpHandler = (_request, info) => {
  info.waitUntil(Promise.reject(new Error("no work")));
  return new Response("x");
};

/** Is a Response, and cannot be sent. */
const unsendable: HttpHandler = () =>
  Object.defineProperty(new Response("x"), "headers", {
    get: () => {
      throw new Error("no fields");
    },
  });

/** A body of two pieces at most, the second in another turn. */
function failing(
  error: unknown,
  pieces: number,
  headers: Record<string, string> = {},
): HttpHandler {
  return () => {
    let given = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (given > 0) await turn();
        if (given < pieces) return controller.enqueue(new Uint8Array(10 + given++));
        if (error === "ends") controller.close();
        else controller.error(error);
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers });
  };
}

/** Bodies that fail: at once, behind what was sent, without a reason, and those that are too short. */
const BODIES: Readonly<Record<string, readonly [handler: HttpHandler, says: RegExp]>> = {
  "a body that fails at once": [failing(new Error("no body"), 0), /^no body$/],
  "a body that fails behind its beginning": [failing(new Error("no more"), 2), /^no more$/],
  "a body that fails without a reason": [
    failing(undefined, 1),
    /^The body failed without a reason$/,
  ],
  "a body that is shorter than it says": [
    failing("ends", 2, { "content-length": "22" }),
    /^The body has 21 bytes of Content-Length 22$/,
  ],
  "a body that is not there though it says so": [
    failing("ends", 0, { "content-length": "1" }),
    /^The body has 0 bytes of Content-Length 1$/,
  ],
};

const WRONG: Readonly<Record<string, Wrong>> = {
  ...Object.fromEntries(
    Object.entries(BODIES).flatMap(([what, [handler, says]]): [string, Wrong][] => [
      [what, { phase: "handler", says, handler, act: ask }],
      [`${what} over HTTP/2`, { phase: "handler", says, handler, act: askHttp2 }],
    ]),
  ),
  "a handler that throws": { phase: "handler", says: /^no$/, handler: throws, act: ask },
  "a handler that rejects": { phase: "handler", says: /^no$/, handler: rejects, act: ask },
  "a handler that throws over HTTP/2": {
    phase: "handler",
    says: /^no$/,
    handler: throws,
    act: askHttp2,
  },
  "a handler that rejects over HTTP/2": {
    phase: "handler",
    says: /^no$/,
    handler: rejects,
    act: askHttp2,
  },
  "work behind a response": {
    phase: "wait_until",
    says: /^no work$/,
    handler: leavesWork,
    act: ask,
  },
  "work behind a response over HTTP/2": {
    phase: "wait_until",
    says: /^no work$/,
    handler: leavesWork,
    act: askHttp2,
  },
  "a response that cannot be sent": {
    phase: "response",
    says: /^no fields$/,
    peer: "",
    handler: unsendable,
    act: ask,
  },
  "a response that cannot be sent over HTTP/2": {
    phase: "response",
    says: /^no fields$/,
    peer: "",
    handler: unsendable,
    act: askHttp2,
  },
  "a request that cannot be one": {
    phase: "request",
    says: /^Cannot take method "TRACE"$/,
    act: (world) => void world.open("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"),
  },
  "a client that breaks a limit of HTTP/2": {
    phase: "connection",
    says: /limits\.http2\.settings/,
    act: (world) => {
      const client = world.openHttp2();
      for (let frame = 0; frame < 200; frame++) client.frame("SETTINGS", 0, 0);
    },
  },
  "a client that breaks the rules of HTTP/2": {
    phase: "connection",
    says: /^HEADERS on stream 2$/,
    act: (world) => world.openHttp2().frame("HEADERS", 5, 2),
  },
};

/** The phases that are told of on the console where nobody else is. */
const ON_CONSOLE: readonly Phase[] = ["handler", "response", "wait_until"];

/** What is written to the console meanwhile. */
async function onConsole(act: () => Promise<void>): Promise<unknown[][]> {
  const written: unknown[][] = [];
  const before = console.error;
  console.error = (...texts: unknown[]) => void written.push(texts);
  try {
    await act();
  } finally {
    console.error = before;
  }
  return written;
}

const fine: HttpHandler = () => new Response("fine");

for (
  const [what, { phase, says, peer = "192.0.2.7", handler = fine, act }] of Object.entries(WRONG)
) {
  test(`Of ${what} the server's owner hears once: ${phase}`, async () => {
    const heard: [error: unknown, context: HttpErrorContext][] = [];
    const world = await serveWorld(handler, { onError: (...given) => void heard.push(given) });
    const written = await onConsole(async () => {
      act(world);
      await untilIdle();
    });
    assert.deepEqual(heard.map(([, context]) => context), [{ phase, peer }]);
    assert.match((heard[0]![0] as Error).message, says);
    assert.deepEqual(written, []);
    await world.end();
  });

  const isTold = ON_CONSOLE.includes(phase);
  test(`Of ${what} ${isTold ? "the console" : "nobody"} is told where nobody listens`, async () => {
    const world = await serveWorld(handler, { onError: undefined as unknown as () => void });
    const written = await onConsole(async () => {
      act(world);
      await untilIdle();
    });
    assert.equal(written.length, isTold ? 1 : 0);
    if (isTold) {
      assert.equal(written[0]![0], "afcgi:");
      assert.match((written[0]![1] as Error).message, says);
    }
    await world.end();
  });

  test(`A listener that throws when told of ${what} harms nobody`, async () => {
    let heard = 0;
    const world = await serveWorld(
      (request, info) =>
        request.url.endsWith("/fine") ? new Response("fine") : handler(request, info),
      {
        onError: () => {
          heard++;
          throw new Error("the owner's own");
        },
      },
    );
    act(world);
    await untilIdle();
    assert.equal(heard, 1);
    const socket = world.open("GET /fine HTTP/1.1\r\nhost: a\r\n\r\n");
    await untilIdle();
    assert.match(socket.text, /^HTTP\/1\.1 200 [^]*fine$/);
    await world.end();
  });
}

test("Of a handshake that fails the owner hears with its client, whatever it does with that", async () => {
  const tls = { cert: "certificate", key: "key" };
  const world = await serveWorld(fine, { tls });
  const fail = ({ listening }: ServeWorld) =>
    listening.tls!.onHandshakeFailed!(
      { host: "192.0.2.9", port: 1 },
      "no shared cipher",
      "not_tls",
    );
  fail(world);
  assert.deepEqual(world.told, ["connection 192.0.2.9: no shared cipher"]);
  await world.end();
  const throwing = await serveWorld(fine, {
    tls,
    onError: () => {
      throw new Error("the owner's own");
    },
  });
  fail(throwing);
  await throwing.end();
});

/** What becomes of a body while its client leaves, in both orders. */
const LEAVING: Readonly<Record<string, (leave: () => void, fail: () => void) => void>> = {
  "as its client leaves": (leave, fail) => {
    fail();
    leave();
  },
  "once its client has left": (leave, fail) => {
    leave();
    fail();
  },
};

for (const [when, act] of Object.entries(LEAVING)) {
  test(`A body that fails ${when} is nobody's matter`, async () => {
    for (const askWith of [ask, askHttp2]) {
      let controller!: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
      const world = await serveWorld(() => new Response(body));
      askWith(world);
      controller.enqueue(new Uint8Array(10));
      await untilIdle();
      const fail = () => {
        try {
          controller.error(new Error("its client has left"));
        } catch {
          // It is cancelled, as it should be.
        }
      };
      act(() => world.sockets[0]!.close(), fail);
      await untilIdle();
      assert.deepEqual(world.told, []);
      await world.end();
    }
  });
}

test("A client that is told to leave, and one that leaves, are no errors", async () => {
  const world = await serveWorld(fine, { idleTimeoutMs: 1_000, maxRequestsPerConnection: 1 });
  const idle = world.openHttp2();
  const busy = world.openHttp2();
  busy.request();
  const left = world.openHttp2();
  left.request();
  left.socket.close();
  world.open(GET).close();
  await untilIdle();
  for (let step = 0; step < 5; step++) await world.advance(1_000);
  assert.equal(idle.read().goaway, "NO_ERROR");
  assert.equal(busy.read().goaway, "NO_ERROR");
  await world.end();
  assert.deepEqual(world.told, []);
});
