/** What a fetch handler is asked by our servers, what it is told beside, and what becomes of what it gives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpPeer } from "../../src/runtime/connection.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { BytesResponse } from "../../src/runtime/http_response.ts";
import { createFetchHandler } from "../../src/serve/fetch_handler.ts";
import { fetchRequest, UnfetchableError } from "../../src/serve/fetch_request.ts";
import type { HttpHandler, HttpRequestInfo } from "../../src/serve/options.ts";

const PEER: HttpPeer = { host: "192.0.2.7", port: 4711 };

const TLS = {
  serverName: "a",
  version: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  protocol: "h2",
  certificate: undefined,
  intermediates: [],
};

function body(text: string): ReadableStream<Uint8Array> {
  return new Response(text).body!;
}

/** A request of one of our servers; `host` stands for its only field. */
function requestOf(
  { host, ...given }: Partial<HttpRequest> & { readonly host?: string },
): HttpRequest {
  return {
    method: "GET",
    url: "/",
    headers: new Headers(host === undefined ? {} : { host }),
    body: null,
    signal: new AbortController().signal,
    ...given,
  };
}

/** A handler behind our servers, and what was told of it. */
function served(handler: HttpHandler) {
  const told: string[] = [];
  const works: Promise<unknown>[] = [];
  const handle = createFetchHandler({
    handler,
    report: (error, phase, peer) => void told.push(`${phase} ${peer}: ${(error as Error).message}`),
    addWork: (work, peer) => {
      works.push(work);
      told.push(`work of ${peer}`);
    },
  });
  return { told, works, handle };
}

const URLS: readonly (readonly [url: string, host: string | undefined, tls: boolean, string])[] = [
  ["/a?b=c", "a.example", false, "http://a.example/a?b=c"],
  ["/a?b=c", "a.example:81", true, "https://a.example:81/a?b=c"],
  ["/a", "a.example:", false, "http://a.example/a"],
  ["/a", "A_~b.-!$&'()*+,;=1:65535", false, "http://a_~b.-!$&'()*+,;=1:65535/a"],
  ["/a", "[2001:db8::1]:81", false, "http://[2001:db8::1]:81/a"],
  ["/a", undefined, false, "http://localhost/a"],
  ["/a", undefined, true, "https://localhost/a"],
  ["/a", "", true, "https://localhost/a"],
  ["*", "a", false, "http://a/"],
  ["*", undefined, true, "https://localhost/"],
  ["//b/c", "a", false, "http://a//b/c"],
  ["http://b/c?d", "a", true, "http://b/c?d"],
  ["HTTPS://b/c", "a", false, "https://b/c"],
  ["ftp://b/c", "a", false, "http://a/"],
];

for (const [url, host, isTls, asked] of URLS) {
  const where = `${isTls ? "https" : "http"}, host ${host === undefined ? "missing" : `"${host}"`}`;
  test(`The URL of ${url} over ${where} is ${asked}`, () => {
    const request = requestOf({ url, ...(host !== undefined && { host }) });
    assert.equal(fetchRequest(request, isTls).url, asked);
  });
}

test("A host that is more than a name and a port is refused, whatever the target is", () => {
  const hosts = [
    ...["a/b", "a?b", "a#b", "a@b", "a b", "a\\b", "a:1:2", "a:123456", "a:b", ":80"],
    ...["[::1", "::1", "[::1]x", "[g::1]", "a]", 'a"b', "a<b", "a|b", "ä"],
  ];
  for (const host of hosts) {
    for (const url of ["/x", "*", "http://c/x"]) {
      assert.throws(() => fetchRequest(requestOf({ url, host }), false), (error) => {
        assert.ok(error instanceof UnfetchableError);
        assert.equal(error.name, "UnfetchableError");
        assert.equal(error.status, 400, host);
        return true;
      }, `${host} before ${url}`);
    }
  }
});

