/** What an authority sends, at the bounds of what is read, and what it may leave out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageReader, readRenewalWindow } from "../../src/acme/messages.ts";
import { AcmeError, problemError } from "../../src/acme/problem.ts";
import { DIRECTORY } from "../support/acme_authority.ts";

const ORIGIN = new URL(DIRECTORY).origin;
const messages = new MessageReader(DIRECTORY);
const url = (path: string) => `${ORIGIN}/${path}`;

const PLACES = { newNonce: url("n"), newAccount: url("a"), newOrder: url("o") };
const ORDER = { status: "pending", authorizations: [url("1")], finalize: url("f") };
const TOKEN = "x".repeat(22);
const CHALLENGE = { type: "http-01", url: url("c"), token: TOKEN };
const AUTHORIZATION = {
  status: "pending",
  identifier: { type: "dns", value: "A.Test" },
  challenges: [CHALLENGE],
};

test("An address may have 2,048 characters, and a list a hundred entries", () => {
  const long = (length: number) => url("x".repeat(length - url("").length));
  assert.equal(messages.url("account", long(2_048)).length, 2_048);
  assert.throws(() => messages.url("account", long(2_049)), /authority's account/);
  const order = (count: number) =>
    messages.order({ ...ORDER, authorizations: Array(count).fill(url("1")) });
  assert.equal(order(1).authorizations.length, 1);
  assert.equal(order(100).authorizations.length, 100);
  assert.throws(() => order(101), /authority's order/);
  assert.throws(() => order(0), /authority's order/);
  const status = (length: number) =>
    messages.authorization({ ...AUTHORIZATION, status: "x".repeat(length) });
  assert.equal(status(2_048).status.length, 2_048);
  assert.throws(() => status(2_049), /authority's authorization/);
});

test("A token has 22 characters at least, and 128 at most", () => {
  const challenge = (length: number) =>
    messages.authorization({
      ...AUTHORIZATION,
      challenges: [{ ...CHALLENGE, token: "x".repeat(length) }],
    });
  for (const length of [22, 128]) assert.equal(challenge(length).challenges.length, 1);
  for (const length of [21, 129]) assert.throws(() => challenge(length), /challenge/);
});

test("A directory says what an authority has, and nothing of what it leaves out", () => {
  assert.deepEqual(messages.directory(PLACES), {
    ...PLACES,
    renewalInfo: undefined,
    needsExternalAccount: false,
    profiles: undefined,
  });
  const meta = (value: unknown) => messages.directory({ ...PLACES, meta: value });
  for (const odd of ["true", 1, {}, undefined]) {
    assert.equal(meta({ externalAccountRequired: odd }).needsExternalAccount, false);
  }
  assert.equal(meta({ externalAccountRequired: true }).needsExternalAccount, true);
  assert.deepEqual(meta({ profiles: { classic: "", short: "" } }).profiles, ["classic", "short"]);
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`p${index}`, ""]));
  assert.equal(meta({ profiles: many }).profiles?.length, 100);
  for (const odd of [["classic"], "classic", null]) {
    assert.equal(meta({ profiles: odd }).profiles, undefined);
  }
  const renewalInfo = url("r");
  assert.equal(messages.directory({ ...PLACES, renewalInfo }).renewalInfo, renewalInfo);
});

test("An order has one of five states, and a certificate once there is one", () => {
  for (const status of ["pending", "ready", "processing", "valid", "invalid"]) {
    assert.equal(messages.order({ ...ORDER, status }).status, status);
  }
  for (const status of ["", "Valid", "deactivated", undefined, 7]) {
    assert.throws(() => messages.order({ ...ORDER, status }), /authority's order/);
  }
  assert.equal(messages.order(ORDER).certificate, undefined);
  assert.equal(messages.order({ ...ORDER, certificate: url("x") }).certificate, url("x"));
});

test("Of an authorization those challenges count that we know, whatever the others look like", () => {
  const { name, challenges } = messages.authorization({
    ...AUTHORIZATION,
    challenges: [
      { type: "dns-01", token: 7 },
      CHALLENGE,
      { ...CHALLENGE, type: "tls-alpn-01", status: "invalid", error: { detail: "no" } },
    ],
  });
  assert.equal(name, "a.test");
  assert.deepEqual(challenges.map(({ type, status, error }) => [type, status, error]), [
    ["http-01", "pending", undefined],
    ["tls-alpn-01", "invalid", { detail: "no" }],
  ]);
  const wrong = [
    { ...AUTHORIZATION, identifier: { type: "ip", value: "192.0.2.1" } },
    { ...AUTHORIZATION, identifier: "a.test" },
    { ...AUTHORIZATION, identifier: { type: "dns", value: 7 } },
    { ...AUTHORIZATION, status: undefined },
    { ...AUTHORIZATION, challenges: [7] },
    { ...AUTHORIZATION, challenges: [{ ...CHALLENGE, type: 7 }] },
    { ...AUTHORIZATION, challenges: [{ ...CHALLENGE, status: 7 }] },
  ];
  for (const value of wrong) assert.throws(() => messages.authorization(value), AcmeError);
});

test("A time for a renewal is a window with two ends, the first one first", () => {
  const start = "2026-03-01T00:00:00Z";
  const end = "2026-03-02T00:00:00Z";
  const window = (suggestedWindow: unknown) => readRenewalWindow({ suggestedWindow });
  const startMs = Date.parse(start);
  assert.deepEqual(window({ start, end }), { startMs, endMs: Date.parse(end) });
  assert.deepEqual(window({ start, end: start }), { startMs, endMs: startMs });
  const none = [{ start: end, end: start }, { start }, { end }, { start: 1, end: 2 }, null, [], ""];
  for (const odd of none) assert.equal(window(odd), undefined, JSON.stringify(odd));
  for (const odd of [undefined, null, 7, []]) assert.equal(readRenewalWindow(odd), undefined);
});

test("What an authority says when it says no is one line: what failed, its type, its words", () => {
  const urn = (type: string) => `urn:ietf:params:acme:error:${type}`;
  const cases: readonly (readonly [problem: unknown, expected: string, type: string])[] = [
    [{ type: urn("rateLimited"), detail: "too many" }, "rateLimited: too many", "rateLimited"],
    [{ detail: "too many" }, "too many", ""],
    [{ type: urn("malformed") }, "malformed: HTTP status 400", "malformed"],
    [{ type: "https://a.test/odd" }, "https://a.test/odd: HTTP status 400", "https://a.test/odd"],
    [{ type: "two words" }, "HTTP status 400", ""],
    [{ type: 7, detail: 7, subproblems: 7 }, "HTTP status 400", ""],
    ["<html>", "HTTP status 400", ""],
    [undefined, "HTTP status 400", ""],
    [
      {
        detail: "two names",
        subproblems: [
          { type: urn("caa"), detail: "no", identifier: { type: "dns", value: "a\nb" } },
          { detail: "odd", identifier: { value: 7 } },
          { type: urn("dns") },
          7,
        ],
      },
      "two names; a b: caa: no; odd; dns",
      "",
    ],
  ];
  for (const [problem, expected, type] of cases) {
    const error = problemError("ask", problem, { status: 400, retryAfterMs: 5 });
    assert.equal(error.message, `Cannot ask: ${expected}`);
    assert.deepEqual([error.type, error.status, error.retryAfterMs], [type, 400, 5]);
  }
  const six = { detail: "six", subproblems: Array.from("123456", (detail) => ({ detail })) };
  assert.equal(problemError("ask", six).message, "Cannot ask: six; 1; 2; 3; 4; 5");
  assert.equal(problemError("ask", { detail: "x".repeat(501) }).message.length, 500 + 12);
  assert.equal(problemError("ask", {}).message, "Cannot ask: HTTP status 0");
  assert.deepEqual([new AcmeError("no").type, new AcmeError("no").status], ["", 0]);
  const cause = new Error("why");
  assert.equal(new AcmeError("no", { cause }).cause, cause);
});
