import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { RequestFields } from "../../src/http1/request_fields.ts";
import { type ParameterConstants, ParameterTemplate } from "../../src/cgi/parameters.ts";
import type { CgiRequest } from "../../src/cgi/request.ts";
import { decodeNameValues, NameValueDecoder } from "../../src/protocol/name_value.ts";

const CONSTANTS: ParameterConstants = {
  serverSoftware: "afcgi/1.2.3",
  documentRoot: "/srv/www",
  params: {},
};

const REQUEST: CgiRequest = {
  method: "GET",
  protocol: "HTTP/1.1",
  scheme: "http",
  target: "/index.php/caf%C3%A9?a=%20b",
  scriptName: "/index.php",
  pathInfo: "/café",
  query: "a=%20b",
  scriptFilename: "/srv/www/index.php",
  serverName: "example.com",
  serverPort: 8080,
  serverAddress: "10.0.0.1",
  remoteAddress: "192.0.2.7",
  remotePort: 51234,
  headers: new Headers(),
  contentType: undefined,
  contentLength: undefined,
};

function parameters(
  request: Partial<CgiRequest>,
  constants: Partial<ParameterConstants> = {},
): Record<string, string> {
  const template = new ParameterTemplate({ ...CONSTANTS, ...constants });
  const pairs = template.list({ ...REQUEST, ...request });
  assert.equal(new Set(pairs.map(([name]) => name)).size, pairs.length, "a name comes twice");
  return Object.fromEntries(pairs);
}

/** The value's bytes of one parameter. */
function bytesOf(request: Partial<CgiRequest>, wanted: string): number[] | undefined {
  const block = new ParameterTemplate(CONSTANTS).encode({ ...REQUEST, ...request });
  const decoder = new NameValueDecoder({ lengthMax: block.length, pairsMax: 1000 });
  for (const [name, value] of decoder.push(block)) {
    if (new TextDecoder().decode(name) === wanted) return [...value];
  }
  return undefined;
}

test("ParameterTemplate encodes a GET to a script", () => {
  assert.deepEqual(parameters({}), {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "afcgi/1.2.3",
    REDIRECT_STATUS: "200",
    DOCUMENT_ROOT: "/srv/www",
    REQUEST_METHOD: "GET",
    REQUEST_URI: "/index.php/caf%C3%A9?a=%20b",
    DOCUMENT_URI: "/index.php/café",
    SCRIPT_NAME: "/index.php",
    PATH_INFO: "/café",
    SCRIPT_FILENAME: "/srv/www/index.php",
    QUERY_STRING: "a=%20b",
    SERVER_PROTOCOL: "HTTP/1.1",
    REQUEST_SCHEME: "http",
    SERVER_NAME: "example.com",
    SERVER_PORT: "8080",
    SERVER_ADDR: "10.0.0.1",
    REMOTE_ADDR: "192.0.2.7",
    REMOTE_PORT: "51234",
  });
});

test("ParameterTemplate leaves out what is not there", () => {
  const names = Object.keys(
    parameters({
      pathInfo: "",
      scriptFilename: undefined,
      serverAddress: "",
      remotePort: 0,
      query: "",
    }, { documentRoot: undefined }),
  );
  for (
    const name of [
      ...["PATH_INFO", "PATH_TRANSLATED", "SCRIPT_FILENAME", "DOCUMENT_ROOT", "SERVER_ADDR"],
      ...["REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS"],
    ]
  ) {
    assert.ok(!names.includes(name), name);
  }
  // RFC 3875 wants it even when it is empty.
  assert.ok(names.includes("QUERY_STRING"));
});

