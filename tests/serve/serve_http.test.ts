/** Any fetch handler over HTTP/1.1 and HTTP/2: what it is asked, and what its clients get. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { test } from "node:test";
import { Hono } from "hono";
import {
  type HttpErrorContext,
  type HttpHandler,
  type HttpRequestInfo,
  type HttpServer,
  serveHttp,
  type ServeHttpOptions,
} from "../../mod.ts";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { selfSigned } from "../support/certificates.ts";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { httpsRequest } from "../support/https.ts";
import { temporaryDirectory } from "../support/places.ts";
import { HttpConnection, httpRequest, rawRequest } from "../support/raw_http.ts";

const TLS = { cert: CERTIFICATE, key: PRIVATE_KEY };

interface Served {
  readonly server: HttpServer;
  readonly port: number;
  readonly errors: readonly (readonly [phase: HttpErrorContext["phase"], message: string])[];
}

/** Serves while `use` runs. */
async function serving(
  handler: HttpHandler,
  options: Partial<ServeHttpOptions>,
  use: (served: Served) => Promise<void>,
): Promise<void> {
  const errors: [HttpErrorContext["phase"], string][] = [];
  const server = await serveHttp(handler, {
    listen: "127.0.0.1:0",
    onError: (error, { phase }) => errors.push([phase, String((error as Error).message)]),
    ...options,
  });
  const { addr } = server;
  try {
    await use({ server, port: addr.transport === "tcp" ? addr.port : 0, errors });
  } finally {
    await server.shutdown({ grace: 0 });
  }
}

const tells: HttpHandler = async (request, info) =>
  new Response(
    JSON.stringify({
      method: request.method,
      url: request.url,
      x: request.headers.get("x"),
      body: await request.text(),
      protocol: info.protocol,
      from: info.remoteAddr,
      tls: info.tls?.version,
    }),
  );

test("A request over HTTP/1.1 and over HTTP/2 is the same to the handler", async () => {
  await serving(tells, {}, async ({ port }) => {
    const first = await httpRequest(port, {
      method: "POST",
      target: "/a?b",
      headers: { Host: "a", x: "1" },
      body: "hello",
    });
    const client = await SocketHttp2Client.open(port);
    const id = client.request(requestFields("POST", "/a?b", [["x", "1"]]), false);
    client.data(id, "hello", true);
    await client.whole(id);
    const said = [first.body.toString(), client.text(id)].map((text) => JSON.parse(text));
    const rest = {
      method: "POST",
      url: "http://a/a?b",
      x: "1",
      body: "hello",
      from: "127.0.0.1",
    };
    assert.deepEqual(said, [
      { ...rest, protocol: "HTTP/1.1" },
      { ...rest, protocol: "HTTP/2.0" },
    ]);
    client.destroy();
  });
});

test("Over TLS a client chooses by ALPN, and the handler knows the URL's scheme", async () => {
  await serving(tells, { tls: TLS }, async ({ port }) => {
    const { body } = await httpsRequest({ port, host: "a" });
    const text = body.slice(body.indexOf("{"));
    assert.match(text, /"url":"https:\/\/a\/".*"protocol":"HTTP\/1\.1".*"tls":"TLSv1\.3"/);
    const client = await SocketHttp2Client.openTls(port);
    const id = client.request();
    await client.whole(id);
    assert.match(client.text(id), /"url":"https:\/\/a\/".*"protocol":"HTTP\/2\.0"/);
    client.destroy();
  });
});

test("Without HTTP/2 its preface is a request that nobody knows, and ALPN does not offer it", async () => {
  await serving(tells, { http2: false }, async ({ port }) => {
    const { status } = await rawRequest(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert.equal(status, 505);
  });
  await serving(tells, { http2: false, tls: TLS }, async ({ port }) => {
    const agreed = await new Promise((resolve, reject) => {
      const ALPNProtocols = ["h2", "http/1.1"];
      const socket = connectTls(
        { port, host: "127.0.0.1", ALPNProtocols, rejectUnauthorized: false },
        () => {
          resolve(socket.alpnProtocol);
          socket.destroy();
        },
      );
      socket.once("error", reject);
    });
    assert.equal(agreed, "http/1.1");
  });
});

test("The limits of HTTP/2 can be others", async () => {
  await serving(() => new Promise(() => {}), { http2: { streamsMax: 2 } }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    const ids = [1, 2, 3].map(() => client.request());
    const { reset } = await client.whole(ids[2]!);
    assert.equal(reset, "REFUSED_STREAM");
    client.destroy();
  });
});

