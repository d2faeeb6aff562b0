/** What an application is told about a request: real bytes in, the parameters that arrive out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import {
  echoParameters,
  freshPath,
  type Gateway,
  runtime,
  withGateway,
} from "../support/gateway.ts";
import { HttpConnection, type HttpRequest, rawRequest } from "../support/raw_http.ts";

type Parameters = Record<string, string>;

async function parametersOf(gateway: Gateway, request: HttpRequest | string): Promise<Parameters> {
  const response = await gateway.send(request);
  assert.equal(response.status, 200, response.body.toString());
  return JSON.parse(response.body.toString()) as Parameters;
}

test("A GET arrives with every parameter of CGI/1.1, and no other", async () => {
  await withGateway({ application: echoParameters, root: "/srv/www" }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.write(
      "GET /a%20b/c?x=1&y=%20 HTTP/1.1\r\nHost: Example.com:8080\r\nUser-Agent: test\r\n" +
        "Accept: text/plain\r\nCookie: a=1\r\n\r\n",
    );
    const response = await connection.readResponse();
    connection.destroy();
    const { REMOTE_PORT, ...parameters } = JSON.parse(response.body.toString()) as Parameters;
    assert.match(REMOTE_PORT!, /^[1-9]\d{3,4}$/);
    assert.deepEqual(parameters, {
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_SOFTWARE: "afcgi/1.2.3",
      REDIRECT_STATUS: "200",
      DOCUMENT_ROOT: "/srv/www",
      REQUEST_METHOD: "GET",
      REQUEST_URI: "/a%20b/c?x=1&y=%20",
      DOCUMENT_URI: "/a b/c",
      SCRIPT_NAME: "",
      PATH_INFO: "/a b/c",
      PATH_TRANSLATED: "/srv/www/a b/c",
      SCRIPT_FILENAME: "/srv/www/a b/c",
      QUERY_STRING: "x=1&y=%20",
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_SCHEME: "http",
      SERVER_NAME: "example.com",
      SERVER_PORT: "8080",
      SERVER_ADDR: "127.0.0.1",
      REMOTE_ADDR: "127.0.0.1",
      HTTP_HOST: "Example.com:8080",
      HTTP_USER_AGENT: "test",
      HTTP_ACCEPT: "text/plain",
      HTTP_COOKIE: "a=1",
    });
  });
});

test("A POST arrives with the length and type of its body, and without HTTP_CONTENT_*", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    for (const chunked of [false, true]) {
      const parameters = await parametersOf(gateway, {
        method: "POST",
        headers: { "Content-Type": "text/x-test; charset=utf-8" },
        body: "12345",
        chunked,
      });
      assert.equal(parameters["REQUEST_METHOD"], "POST");
      assert.equal(parameters["CONTENT_LENGTH"], "5");
      assert.equal(parameters["CONTENT_TYPE"], "text/x-test; charset=utf-8");
      const unwanted = Object.keys(parameters).filter((name) =>
        /^HTTP_(CONTENT|TRANSFER|CONNECTION)/.test(name)
      );
      assert.deepEqual(unwanted, []);
    }
  });
});

test("A GET arrives without CONTENT_LENGTH, a POST with an empty body with CONTENT_LENGTH 0", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    assert.equal("CONTENT_LENGTH" in await parametersOf(gateway, "/"), false);
    const parameters = await parametersOf(gateway, { method: "POST", body: "" });
    assert.equal(parameters["CONTENT_LENGTH"], "0");
  });
});

test("Headers by which a client could set other parameters do not arrive", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const parameters = await parametersOf(gateway, {
      headers: {
        "Proxy": "http://evil.example",
        "X_Foo": "underscore",
        "X.Foo": "dot",
        "X-Real": "real",
        "Connection": "X-Secret",
        "X-Secret": "for one hop",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Upgrade": "h2c",
        "Proxy-Authorization": "Basic eDp5",
      },
    });
    const headers = Object.keys(parameters).filter((name) => name.startsWith("HTTP_"));
    assert.deepEqual(headers.sort(), ["HTTP_HOST", "HTTP_X_REAL"]);
    assert.ok(!Object.values(parameters).includes("http://evil.example"));
  });
});

test("A header's bytes beyond ASCII arrive as they were sent", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.write(Buffer.concat([
      Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nX-Latin: "),
      Buffer.from([0xe9, 0xff]),
      Buffer.from("\r\nX-Utf: "),
      Buffer.from("é€"),
      Buffer.from("\r\n\r\n"),
    ]));
    const response = await connection.readResponse();
    connection.destroy();
    const parameters = JSON.parse(response.body.toString()) as Parameters;
    // The handler sees UTF-8 where it is, else a character for each byte.
    assert.equal(parameters["HTTP_X_LATIN"], "\u00e9\u00ff");
    assert.equal(parameters["HTTP_X_UTF"], "é€");
  });
});

test("A header that comes twice arrives once, its values joined", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const response = await rawRequest(
      gateway.port,
      "GET / HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n",
    );
    const parameters = JSON.parse(response.body.toString()) as Parameters;
    assert.equal(parameters["HTTP_X_TWICE"], "1, 2");
  });
});

function mountedAt(scriptName: string, params: Record<string, string> = {}): RouteOptions {
  return {
    path: undefined,
    methods: undefined,
    handler: { kind: "fastcgi", upstream: "app", scriptName, params },
  };
}

test("An application mounted at a path gets it as SCRIPT_NAME and the rest as PATH_INFO", async () => {
  const options = { application: echoParameters, routes: [mountedAt("/api")] };
  await withGateway(options, async (gateway) => {
    const seen: Record<string, (string | undefined)[]> = {};
    for (const path of ["/api", "/api/", "/api/users/1", "/apis", "/other"]) {
      const { SCRIPT_NAME, PATH_INFO } = await parametersOf(gateway, path);
      seen[path] = [SCRIPT_NAME, PATH_INFO];
    }
    assert.deepEqual(seen, {
      "/api": ["/api", undefined],
      "/api/": ["/api", "/"],
      "/api/users/1": ["/api", "/users/1"],
      "/apis": ["", "/apis"],
      "/other": ["", "/other"],
    });
  });
});

test("A configured parameter wins over what a client sends", async () => {
  const params = { APP_ENV: "prod", HTTP_X_USER: "nobody", REMOTE_ADDR: "192.0.2.1" };
  const options = { application: echoParameters, routes: [mountedAt("", params)] };
  await withGateway(options, async (gateway) => {
    const parameters = await parametersOf(gateway, { headers: { "X-User": "root" } });
    assert.equal(parameters["APP_ENV"], "prod");
    assert.equal(parameters["HTTP_X_USER"], "nobody");
    assert.equal(parameters["REMOTE_ADDR"], "192.0.2.1");
  });
});

test("SERVER_PORT is the listener's where the Host names none", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const parameters = await parametersOf(gateway, { headers: { Host: "a.example" } });
    assert.equal(parameters["SERVER_PORT"], String(gateway.port));
  });
});

test("A client on a unix socket has no address and no port", async () => {
  const address = { transport: "unix" as const, path: freshPath() };
  const options = { application: echoParameters, listen: [{ address, tls: undefined }] };
  await withGateway(options, async () => {
    const connection = await runtime.connect(address);
    const writer = connection.writable.getWriter();
    await writer.write(
      new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    );
    const text = await new Response(connection.readable as ReadableStream).text();
    connection.destroy();
    const parameters = JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
    assert.equal(parameters["REMOTE_ADDR"], "unix:");
    assert.equal("REMOTE_PORT" in parameters, false);
    assert.equal("SERVER_ADDR" in parameters, false);
    assert.equal(parameters["SERVER_PORT"], "80");
  });
});