test("ParameterTemplate sends PATH_TRANSLATED only where it names what SCRIPT_FILENAME names", () => {
  const same = { scriptName: "", pathInfo: "/café", scriptFilename: "/srv/www/café" };
  assert.equal(parameters(same)["PATH_TRANSLATED"], "/srv/www/café");
  const own = (params: Record<string, string | null>) => ({ documentRoot: "/srv/www", params });
  for (
    const sent of [
      parameters({ pathInfo: "" }),
      parameters({}),
      parameters(same, { documentRoot: undefined }),
      parameters({ ...same, scriptFilename: undefined }),
      parameters({ ...same, extra: new Map([["SCRIPT_FILENAME", "/x.php"]]) }),
      parameters(same, own({ SCRIPT_FILENAME: "/srv/www/index.php" })),
      parameters(same, own({ SCRIPT_FILENAME: null })),
      parameters(same, own({ PATH_INFO: null })),
      parameters(same, own({ DOCUMENT_ROOT: "/app" })),
      parameters(same, own({ PATH_TRANSLATED: null })),
    ]
  ) assert.equal(sent["PATH_TRANSLATED"], undefined);
  assert.equal(parameters(same, own({ PATH_TRANSLATED: "/own" }))["PATH_TRANSLATED"], "/own");
});

test("ParameterTemplate names the client of a unix socket as nginx does", () => {
  const sent = parameters({ remoteAddress: "", remotePort: 0 });
  assert.equal(sent["REMOTE_ADDR"], "unix:");
  assert.equal(sent["REMOTE_PORT"], undefined);
});

test("ParameterTemplate marks https", () => {
  const sent = parameters({ scheme: "https" });
  assert.equal(sent["HTTPS"], "on");
  assert.equal(sent["REQUEST_SCHEME"], "https");
});

test("ParameterTemplate sends the length and the type of a body, 0 included", () => {
  const sent = parameters({ method: "POST", contentLength: 0, contentType: "text/plain" });
  assert.equal(sent["CONTENT_LENGTH"], "0");
  assert.equal(sent["CONTENT_TYPE"], "text/plain");
});

test("ParameterTemplate turns headers into HTTP_ parameters and leaves out what ends here", () => {
  const sent = parameters({
    headers: new Headers({
      host: "example.com",
      "X-Forwarded-For": "192.0.2.1",
      cookie: "a=1; b=2",
      authorization: "Basic YTpi",
      proxy: "http://evil.example",
      "content-type": "text/plain",
      "content-length": "5",
      "x_underscore": "1",
      "x.dot": "1",
      connection: "Keep-Alive, X-Hop",
      "x-hop": "1",
      te: "trailers",
      upgrade: "h2c",
      expect: "100-continue",
      "proxy-authorization": "Basic YTpi",
    }),
  });
  const http = Object.entries(sent).filter(([name]) => name.startsWith("HTTP_"));
  assert.deepEqual(http.sort(), [
    ["HTTP_AUTHORIZATION", "Basic YTpi"],
    ["HTTP_COOKIE", "a=1; b=2"],
    ["HTTP_HOST", "example.com"],
    ["HTTP_X_FORWARDED_FOR", "192.0.2.1"],
  ]);
});

test("ParameterTemplate takes headers from a Map", () => {
  assert.equal(parameters({ headers: new Map([["x-a", "1"]]) })["HTTP_X_A"], "1");
});

test("ParameterTemplate never names a parameter twice, whatever repeats", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-a", "1"], [
    "X-A",
    "2",
  ]]);
  assert.equal(parameters({ headers })["HTTP_X_A"], "1, 2");
});

test("ParameterTemplate keeps the bytes of header values", () => {
  const headers = new Headers({ "x-latin": "\u00e9", "x-utf8": "\u00c3\u00a9" });
  assert.deepEqual(bytesOf({ headers }, "HTTP_X_LATIN"), [0xe9]);
  assert.deepEqual(bytesOf({ headers }, "HTTP_X_UTF8"), [0xc3, 0xa9]);
  assert.deepEqual(bytesOf({ contentType: "a/b;c=\u00e9" }, "CONTENT_TYPE")?.at(-1), 0xe9);
});

test("ParameterTemplate sends paths as UTF-8", () => {
  assert.deepEqual(bytesOf({ pathInfo: "/é" }, "PATH_INFO"), [0x2f, 0xc3, 0xa9]);
});

