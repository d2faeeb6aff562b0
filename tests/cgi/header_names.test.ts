import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  HEADER_NAMES_MAX,
  HeaderNames,
  headerParameterName,
  namedByConnection,
} from "../../src/cgi/header_names.ts";

test("headerParameterName makes HTTP_ names", () => {
  assert.equal(headerParameterName("host"), "HTTP_HOST");
  assert.equal(headerParameterName("x-forwarded-for"), "HTTP_X_FORWARDED_FOR");
  assert.equal(headerParameterName("x-1"), "HTTP_X_1");
  assert.equal(headerParameterName("authorization"), "HTTP_AUTHORIZATION");
});

test("headerParameterName leaves out what a client must not set or what ends here", () => {
  const names = [
    ...["proxy", "content-type", "content-length", "connection", "keep-alive", "proxy-connection"],
    ...["te", "trailer", "transfer-encoding", "upgrade", "expect", "proxy-authorization"],
    "set-cookie",
  ];
  for (const name of names) assert.equal(headerParameterName(name), undefined, name);
});

test("headerParameterName leaves out names with anything but letters, digits and hyphens", () => {
  for (
    const name of ["x_real_ip", "x.real.ip", "x real", "", "pro_xy", "é", "x!", "x\nhost", "x:"]
  ) {
    assert.equal(headerParameterName(name), undefined, name);
  }
});

test("headerParameterName gives no two header names the same parameter", () => {
  const header = fc.string({ unit: fc.constantFrom("a", "b", "-", "_", ".", "1"), maxLength: 4 });
  fc.assert(fc.property(header, header, (one, other) => {
    const name = headerParameterName(one);
    if (name === undefined || one === other) return;
    assert.notEqual(name, headerParameterName(other));
  }));
});

test("headerParameterName never makes HTTP_PROXY", () => {
  const header = fc.string({
    unit: fc.constantFrom(..."proxyPROXY-_. \0"),
    minLength: 4,
    maxLength: 7,
  });
  fc.assert(fc.property(fc.oneof(header, fc.mixedCase(fc.constant("proxy"))), (name) => {
    assert.notEqual(headerParameterName(name), "HTTP_PROXY");
  }));
});

test("HeaderNames knows names that a route has taken, and those left out, as empty", () => {
  const names = new HeaderNames(new Set(["HTTP_X_ENV"]));
  for (let round = 0; round < 2; round++) {
    assert.equal(names.parameterName("x-env"), "");
    assert.equal(names.parameterName("proxy"), "");
    assert.equal(names.parameterName("x-other"), "HTTP_X_OTHER");
  }
  assert.equal(names.size, 3);
});

test("HeaderNames begins anew when it is full", () => {
  const names = new HeaderNames(new Set());
  for (let index = 0; index < HEADER_NAMES_MAX; index++) names.parameterName(`x-${index}`);
  assert.equal(names.size, HEADER_NAMES_MAX);
  assert.equal(names.parameterName("host"), "HTTP_HOST");
  assert.equal(names.size, 1);
  assert.equal(names.parameterName("x-0"), "HTTP_X_0");
});

test("HeaderNames does not remember long names", () => {
  const names = new HeaderNames(new Set());
  assert.equal(names.parameterName("x".repeat(65)), `HTTP_${"X".repeat(65)}`);
  assert.equal(names.size, 0);
});

test("namedByConnection reads the names that a Connection header lists", () => {
  assert.equal(namedByConnection(null), undefined);
  assert.equal(namedByConnection("keep-alive"), undefined);
  assert.deepEqual(
    [...namedByConnection("Upgrade, X-Trace ,x-b")!],
    ["upgrade", "x-trace", "x-b"],
  );
});