test("What no URL is made of is refused with its cause", () => {
  for (const host of ["a:65536", "a:99999", "[:]", "a%zz"]) {
    assert.throws(() => fetchRequest(requestOf({ host }), false), (error) => {
      assert.ok(error instanceof UnfetchableError);
      assert.deepEqual(
        [error.status, error.message],
        [400, `Cannot read request for "http://${host}/"`],
      );
      assert.ok(error.cause instanceof TypeError);
      return true;
    }, host);
  }
});

test("A method that Fetch forbids is refused in any case; every other one is asked as it is", () => {
  for (const method of ["CONNECT", "TRACE", "TRACK", "connect", "Trace", "tRACK"]) {
    assert.throws(() => fetchRequest(requestOf({ method, host: "a" }), false), (error) => {
      assert.ok(error instanceof UnfetchableError);
      assert.deepEqual([error.status, error.message], [405, `Cannot take method "${method}"`]);
      return true;
    });
  }
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"]) {
    assert.equal(fetchRequest(requestOf({ method, host: "a" }), false).method, method);
  }
});

test("A body goes with every method but GET and HEAD; where there is none there is none", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY"]) {
    const request = fetchRequest(requestOf({ method, host: "a", body: body("hello") }), false);
    assert.equal(await request.text(), "hello", method);
    assert.equal(fetchRequest(requestOf({ method, host: "a" }), false).body, null, method);
  }
  for (const method of ["GET", "HEAD"]) {
    const given = body("hello");
    const request = fetchRequest(requestOf({ method, host: "a", body: given }), false);
    assert.equal(request.body, null, method);
    assert.equal(given.locked, false, "whoever reads it over may do so");
  }
});

test("A handler gets the fields and the signal of its request", () => {
  const controller = new AbortController();
  const headers = new Headers({ host: "a", "x-one": "1", "x-two": "2" });
  const asked = fetchRequest(requestOf({ headers, signal: controller.signal }), false);
  assert.deepEqual([...asked.headers], [["host", "a"], ["x-one", "1"], ["x-two", "2"]]);
  assert.equal(asked.signal.aborted, false);
  controller.abort(new Error("gone"));
  assert.equal(asked.signal.aborted, true);
});

test("What a Request cannot hold is told beside it", () => {
  const infos: HttpRequestInfo[] = [];
  const { handle } = served((_request, info) => {
    infos.push(info);
    return new Response("x");
  });
  const links: (readonly string[])[] = [];
  const peers: HttpPeer[] = [
    PEER,
    { host: "", port: 0, protocol: "HTTP/1.0" },
    { ...PEER, protocol: "HTTP/2.0", tls: TLS, earlyHints: (given) => void links.push(given) },
    { ...PEER, protocol: "HTTP/3.0", tls: { ...TLS, serverName: undefined } },
  ];
  for (const peer of peers) void handle(requestOf({ host: "a" }), peer);
  const { serverName, version, cipher } = TLS;
  assert.deepEqual(
    infos.map(({ remoteAddr, remotePort, protocol, tls }) => [
      remoteAddr,
      remotePort,
      protocol,
      tls,
    ]),
    [
      ["192.0.2.7", 4711, "HTTP/1.1", undefined],
      ["", 0, "HTTP/1.0", undefined],
      ["192.0.2.7", 4711, "HTTP/2.0", { serverName, version, cipher }],
      ["192.0.2.7", 4711, "HTTP/3.0", { serverName: undefined, version, cipher }],
    ],
  );
  for (const info of infos) info.earlyHints(["</a.css>"]);
  assert.deepEqual(links, [["</a.css>"]], "none where they cannot be");
});

test("The URL's scheme is that of the request's own connection", () => {
  const urls: string[] = [];
  const { handle } = served(({ url }) => {
    urls.push(url);
    return new Response("x");
  });
  for (const peer of [PEER, { ...PEER, tls: TLS }]) void handle(requestOf({ host: "a" }), peer);
  assert.deepEqual(urls, ["http://a/", "https://a/"]);
});

test("Work behind a response is its client's", async () => {
  const work = Promise.resolve();
  const { handle, works, told } = served((_request, info) => {
    info.waitUntil(work);
    return new Response("x");
  });
  await handle(requestOf({ host: "a" }), PEER);
  assert.deepEqual([works, told], [[work], ["work of 192.0.2.7"]]);
});

