/** `forward_auth`: an HTTP server is asked first, and what it has not said never comes from the client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import {
  echoParameters,
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  startGateway,
  untilNothingIsOpen,
} from "../support/gateway.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { fieldsOf, RawServer, response } from "../support/raw_server.ts";

interface World {
  readonly gateway: Gateway;
  readonly auth: RawServer;
  /** What the server was asked. */
  readonly asked: string[];
  /** What an HTTP application got. */
  readonly passed: string[];
}

const AUTH = {
  upstream: "auth",
  uri: "/api/verify?rd=1",
  copyHeaders: ["remote-user", "remote-groups"],
};

async function withAuth(
  verdict: (request: string) => string | undefined,
  use: (world: World) => Promise<void>,
  route: Partial<RouteOptions> = {},
  upstream: Partial<typeof UPSTREAM_DEFAULTS> = {},
): Promise<void> {
  const asked: string[] = [];
  const passed: string[] = [];
  const auth = await RawServer.answering((request) => {
    asked.push(request);
    return verdict(request);
  });
  const http = await RawServer.answering((request) => {
    passed.push(request);
    return response("app");
  });
  const socket = freshSocket();
  const application = await serveFastCgi(echoParameters, { listen: socket });
  const options = gatewayAppOptions({
    routes: [
      {
        path: "/php/*",
        methods: undefined,
        handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
        forwardAuth: AUTH,
        ...route,
      },
      {
        path: undefined,
        methods: undefined,
        handler: { kind: "proxy", upstream: "http", headers: {} },
        forwardAuth: AUTH,
        ...route,
      },
    ],
  }, socket);
  const server = (name: string, { address }: RawServer) => ({
    ...UPSTREAM_DEFAULTS,
    ...upstream,
    name,
    protocol: "http" as const,
    servers: [{ address, weight: 1, backup: false }],
  });
  const gateway = await startGateway({
    ...options,
    upstreams: [...options.upstreams, server("auth", auth), server("http", http)],
  });
  try {
    await use({ gateway, auth, asked, passed });
    await untilNothingIsOpen(gateway);
  } finally {
    await gateway.app.stop();
    await application.shutdown({ grace: 0 });
    await auth.close();
    await http.close();
  }
}

const granted = (fields: Record<string, string>) => () => response("", fields);

test("A request that may go on has the server's fields, and none of its client's own", async () => {
  const spoof = { "Remote-User": "root", "Remote-Groups": "wheel", REMOTE_USER: "root" };
  await withAuth(granted({ "Remote-User": "anna" }), async ({ gateway, passed }) => {
    await gateway.send({ target: "/a", headers: spoof });
    const fields = fieldsOf(passed[0]!);
    assert.equal(fields["remote-user"], "anna");
    assert.equal(fields["remote-groups"], undefined, "absent in the response, so absent");
    assert.equal(fields["remote_user"], undefined);
    const php = await gateway.send({ target: "/php/a", headers: spoof });
    const params = JSON.parse(php.body.toString());
    assert.equal(params.HTTP_REMOTE_USER, "anna");
    assert.equal(params.HTTP_REMOTE_GROUPS, undefined);
    assert.equal(params.REMOTE_USER, undefined);
  });
});

test("The question is a GET with the request's fields, and says what was asked for", async () => {
  await withAuth(granted({}), async ({ gateway, asked, passed }) => {
    const sent = await gateway.send({
      method: "POST",
      target: "/a/b?c=d",
      headers: {
        Host: "shop.example",
        Cookie: "session=1",
        Authorization: "Bearer t",
        "Content-Type": "text/plain",
        "If-None-Match": '"a"',
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/public",
        "X-Original-URL": "http://evil/",
        "Remote-User": "root",
        "Transfer-Encoding": "chunked",
      },
      body: "Hello",
      chunked: true,
    });
    assert.equal(sent.body.toString(), "app");
    const [question = ""] = asked;
    assert.match(question, /^GET \/api\/verify\?rd=1 HTTP\/1\.1\r\nhost: shop\.example\r\n/);
    assert.ok(question.endsWith("\r\n\r\n"), "it has no body");
    const fields = fieldsOf(question);
    assert.equal(fields["cookie"], "session=1");
    assert.equal(fields["authorization"], "Bearer t");
    assert.equal(fields["x-forwarded-method"], "POST");
    assert.equal(fields["x-forwarded-uri"], "/a/b?c=d");
    assert.equal(fields["x-forwarded-host"], "shop.example");
    assert.equal(fields["x-forwarded-proto"], "http");
    assert.equal(fields["x-forwarded-for"], "127.0.0.1");
    assert.equal(fields["x-original-url"], "http://shop.example/a/b?c=d");
    for (
      const name of [
        "content-type",
        "content-length",
        "transfer-encoding",
        "if-none-match",
        "remote-user",
      ]
    ) {
      assert.equal(fields[name], undefined, name);
    }
    assert.ok(passed[0]!.endsWith("5\r\nHello\r\n0\r\n\r\n"), "the body is the application's");
  });
});

test("Any other response is the client's, with its fields", async () => {
  const responses = [
    response(
      "who are you",
      { "WWW-Authenticate": 'Basic realm="a"', "Set-Cookie": "a=b" },
      "401 Unauthorized",
    ),
    response("", { Location: "https://login.example/?rd=x" }, "302 Found"),
    response("no", {}, "403 Forbidden"),
    response("oops", {}, "500 Oops"),
    "HTTP/1.1 304 Not Modified\r\n\r\n",
  ];
  for (const text of responses) {
    await withAuth(() => text, async ({ gateway, passed }) => {
      const got = await gateway.send("/a");
      assert.equal(String(got.status), text.slice(9, 12));
      assert.equal(
        got.headers.get("www-authenticate") ?? null,
        /401/.test(text) ? 'Basic realm="a"' : null,
      );
      if (got.status === 302) {
        assert.equal(got.headers.get("location"), "https://login.example/?rd=x");
      }
      assert.equal(passed.length, 0);
    });
  }
});

test("A server that does not answer, or not as it should, lets nobody in", async () => {
  const bad = [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "HTTP/1.1 200 OK\r\nRemote-User: anna\r\nRemote-User: root\r\nContent-Length: 0\r\n\r\n",
    "garbage",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  ];
  for (const text of bad) {
    await withAuth(() => text, async ({ gateway, passed }) => {
      assert.equal((await gateway.send("/a")).status, 502, text);
      assert.equal(passed.length, 0);
    });
  }
  const timeouts = { ...UPSTREAM_DEFAULTS.timeouts, firstByteMs: 200 };
  await withAuth(
    () => undefined,
    async ({ gateway, auth, passed }) => {
      assert.equal((await gateway.send("/a")).status, 504);
      await auth.close();
      assert.equal((await gateway.send("/a")).status, 502);
      assert.equal(passed.length, 0);
    },
    {},
    { timeouts },
  );
});

test("Every request is asked about: no verdict is kept", async () => {
  let count = 0;
  const verdict = () =>
    ++count === 1 ? response("", { "Cache-Control": "max-age=600" }) : response("no", {}, "403 No");
  await withAuth(verdict, async ({ gateway }) => {
    assert.equal((await gateway.send("/a")).status, 200);
    assert.equal((await gateway.send("/a")).status, 403);
  });
});