test("A name may have a certificate of its own", async () => {
  const other = selfSigned("/CN=other.example");
  const forName = (name: string) => name === "other.example" ? other : undefined;
  await serving(tells, { tls: { ...TLS, forName } }, async ({ port }) => {
    const named = await httpsRequest({ port, servername: "other.example" });
    const unknown = await httpsRequest({ port, servername: "localhost" });
    assert.deepEqual([named.subject, unknown.subject], ["other.example", "localhost"]);
  });
});

test("What no Request can be is told to the client, and the handler is not asked", async () => {
  let asked = 0;
  const handler = () => {
    asked++;
    return new Response("x");
  };
  await serving(handler, {}, async ({ port, errors }) => {
    for (
      const [request, status] of [
        ["CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", 405],
        ["TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", 405],
        ["GET / HTTP/1.1\r\nhost: a/../b\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: a?b\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: a:99999\r\n\r\n", 400],
      ] as const
    ) assert.equal((await rawRequest(port, request)).status, status, request);
    assert.equal(asked, 0);
    for (const [phase] of errors) assert.equal(phase, "request");
  });
});

test("What HTTP may say and a Request can be reaches the handler", async () => {
  await serving(tells, {}, async ({ port }) => {
    for (
      const [request, url] of [
        ["GET /x HTTP/1.0\r\n\r\n", "http://localhost/x"],
        ["OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "http://a/"],
        ["GET //b/c HTTP/1.1\r\nhost: a\r\n\r\n", "http://a//b/c"],
        ["GET http://a/abs HTTP/1.1\r\nhost: a\r\n\r\n", "http://a/abs"],
        ["GET / HTTP/1.1\r\nhost: [::1]:81\r\ncontent-length: 1\r\n\r\nx", "http://[::1]:81/"],
      ] as const
    ) {
      const { status, body } = await rawRequest(port, request);
      assert.equal(status, 200, request);
      assert.equal(JSON.parse(body.toString()).url, url);
    }
  });
});

const FAILING: Readonly<Record<string, HttpHandler>> = {
  throws: () => {
    throw new Error("no");
  },
  rejects: () => Promise.reject(new Error("no")),
  "gives no Response": () => "x" as unknown as Response,
  "gives a promise of none": () => Promise.resolve(undefined as unknown as Response),
  "gives an error": () => Response.error(),
  "gives a body that was read": async () => {
    const response = new Response("x");
    await response.text();
    return response;
  },
};

for (const [what, handler] of Object.entries(FAILING)) {
  test(`A handler that ${what} is told of, and its client gets a 500 without details`, async () => {
    const each: HttpHandler = (request, info) =>
      request.url.endsWith("/fine") ? new Response("fine") : handler(request, info);
    await serving(each, {}, async ({ port, errors }) => {
      const connection = await HttpConnection.open(port);
      await connection.send({ target: "/" });
      const { status, body } = await connection.readResponse();
      assert.deepEqual([status, body.toString()], [500, "500 Internal Server Error\n"]);
      assert.deepEqual(errors.map(([phase]) => phase), ["handler"]);
      await connection.send({ target: "/fine" });
      assert.equal((await connection.readResponse()).body.toString(), "fine");
      connection.destroy();
    });
  });
}

test("A client that leaves aborts its request, over both versions", async () => {
  const aborted: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const handler: HttpHandler = (request, { protocol }) =>
    new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => {
        aborted.push(protocol);
        reject(request.signal.reason);
        if (aborted.length === 2) resolve();
      });
    });
  await serving(handler, {}, async ({ port, errors }) => {
    const connection = await HttpConnection.open(port);
    await connection.send({});
    const client = await SocketHttp2Client.open(port);
    const id = client.request();
    client.ping();
    await client.until(() => client.of("PING").length > 0);
    client.reset(id);
    await new Promise((next) => setTimeout(next, 50));
    connection.destroy();
    await promise;
    assert.deepEqual(aborted.sort(), ["HTTP/1.1", "HTTP/2.0"]);
    assert.deepEqual(errors, []);
    client.destroy();
  });
});

test("A shutdown waits for requests and for work behind them, and takes no new ones", async () => {
  const { promise: response, resolve: respond } = Promise.withResolvers<Response>();
  const { promise: work, resolve: finishWork } = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = await serveHttp((_request, info) => {
    info.waitUntil(work);
    asked.resolve();
    return response;
  }, { listen: "127.0.0.1:0" });
  const { addr } = server;
  assert.equal(addr.transport, "tcp");
  const port = addr.transport === "tcp" ? addr.port : 0;
  const answered = httpRequest(port, {});
  await asked.promise;
  let isOver = false;
  const over = server.shutdown().then(() => isOver = true);
  respond(new Response("late"));
  assert.equal((await answered).body.toString(), "late");
  await assert.rejects(httpRequest(port, {}));
  assert.equal(isOver, false, "the work behind it goes on");
  finishWork();
  await over;
  await server.finished;
});