test("A Response that is there at once stays so, and is the handler's own", async () => {
  const response = new Response("x");
  assert.equal(served(() => response).handle(requestOf({ host: "a" }), PEER), response);
  const later = served(() => Promise.resolve(response)).handle(requestOf({ host: "a" }), PEER);
  assert.ok(later instanceof Promise);
  assert.equal(await later, response);
});

/** What a handler can do wrong, each in two ways: at once, and later. */
const WRONG: Readonly<Record<string, readonly [give: () => unknown, says: string]>> = {
  "an error that is thrown": [() => {
    throw new Error("no");
  }, "no"],
  "no Response": [
    () => "x",
    "Cannot answer: the handler returned something that is not a Response",
  ],
  "nothing": [
    () => undefined,
    "Cannot answer: the handler returned something that is not a Response",
  ],
  "a response of an error": [() => Response.error(), "Cannot answer with status 0"],
  "a body that is being read": [() => {
    const response = new Response("x");
    response.body!.getReader();
    return response;
  }, "Cannot answer: the body of the Response is read already"],
};

for (const [what, [give, says]] of Object.entries(WRONG)) {
  for (const when of ["at once", "later"]) {
    test(`A handler that gives ${what} ${when} is told of once, and its client gets a 500`, async () => {
      const { handle, told } = served(
        (when === "at once" ? give : async () => {
          await Promise.resolve();
          return give();
        }) as HttpHandler,
      );
      for (const method of ["GET", "HEAD", "POST"]) {
        told.length = 0;
        const response = await handle(requestOf({ method, host: "a" }), PEER);
        assert.ok(response instanceof BytesResponse);
        assert.deepEqual(
          [response.status, response.fields, new TextDecoder().decode(response.body)],
          // Of a HEAD nothing of the body is sent, but how long it would be.
          [500, [["content-type", "text/plain; charset=utf-8"]], "500 Internal Server Error\n"],
        );
        assert.deepEqual(told, [`handler 192.0.2.7: ${says}`]);
      }
    });

    test(`A handler that gives ${what} ${when} to a client that has left is nobody's matter`, async () => {
      const controller = new AbortController();
      const { handle, told } = served(
        (when === "at once"
          ? () => {
            controller.abort();
            return give();
          }
          : async () => {
            await Promise.resolve();
            controller.abort();
            return give();
          }) as HttpHandler,
      );
      const { signal } = controller;
      const response = await handle(requestOf({ host: "a", signal }), PEER);
      assert.equal(response.status, 500);
      assert.deepEqual(told, []);
    });
  }
}

test("What no Request can be is told of once, and to its client; the handler is not asked", () => {
  let asked = 0;
  const { handle, told } = served(() => {
    asked++;
    return new Response("x");
  });
  const cases = [
    [{ method: "TRACE", host: "a" }, 405, "405 Method Not Allowed\n", 'Cannot take method "TRACE"'],
    [
      { method: "HEAD", host: "a/b" },
      400,
      "400 Bad Request\n",
      "Cannot read host: it is more than a name and a port",
    ],
  ] as const;
  for (const [request, status, text, says] of cases) {
    told.length = 0;
    const response = handle(requestOf(request), PEER);
    assert.ok(response instanceof BytesResponse);
    assert.deepEqual(
      [response.status, response.fields, new TextDecoder().decode(response.body)],
      [status, [["content-type", "text/plain; charset=utf-8"]], text],
    );
    assert.deepEqual(told, [`request 192.0.2.7: ${says}`]);
  }
  assert.equal(asked, 0);
});

test("What else goes wrong with a request is the server's to tell", () => {
  const { handle, told } = served(() => new Response("x"));
  const failure = new Error("no fields");
  const request = Object.defineProperty(requestOf({ host: "a" }), "headers", {
    get: () => {
      throw failure;
    },
  });
  assert.throws(() => handle(request, PEER), failure);
  assert.deepEqual(told, []);
});
