import assert from "node:assert/strict";
import { test } from "node:test";
import { Role } from "../../src/protocol/constants.ts";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { MemoryNetwork } from "../support/memory/memory.ts";
import { COMPLETE, connectable, gate, hello, MIB, serve, streamOf, turns } from "./setup.ts";
import { turn, until } from "../support/idle.ts";
import { inWorld } from "../support/world_test.ts";

test(
  "A short response leaves as one STDOUT record with its length",
  inWorld(async () => {
    const { runtime, server } = await serve(hello);
    const connection = await runtime.connect(connectable(server));
    const writer = connection.writable.getWriter();
    const reader = connection.readable.getReader();
    await writer.write(Uint8Array.of(
      ...[1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
      ...[1, 4, 0, 1, 0, 19, 5, 0, 14, 3],
      ...new TextEncoder().encode("REQUEST_METHODGET"),
      ...[0, 0, 0, 0, 0],
      ...[1, 4, 0, 1, 0, 0, 0, 0],
      ...[1, 5, 0, 1, 0, 0, 0, 0],
    ));
    const { value } = await reader.read();
    const response =
      "Status: 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n";
    assert.equal(response.length, 69);
    assert.deepEqual(
      [...value!],
      [
        ...[1, 6, 0, 1, 0, 69, 3, 0, ...new TextEncoder().encode(response), 0, 0, 0],
        ...[1, 6, 0, 1, 0, 0, 0, 0],
        ...[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ],
    );
    connection.destroy();
  }),
);

test(
  "A handler gets method, URL, headers, parameters, role and the client's address",
  inWorld(async () => {
    let seen: unknown;
    const { connect } = await serve((request, info) => {
      const { method, url } = request;
      const { role, remoteAddr, params } = info;
      const header = request.headers.get("x-token");
      seen = { method, url, header, role, remoteAddr, token: params.get("HTTP_X_TOKEN") };
      return new Response(null);
    });
    const client = await connect();
    await client.begin({ method: "DELETE", uri: "/a?b=c", params: { HTTP_X_TOKEN: "t" } }).ended();
    assert.deepEqual(seen, {
      method: "DELETE",
      url: "http://app.test/a?b=c",
      header: "t",
      role: "responder",
      remoteAddr: "192.0.2.1",
      token: "t",
    });
  }),
);

test(
  "Requests and responses are the same when every read yields one byte",
  inWorld(async () => {
    const { connect } = await serve(
      async (request) => new Response(`${request.url} ${await request.text()}`),
      {},
      new MemoryNetwork({ pieceLengthMax: 1 }),
    );
    const client = await connect();
    const requests = ["/one", "/two", "/three"].map((uri) =>
      client.begin({ method: "POST", uri, body: `body of ${uri}` })
    );
    for (const [index, uri] of ["/one", "/two", "/three"].entries()) {
      const { headers, body } = await requests[index]!.answer();
      assert.equal(headers[0], "Status: 200 OK");
      assert.equal(body, `http://app.test${uri} body of ${uri}`);
    }
  }),
);

test(
  "200 requests on one connection are in flight at once and end in any order",
  inWorld(async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    let requestsActiveMax = 0;
    const { connect } = await serve(async (request, { server }) => {
      const { pathname } = new URL(request.url);
      const here = gate();
      gates.set(pathname, here);
      await here.promise;
      requestsActiveMax = server.requestsActiveMax;
      return new Response(`response to ${pathname}`);
    });
    const client = await connect();
    const requests = Array.from({ length: 200 }, (_, index) => client.begin({ uri: `/${index}` }));
    await until(() => gates.size === 200, "all requests");
    for (let index = 199; index >= 0; index--) {
      gates.get(`/${index}`)!.resolve();
      const { body } = await requests[index]!.answer();
      assert.equal(body, `response to /${index}`);
    }
    assert.equal(requestsActiveMax, 200);
  }),
);

test(
  "A body that came with its request is there at once",
  inWorld(async () => {
    const { connect } = await serve(async (request) =>
      new Response(`${request.headers.get("content-length")} ${await request.text()}`)
    );
    const client = await connect();
    const { body } = await client.begin({ method: "POST", body: "a body" }).answer();
    assert.equal(body, "6 a body");
  }),
);

test(
  "A body without a length is streamed as it comes",
  inWorld(async () => {
    const seen: string[] = [];
    const { connect } = await serve(async (request) => {
      for await (const piece of request.body!) seen.push(new TextDecoder().decode(piece));
      return new Response(seen.join("|"));
    });
    const client = await connect();
    const request = client.begin({ method: "PUT", body: null });
    for (const text of ["one", "two", "three"]) {
      client.protocol.sendStdin(request.id, new TextEncoder().encode(text));
      await client.flush();
      await until(() => seen.at(-1) === text, `the body's piece "${text}"`);
    }
    client.protocol.endStdin(request.id);
    await client.flush();
    assert.equal((await request.answer()).body, "one|two|three");
  }),
);

test(
  "A body that is shorter or longer than CONTENT_LENGTH fails in the handler",
  inWorld(async () => {
    for (const length of ["3", "5"]) {
      const failed = gate<Error>();
      const { connect } = await serve(async (request) => {
        await request.text().catch(failed.resolve);
        return new Response("done");
      });
      const client = await connect();
      await client.begin({ method: "POST", body: "four", params: { CONTENT_LENGTH: length } })
        .ended();
      assert.match((await failed.promise).message, /^Cannot read body/);
    }
  }),
);

test(
  "The body of a GET is taken and dropped: a Request cannot hold it",
  inWorld(async () => {
    const { connect } = await serve((request) => new Response(String(request.body)));
    const client = await connect();
    assert.equal((await client.begin({ body: "dropped" }).answer()).body, "null");
  }),
);

test(
  "Several Set-Cookie stay several, and headers of the connection are left out",
  inWorld(async () => {
    const { connect } = await serve(() => {
      const headers = new Headers({
        "transfer-encoding": "chunked",
        connection: "close",
        "x-a": "1",
      });
      headers.append("set-cookie", "a=1, b");
      headers.append("set-cookie", "c=2");
      headers.set("status", "500 Forged");
      return new Response("x", { status: 201, headers });
    });
    const client = await connect();
    const { headers: section } = await client.begin().answer();
    assert.equal(section[0], "Status: 201 Created");
    assert.deepEqual(section.filter((field) => !field.startsWith("content-")).slice(1).sort(), [
      "set-cookie: a=1, b",
      "set-cookie: c=2",
      "x-a: 1",
    ]);
  }),
);

test(
  "A body has a type: its own, or else that of texts",
  inWorld(async () => {
    const bodies: Record<string, BodyInit | null> = {
      "/text": "text",
      "/blob": new Blob(["png"], { type: "image/png" }),
      "/form": new URLSearchParams("a=b"),
      "/none": null,
    };
    const { connect } = await serve((request) =>
      new Response(bodies[new URL(request.url).pathname])
    );
    const client = await connect();
    const types: Record<string, string | undefined> = {};
    for (const uri of Object.keys(bodies)) {
      const { headers } = await client.begin({ uri }).answer();
      types[uri] = headers.find((field) => field.startsWith("content-type"))?.toLowerCase();
    }
    assert.deepEqual(types, {
      "/text": "content-type: text/plain;charset=utf-8",
      "/blob": "content-type: image/png",
      "/form": "content-type: application/x-www-form-urlencoded;charset=utf-8",
      "/none": undefined,
    });
  }),
);

test(
  "HEAD, 204, 205 and 304 have no body, and a body that was made is let go of",
  inWorld(async () => {
    let cancelled = 0;
    const { connect } = await serve((request) => {
      const status = Number(new URL(request.url).searchParams.get("status"));
      if (status !== 200) return new Response(null, { status });
      const body = new ReadableStream({ cancel: () => void cancelled++ });
      return new Response(body, { headers: { "content-length": "1000" } });
    });
    const client = await connect();
    const headers = client.begin({ method: "HEAD", uri: "/?status=200" });
    assert.deepEqual(await headers.ended(), COMPLETE);
    assert.match(headers.stdout, /content-length: 1000\r\n.*\r\n$/s);
    assert.equal(cancelled, 1);
    for (const status of [204, 205, 304]) {
      const request = client.begin({ uri: `/?status=${status}` });
      assert.deepEqual(await request.ended(), COMPLETE);
      assert.match(request.stdout, new RegExp(`^Status: ${status} [^\\n]*\\r\\n\\r\\n$`));
    }
  }),
);

test(
  "HEAD has the length that GET has, where GET has one",
  inWorld(async () => {
    const text = (length: number) => "ä".repeat(length / 2);
    const bodies: Record<string, () => BodyInit | null> = {
      "/text": () => text(6),
      "/empty": () => "",
      "/none": () => null,
      "/largest": () => text(32 * 1024),
      "/large": () => text(32 * 1024 + 2),
      "/pieces": () => streamOf([new Uint8Array(3), new Uint8Array(4)]),
      "/slow": () =>
        streamOf(async function* () {
          await turn();
          await turn();
          yield new Uint8Array(3);
        }()),
    };
    const { connect } = await serve((request) =>
      new Response(bodies[new URL(request.url).pathname]!(), { headers: { "x-a": "1" } })
    );
    const client = await connect();
    const lengths: Record<string, string | undefined> = {};
    for (const uri of Object.keys(bodies)) {
      const [get, headers] = ["GET", "HEAD"].map((method) => client.begin({ method, uri }));
      for (const request of [get!, headers!]) assert.deepEqual(await request.ended(), COMPLETE);
      const end = get!.stdout.indexOf("\r\n\r\n") + 4;
      assert.equal(headers!.stdout, get!.stdout.slice(0, end), uri);
      lengths[uri] = /content-length: (\d+)/.exec(headers!.stdout)?.[1];
    }
    assert.deepEqual(lengths, {
      "/text": "6",
      "/empty": "0",
      "/none": undefined,
      "/largest": "32768",
      "/large": undefined,
      "/pieces": "7",
      "/slow": undefined,
    });
  }),
);

test(
  "HEAD of a body that fails is the 500 that GET gets",
  inWorld(async () => {
    const { connect, errors } = await serve(() =>
      new Response(new ReadableStream({ start: (controller) => controller.error(new Error("no")) }))
    );
    const client = await connect();
    for (const method of ["GET", "HEAD"]) {
      const request = client.begin({ method });
      assert.deepEqual(await request.ended(), COMPLETE);
      assert.match(request.stdout, /^Status: 500 /);
    }
    assert.equal(errors.length, 2);
  }),
);

test(
  "What is no handler is refused at once, and says what to pass",
  inWorld(async () => {
    const app = { fetch: hello };
    const mistakes: [unknown, RegExp][] = [
      [app, /^Cannot serve FastCGI: the handler is an object, not a function \(pass its "fetch"/],
      [{}, /the handler is an object, not a function$/],
      [null, /the handler is null/],
      [undefined, /the handler is undefined/],
      ["app", /the handler is a string/],
      [hello(new Request("http://a/"), undefined as never), /the handler is an object/],
    ];
    for (const [mistake, message] of mistakes) {
      const refused = serve(mistake as FastCgiHandler);
      await assert.rejects(refused, { name: "TypeError", message }, String(mistake));
    }
    const { listen: _, ...nowhere } = { listen: "" };
    for (const options of [undefined, nowhere, { listen: undefined }]) {
      const refused = serveFastCgi(hello, options as never);
      await assert.rejects(refused, { name: "TypeError", message: /"listen" is missing/ });
    }
  }),
);

test(
  "Without onError the console is told what a handler threw, and not what a web server sent",
  inWorld(async () => {
    const lines: string[] = [];
    const { error } = console;
    console.error = (...parts: unknown[]) => void lines.push(parts.map(String).join(" "));
    try {
      const { connect } = await serve((request, info) => {
        if (request.url.endsWith("/later")) info.waitUntil(Promise.reject(new Error("lost")));
        else throw new Error("out of luck");
        return new Response("fine");
      }, { onError: undefined as never });
      const client = await connect();
      for (const [uri, status] of [["/", 500], ["/later", 200]] as const) {
        const request = client.begin({ uri });
        await request.ended();
        assert.match(request.stdout, new RegExp(`^Status: ${status} `));
      }
      const bad = client.begin({ method: "POST", params: { CONTENT_LENGTH: "x" } });
      await bad.ended();
      assert.match(bad.stdout, /^Status: 400 /);
      await turns();
    } finally {
      console.error = error;
    }
    assert.deepEqual(lines, [
      "Cannot answer request: the handler failed: Error: out of luck",
      "Work of waitUntil failed: Error: lost",
    ]);
  }),
);

test(
  "A response's header section and its pieces leave as they are made",
  inWorld(async () => {
    const next = [gate<string>(), gate<string>()];
    const { connect } = await serve(() => {
      const lines = async function* () {
        for (const piece of next) yield new TextEncoder().encode(await piece.promise);
      };
      return new Response(streamOf(lines()));
    });
    const client = await connect();
    const request = client.begin();
    await client.until(() => request.stdout.endsWith("\r\n\r\n"));
    assert.doesNotMatch(request.stdout, /content-length/);
    next[0]!.resolve("first");
    await client.until(() => request.stdout.endsWith("first"));
    next[1]!.resolve("second");
    assert.deepEqual(await request.ended(), COMPLETE);
    assert.ok(request.stdout.endsWith("firstsecond"));
  }),
);

test(
  "A handler that throws gives 500, a line on STDERR and a report",
  inWorld(async () => {
    const { connect, errors } = await serve(() => {
      throw new Error("out of luck");
    });
    const client = await connect();
    const request = client.begin({ uri: "/path" });
    const { headers, body } = await request.answer();
    assert.equal(headers[0], "Status: 500 Internal Server Error");
    assert.equal(body, "Internal Server Error\n");
    assert.match(request.stderr, /^Cannot answer GET http:\/\/app\.test\/path: .*out of luck/);
    assert.equal(errors.length, 1);
    assert.deepEqual(await request.ended(), COMPLETE);
  }),
);

test(
  "A handler that returns something else than a Response gives 500",
  inWorld(async () => {
    const { connect } = await serve((() => "text") as unknown as FastCgiHandler);
    const client = await connect();
    const request = client.begin();
    assert.equal((await request.answer()).headers[0], "Status: 500 Internal Server Error");
    assert.match(request.stderr, /not a Response/);
  }),
);

test(
  "A body that is not as long as Content-Length says is a failed one",
  inWorld(async () => {
    for (const length of ["3", "5"]) {
      const { connect, errors } = await serve(() =>
        new Response("four", { headers: { "content-length": length } })
      );
      const client = await connect();
      const { headers } = await client.begin().answer();
      assert.equal(headers[0], "Status: 500 Internal Server Error");
      assert.match(String(errors[0]), /Content-Length/);
    }
  }),
);

test(
  "A length without a body is a promise that is not kept, but where there can be none",
  inWorld(async () => {
    const { connect, errors } = await serve((request) => {
      const { searchParams } = new URL(request.url);
      return new Response(null, {
        status: Number(searchParams.get("status")),
        headers: { "content-length": searchParams.get("length")! },
      });
    });
    const client = await connect();
    const cases: [method: string, status: number, length: string, sent: number][] = [
      ["GET", 200, "5", 500],
      ["GET", 200, "0", 200],
      ["HEAD", 200, "5", 200],
      ["GET", 304, "5", 304],
      ["GET", 205, "0", 205],
      ["GET", 304, "x", 500],
      ["HEAD", 200, "x", 500],
    ];
    for (const [method, status, length, sent] of cases) {
      errors.length = 0;
      const request = client.begin({ method, uri: `/?status=${status}&length=${length}` });
      assert.deepEqual(await request.ended(), COMPLETE);
      assert.match(
        request.stdout,
        new RegExp(`^Status: ${sent} `),
        `${method} ${status} ${length}`,
      );
      assert.equal(errors.length, sent === 500 ? 1 : 0);
    }
  }),
);

test(
  "STDERR reaches the web server before the request's end, and is refused after it",
  inWorld(async () => {
    const late = gate<boolean>();
    const { connect } = await serve((_, { stderr, waitUntil }) => {
      void stderr.write("from the handler\n");
      waitUntil(turns().then(async () => late.resolve(await stderr.write("late"))));
      return new Response("x");
    });
    const client = await connect();
    const request = client.begin();
    assert.deepEqual(await request.ended(), COMPLETE);
    assert.equal(request.stderr, "from the handler\n");
    assert.equal(await late.promise, false);
  }),
);

test(
  "STDERR that nobody waited for is complete before the request's end",
  inWorld(async () => {
    const { connect } = await serve((_, { stderr }) => {
      void stderr.write("e".repeat(MIB));
      return new Response("x");
    });
    const client = await connect();
    const requests = [client.begin(), client.begin()];
    for (const request of requests) {
      assert.deepEqual(await request.ended(), COMPLETE);
      assert.equal(request.stderr.length, MIB);
    }
  }),
);

test(
  "An authorizer answers without a body to read and sets variables in upper case",
  inWorld(async () => {
    const { connect } = await serve((request, { role }) =>
      new Response(null, { headers: { "Variable-AUTH_USER": `${role} ${request.body}` } })
    );
    const client = await connect();
    const request = client.begin({
      role: Role.AUTHORIZER,
      method: "POST",
      params: { CONTENT_LENGTH: "5" },
    });
    assert.deepEqual((await request.answer()).headers, [
      "Status: 200 OK",
      "Variable-AUTH_USER: authorizer null",
    ]);
  }),
);

test(
  "A filter gets its second stream",
  inWorld(async () => {
    const { connect } = await serve(async (request, { data, role }) => {
      const text = await new Response(data).text();
      return new Response(`${role} ${await request.text()} ${text.toUpperCase()}`);
    });
    const client = await connect();
    const request = client.begin({ role: Role.FILTER, method: "POST", body: "in" });
    client.protocol.sendData(request.id, new TextEncoder().encode("file"));
    client.protocol.endData(request.id);
    await client.flush();
    assert.equal((await request.answer()).body, "filter in FILE");
  }),
);

test(
  "Without KEEP_CONN the connection is closed after the response",
  inWorld(async () => {
    const { connect } = await serve(hello);
    const client = await connect();
    const request = client.begin({ keepConnection: false });
    assert.deepEqual(await request.ended(), COMPLETE);
    await client.until(() => client.closed);
  }),
);