test("ParameterTemplate lets configured parameters win over everything", () => {
  const sent = parameters(
    {
      headers: new Headers({ "x-env": "client" }),
      contentType: "text/plain",
      extra: new Map([["APP_ENV", "gateway"], ["SERVER_NAME", "gateway"]]),
    },
    {
      params: {
        APP_ENV: "prod",
        HTTP_X_ENV: "prod",
        SERVER_NAME: "configured",
        SERVER_SOFTWARE: "other",
        CONTENT_TYPE: "a/b",
        DOCUMENT_ROOT: "/app",
      },
    },
  );
  assert.equal(sent["APP_ENV"], "prod");
  assert.equal(sent["HTTP_X_ENV"], "prod");
  assert.equal(sent["SERVER_NAME"], "configured");
  assert.equal(sent["SERVER_SOFTWARE"], "other");
  assert.equal(sent["CONTENT_TYPE"], "a/b");
});

test("ParameterTemplate lets the gateway's parameters win over the client's", () => {
  const sent = parameters({
    headers: new Headers({ "x-request-id": "client" }),
    contentType: "text/plain",
    extra: new Map([["HTTP_X_REQUEST_ID", "ours"], ["REMOTE_ADDR", "198.51.100.1"], [
      "CONTENT_TYPE",
      "a/b",
    ]]),
  });
  assert.equal(sent["HTTP_X_REQUEST_ID"], "ours");
  assert.equal(sent["REMOTE_ADDR"], "198.51.100.1");
  assert.equal(sent["CONTENT_TYPE"], "a/b");
});

test("ParameterTemplate lets no extra parameter replace a constant", () => {
  assert.equal(
    parameters({ extra: new Map([["DOCUMENT_ROOT", "/"]]) })["DOCUMENT_ROOT"],
    "/srv/www",
  );
});

test("ParameterTemplate sends no parameter that is configured away, wherever it comes from", () => {
  const params = { SERVER_SOFTWARE: null, QUERY_STRING: null, HTTP_X_A: null, CONTENT_TYPE: null };
  const sent = parameters(
    {
      headers: new Headers({ "x-a": "1", "x-b": "2" }),
      contentType: "text/plain",
      extra: new Map([["HTTP_X_A", "gateway"]]),
    },
    { params },
  );
  for (const name of Object.keys(params)) assert.equal(name in sent, false, name);
  assert.equal(sent["HTTP_X_B"], "2");
});

test("ParameterTemplate names what is made for each request once, in a constant's place too", () => {
  const perRequest = ["DOCUMENT_ROOT", "HTTP_X_A", "REQUEST_METHOD", "SERVER_NAME"];
  const template = new ParameterTemplate({ ...CONSTANTS, perRequest });
  for (const value of ["one", "two"]) {
    const extra = new Map(perRequest.map((name) => [name, value]));
    const pairs = template.list({ ...REQUEST, headers: new Headers({ "x-a": "client" }), extra });
    const names = pairs.map(([name]) => name);
    assert.deepEqual(names, [...new Set(names)]);
    const sent = Object.fromEntries(pairs);
    for (const name of perRequest) assert.equal(sent[name], value, name);
  }
});