test("A shutdown whose grace is over cuts what is left", async () => {
  const asked = Promise.withResolvers<void>();
  const server = await serveHttp(() => {
    asked.resolve();
    return new Promise(() => {});
  }, { listen: "127.0.0.1:0" });
  const { addr } = server;
  const answered = httpRequest(addr.transport === "tcp" ? addr.port : 0, {});
  answered.catch(() => {});
  await asked.promise;
  await server.shutdown({ grace: 10 });
  await assert.rejects(answered);
});

test("Work behind a response that fails is told of", async () => {
  await serving(
    (_request, info) => {
      info.waitUntil(Promise.reject(new Error("no")));
      return new Response("x");
    },
    {},
    async ({ port, errors }) => {
      await httpRequest(port, {});
      assert.deepEqual(errors, [["wait_until", "no"]]);
    },
  );
});

test("A connection too many gets a 503, and one that has made its requests is closed", async () => {
  await serving(tells, { maxConnections: 1 }, async ({ port }) => {
    const first = await HttpConnection.open(port);
    await first.send({});
    await first.readResponse();
    assert.equal((await httpRequest(port, {})).status, 503);
    first.destroy();
  });
  await serving(tells, { maxRequestsPerConnection: 1 }, async ({ port }) => {
    const { headers } = await httpRequest(port, {});
    assert.equal(headers.get("connection"), "close");
  });
  await serving(tells, { headersLengthMax: 1000 }, async ({ port }) => {
    assert.equal((await httpRequest(port, { headers: { x: "y".repeat(1000) } })).status, 431);
  });
});

test("Early hints go before the response, and are none where they cannot be", async () => {
  await serving(
    (_request, info) => {
      info.earlyHints(["</a.css>; rel=preload"]);
      return new Response("x");
    },
    {},
    async ({ port }) => {
      const connection = await HttpConnection.open(port);
      await connection.send({});
      assert.equal((await connection.readAnyHeaders()).status, 103);
      connection.destroy();
      assert.equal((await rawRequest(port, "GET / HTTP/1.0\r\n\r\n")).status, 200);
    },
  );
});

test("A Hono app's fetch is a handler, and what it is told is its env", async () => {
  const app = new Hono<{ Bindings: HttpRequestInfo }>();
  app.get("/x/:name", (context) => context.text(context.req.param("name") + context.env.protocol));
  await serving(app.fetch, {}, async ({ port }) => {
    const { body } = await httpRequest(port, { target: "/x/y" });
    assert.equal(body.toString(), "yHTTP/1.1");
  });
});

test("A unix socket is its owner's alone where nobody says otherwise", async () => {
  const path = join(temporaryDirectory(), "http.sock");
  await serving(tells, { listen: `unix:${path}` }, async ({ server }) => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(server.addr.transport, "unix");
    await Promise.resolve();
  });
});

const MISTAKES: readonly (readonly [what: string, error: RegExp, handler: unknown, unknown])[] = [
  ["no handler", /the handler is not a function$/, undefined, { listen: ":0" }],
  ["an app", /pass its "fetch"/, new Hono(), { listen: ":0" }],
  ["no address", /"listen" is missing/, tells, {}],
  ["a path", /a path wants a scheme/, tells, { listen: "/run/x.sock" }],
  ["a descriptor", /on "fd:3"/, tells, { listen: "fd:3" }],
  ["a mode of a port", /"mode" is for a unix socket/, tells, { listen: ":0", mode: 0o600 }],
  ["a limit of nothing", /maxConnections "0"/, tells, { listen: ":0", maxConnections: 0 }],
  ["a limit that is text", /idleTimeoutMs "5s"/, tells, { listen: ":0", idleTimeoutMs: "5s" }],
  [
    "a limit of HTTP/2",
    /http2\.streamsMax "-1"/,
    tells,
    { listen: ":0", http2: { streamsMax: -1 } },
  ],
  ["a certificate that is none", /certificate/i, tells, {
    listen: "127.0.0.1:0",
    tls: { cert: "tls.crt", key: "tls.key" },
  }],
];

for (const [what, error, handler, options] of MISTAKES) {
  test(`A mistake is told at once: ${what}`, async () => {
    const serve = () => serveHttp(handler as HttpHandler, options as ServeHttpOptions);
    await assert.rejects(
      async () => void await (await serve()).shutdown(),
      ({ message }: Error) => {
        assert.match(message, error);
        return true;
      },
    );
  });
}
