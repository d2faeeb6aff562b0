import { test } from "node:test";
import assert from "node:assert/strict";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { Parameters } from "../../src/protocol/parameters.ts";
import { ParameterNames } from "../../src/responder/parameter_names.ts";

/** The names of one request after the other, as they are read. */
function reader() {
  const known = new ParameterNames();
  return (names: readonly string[]) => {
    const parameters = Parameters.decode(encodeNameValues(names.map((name) => [name, "x"])), 1000);
    let previous = known.beforeFirst;
    return names.map((_, index) => previous = known.at(parameters, index, previous));
  };
}

const ORDERS = [
  ["REQUEST_METHOD", "HTTP_HOST", "HTTP_ACCEPT", "REMOTE_ADDR"],
  ["REQUEST_METHOD", "HTTP_HOST", "HTTP_COOKIE", "HTTP_ACCEPT", "REMOTE_ADDR"],
  ["REMOTE_ADDR", "HTTP_ACCEPT", "HTTP_HOST"],
  ["HTTP_HOST", "HTTP_HOST", "HTTP_HOS", "HTTP_HOSTS"],
  [],
];

test("Names are read right in whatever order they come, however often", () => {
  const namesOf = reader();
  for (const names of [...ORDERS, ...ORDERS.toReversed(), ...ORDERS]) {
    assert.deepEqual(namesOf(names).map(({ name }) => name), names);
  }
});

test("A name that came before is the same object, also behind another name", () => {
  const namesOf = reader();
  const [, host] = namesOf(["REQUEST_METHOD", "HTTP_HOST"]);
  assert.equal(namesOf(["REQUEST_METHOD", "HTTP_HOST"])[1], host);
  assert.equal(namesOf(["SERVER_NAME", "HTTP_HOST"])[1], host);
});

test("A name says what its value is to a request", () => {
  const namesOf = reader();
  const names = ["HTTP_X_A_B", "HTTP_HOST", "REQUEST_URI", "SERVER_SOFTWARE", "constructor"];
  assert.deepEqual(namesOf(names).map(({ meaning, header }) => [meaning, header]), [
    ["header", "x-a-b"],
    ["host", "host"],
    ["requestUri", ""],
    ["other", ""],
    ["other", ""],
  ]);
});

test("Names that are too long or too many are not remembered, and read right all the same", () => {
  const namesOf = reader();
  const long = `HTTP_${"A".repeat(60)}`;
  assert.notEqual(namesOf([long])[0], namesOf([long])[0]);
  const many = Array.from({ length: 600 }, (_, index) => `HTTP_MANY_${index}`);
  const [first, second] = [namesOf(many), namesOf(many)];
  assert.deepEqual(second.map(({ name }) => name), many);
  assert.equal(first[0], second[0]);
  assert.notEqual(first.at(-1), second.at(-1));
});