test("ParameterTemplate computes parameters for each request, whatever comes again with it", () => {
  const perRequest = ["DOCUMENT_ROOT", "HTTP_X_A", "SERVER_NAME", "X"];
  const template = new ParameterTemplate({ ...CONSTANTS, perRequest });
  const headers = new RequestFields();
  headers.add("x-a", "client");
  headers.add("x-b", "client");
  headers.isRepeated = true;
  const extra = new Map([["X", "extra"], ["HTTP_X_B", "extra"]]);
  for (const value of ["one", "two", "\u00e9"]) {
    for (const added of [undefined, extra, undefined]) {
      const computed = perRequest.map((name) => `${name} ${value}`);
      const request = { ...REQUEST, headers, computed, extra: added };
      const names = template.list(request).map(([name]) => name);
      assert.deepEqual(names, [...new Set(names)]);
      const sent = new Map(
        decodeNameValues(template.encode(request)).map(([name, value]) => [name, value]),
      );
      for (const name of ["DOCUMENT_ROOT", "HTTP_X_A", "SERVER_NAME", "X"]) {
        const expected = value === "\u00e9" ? `${name} \ufffd` : `${name} ${value}`;
        assert.equal(sent.get(name), expected);
      }
      assert.equal(sent.get("HTTP_X_B"), added === undefined ? "client" : "extra");
    }
  }
  // One that computes nothing takes no block of one that does.
  const plain = new Map(template.list({ ...REQUEST, headers }));
  assert.deepEqual([plain.get("SERVER_NAME"), plain.get("HTTP_X_A")], [
    REQUEST.serverName,
    "client",
  ]);
});

test("ParameterTemplate takes each character of an extra parameter for a byte", () => {
  assert.deepEqual(bytesOf({ extra: new Map([["X", "\u00e9"]]) }, "X"), [0xe9]);
});

test("ParameterTemplate forgets one request before the next", () => {
  const template = new ParameterTemplate(CONSTANTS);
  const plain = template.encode(REQUEST).slice();
  const long = template.encode({
    ...REQUEST,
    headers: new Headers({ "x-long": "y".repeat(70_000) }),
  });
  assert.ok(long.length > 70_000);
  assert.deepEqual(template.encode(REQUEST), plain);
});

test("ParameterTemplate and the decoder of pairs agree on every value", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 300 });
  const latin = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });
  const template = new ParameterTemplate({ ...CONSTANTS, params: { SECRET: "ключ" } });
  fc.assert(fc.property(text, text, latin, (path, query, value) => {
    const block = template.encode({
      ...REQUEST,
      scriptName: path,
      query,
      headers: new Map([["x-value", value]]),
    });
    const decoded = new Map(decodeNameValues(block));
    assert.equal(decoded.get("SCRIPT_NAME"), path);
    assert.equal(decoded.get("QUERY_STRING"), query);
    assert.equal(decoded.get("SECRET"), "ключ");
    const bytes = Uint8Array.from(value, (character) => character.charCodeAt(0));
    const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    assert.equal(decoded.get("HTTP_X_VALUE"), expected);
  }));
});

test("Header fields that come again are encoded once, to what they would be each time", () => {
  let looks = 0;
  const fields = new Map([["x-a", "b"], ["x-hop", "c"], ["connection", "x-hop"], [
    "x-d",
    "\u00e9",
  ]]);
  const repeated = (isRepeated: boolean) => ({
    isRepeated,
    get: (name: string) => fields.get(name),
    forEach(callback: (value: string, name: string) => void) {
      looks++;
      fields.forEach(callback);
    },
  });
  const plain = new ParameterTemplate(CONSTANTS).list({ ...REQUEST, headers: repeated(false) });
  assert.ok(plain.some(([name]) => name === "HTTP_X_A"));
  assert.ok(!plain.some(([name]) => name === "HTTP_X_HOP"));
  const template = new ParameterTemplate(CONSTANTS);
  const headers = repeated(true);
  looks = 0;
  for (let time = 0; time < 3; time++) {
    assert.deepEqual(template.list({ ...REQUEST, headers }), plain);
  }
  assert.equal(looks, 1);
  // What the gateway adds wins over them, so they are gone through for it.
  const extra = new Map([["HTTP_X_A", "ours"]]);
  const added = Object.fromEntries(template.list({ ...REQUEST, headers, extra }));
  assert.deepEqual([added["HTTP_X_A"], looks], ["ours", 2]);
  assert.deepEqual(template.list({ ...REQUEST, headers }), plain);
  const other = new ParameterTemplate({ ...CONSTANTS, params: { HTTP_X_A: null } });
  assert.ok(!other.list({ ...REQUEST, headers }).some(([name]) => name === "HTTP_X_A"));
});
