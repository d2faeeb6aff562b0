/** Where people are told that each parameter has its value from: every one that is sent has an origin. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type OriginSources, parameterOrigin } from "../../src/cgi/parameter_origin.ts";
import { ParameterTemplate } from "../../src/cgi/parameters.ts";

const NOTHING: OriginSources = { configured: new Set(), headers: [], hostHasPort: false };

test("Every parameter of a request is from somewhere that people know", () => {
  const template = new ParameterTemplate({
    serverSoftware: "afcgi/1",
    documentRoot: "/srv",
    params: { OWN: "x", SERVER_NAME: "own" },
  });
  const headers = new Headers({ host: "a:81", "x-one": "1" });
  const sent = template.list({
    method: "POST",
    protocol: "HTTP/1.1",
    scheme: "https",
    target: "/a.php/b?c",
    scriptName: "",
    pathInfo: "/b",
    query: "c",
    scriptFilename: "/srv/b",
    serverName: "a",
    serverPort: 81,
    serverAddress: "10.0.0.1",
    remoteAddress: "192.0.2.7",
    remotePort: 4711,
    headers,
    contentType: "text/plain",
    contentLength: 5,
  });
  const sources = {
    configured: new Set(["OWN", "SERVER_NAME"]),
    headers: [...headers.keys()],
    hostHasPort: true,
  };
  const origins = sent.map(([name]) => [name, parameterOrigin(name, sources)]);
  assert.deepEqual(Object.fromEntries(origins), {
    GATEWAY_INTERFACE: "afcgi",
    SERVER_SOFTWARE: "afcgi",
    REDIRECT_STATUS: "afcgi",
    DOCUMENT_ROOT: "site root",
    OWN: "route params",
    REQUEST_METHOD: "request line",
    REQUEST_URI: "request line",
    QUERY_STRING: "request line",
    SERVER_PROTOCOL: "request line",
    DOCUMENT_URI: "route",
    SCRIPT_NAME: "route",
    PATH_INFO: "route",
    PATH_TRANSLATED: "route",
    SCRIPT_FILENAME: "route",
    CONTENT_TYPE: "header content-type",
    CONTENT_LENGTH: "header content-length",
    SERVER_NAME: "route params",
    REQUEST_SCHEME: "listener",
    HTTPS: "listener",
    SERVER_PORT: "header host",
    SERVER_ADDR: "listener",
    REMOTE_ADDR: "client",
    REMOTE_PORT: "client",
    HTTP_HOST: "header host",
    HTTP_X_ONE: "header x-one",
  });
});

test("A configured name wins, the port is the listener's where the Host names none", () => {
  assert.equal(parameterOrigin("SERVER_PORT", NOTHING), "listener");
  assert.equal(parameterOrigin("SERVER_PORT", { ...NOTHING, hostHasPort: true }), "header host");
  assert.equal(parameterOrigin("SERVER_NAME", { ...NOTHING, hostHasPort: true }), "header host");
  assert.equal(parameterOrigin("SERVER_ADDR", { ...NOTHING, hostHasPort: true }), "listener");
  const configured = new Set(["SERVER_PORT", "HTTP_X"]);
  const sources = { configured, headers: ["x"], hostHasPort: true };
  assert.equal(parameterOrigin("SERVER_PORT", sources), "route params");
  assert.equal(parameterOrigin("HTTP_X", sources), "route params");
  assert.equal(parameterOrigin("FCGI_DATA_LENGTH", NOTHING), "route");
  assert.equal(parameterOrigin("FCGI_DATA_LAST_MOD", NOTHING), "route");
});

test("What no header of the request has made is from nobody that we know", () => {
  const sources = { ...NOTHING, headers: ["proxy", "x_one", "x-two"] };
  for (const name of ["HTTP_PROXY", "HTTP_X_ONE", "HTTP_X_THREE", "OTHER", "toString"]) {
    assert.equal(parameterOrigin(name, sources), undefined, name);
  }
  assert.equal(parameterOrigin("HTTP_X_TWO", sources), "header x-two");
});
