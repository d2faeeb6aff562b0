/** Errors of the key `gemini`, each with its place and remedy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

function read(text: string) {
  return readConfig(text, {
    source: "a.yaml",
    directory: "/etc/afcgi",
    files: memoryFiles({ "/srv": null, "/etc/afcgi/a.pem": "pem" }),
    readVariable: () => undefined,
    rootGiven: false,
  });
}

const SELF = "tls: { self_signed: true, store: tls }";
const STATIC = "root: /srv, routes: [{ static: {} }]";

function entry(more: string): string {
  return `gemini:\n  - { hosts: [a.test], ${more} }\n`;
}

test("A file with Gemini alone opens no port for HTTP, and has every default", () => {
  const { options, errors: errors } = read(entry(`${SELF}, ${STATIC}`));
  assert.deepEqual(errors, []);
  assert.deepEqual(options?.listen, []);
  assert.deepEqual(options?.sites, []);
  const [site] = options?.gemini?.sites ?? [];
  assert.deepEqual(site?.listen, { transport: "tcp", host: "::", port: 1965 });
  assert.deepEqual(site?.tls, { kind: "self_signed", store: "/etc/afcgi/tls" });
  assert.equal(site?.versionMin, "1.2");
  assert.deepEqual(site?.routes[0]?.handler, {
    kind: "static",
    index: ["index.gmi", "index.gemini"],
    listing: false,
    lang: undefined,
  });
  assert.deepEqual(options?.gemini?.limits, {
    connectionsMax: 4096,
    connectionsPerAddressMax: 64,
    requestsPerSecondMax: 50,
    requestTimeoutMs: 10_000,
    sendTimeoutMs: 60_000,
    closeTimeoutMs: 5_000,
  });
});

test("Hosts are read as URIs write them, fingerprints as openssl prints them", () => {
  const print = "AB:".repeat(31) + "CD";
  const { options, errors: errors } = read(
    `gemini:\n  - hosts: [Bücher.Example, "*.B.test", "[2001:DB8::0:1]"]\n    ${SELF}\n` +
      `    routes:\n      - client_cert: { fingerprints: ["SHA256:${print}"] }\n` +
      `        respond: { code: 20, meta: text/gemini }\n`,
  );
  assert.deepEqual(errors, []);
  const [site] = options?.gemini?.sites ?? [];
  assert.deepEqual(site?.hosts, ["xn--bcher-kva.example", "*.b.test", "[2001:db8::1]"]);
  assert.deepEqual(site?.routes[0]?.clientCert?.fingerprints, ["ab".repeat(31) + "cd"]);
});

test("An error of Gemini is told with its place and what would be right", () => {
  const table: readonly (readonly [text: string, errors: readonly RegExp[]])[] = [
    [entry(`${STATIC}`), [/^a\.yaml:2:5: gemini\[0\] has no key "tls" \(add it\)$/]],
    [entry(`tls: {}, ${STATIC}`), [/tls has no cert and key \(add both, or self_signed/]],
    [entry(`tls: { self_signed: true }, ${STATIC}`), [/tls has no store/]],
    [
      entry(`tls: { self_signed: true, store: x, cert: a.pem }, ${STATIC}`),
      [/cert or key and self_signed \(keep one\)/],
    ],
    [
      entry(`tls: { cert: a.pem, key: b.pem }, ${STATIC}`),
      [/There is no file "\/etc\/afcgi\/b\.pem"/],
    ],
    [entry(`${SELF}, routes: [{ static: {} }]`), [/Handler static has no files/]],
    [entry(`${SELF}, root: /none, routes: [{ static: {} }]`), [/There is no directory "\/none"/]],
    [entry(`${SELF}, routes: [{ path: /a }]`), [/The route has no handler/]],
    [
      entry(`${SELF}, routes: [{ respond: { code: 51, meta: x }, fastcgi: { upstream: app } }]`),
      [/The route has 2 handlers/, /Unknown upstream "app"/],
    ],
    [
      entry(
        `${SELF}, routes: [{ respond: { code: 51, meta: x } }, { respond: { code: 51, meta: y } }]`,
      ),
      [/The route never matches/],
    ],
    [entry(`${SELF}, routes: [{ respond: { code: 9, meta: x } }]`), [/use a whole number from 10/]],
    [entry(`${SELF}, routes: [{ respond: { code: 31, meta: "%x" } }]`), [/use one line, with %p/]],
    [entry(`${SELF}, listen: "unix:/a", ${STATIC}`), [/over TCP only/]],
    [entry(`${SELF}, hots: [a], ${STATIC}`), [/Unknown key "hots" \(did you mean "hosts"/]],
    [
      `listen: [":80"]\n${entry(`${SELF}, ${STATIC}`)}`,
      [/^a\.yaml:1:1: Nothing is served at these addresses/],
    ],
    [
      `gemini:\n  - { hosts: [a], ${SELF}, ${STATIC} }\n  - { hosts: [A], ${SELF}, ${STATIC} }\n`,
      [/^a\.yaml:3:15: Host "A" is taken by line 2/],
    ],
    [
      `gemini:\n  - { hosts: [a], ${SELF}, ${STATIC} }\n` +
      `  - { hosts: [b], tls: { self_signed: true, store: x, min: "1.3" }, ${STATIC} }\n`,
      [/tls\.min is "1\.3" here and "1\.2" in line 2/],
    ],
  ];
  for (const [text, expected] of table) {
    const errors = read(text).errors.map(formatError);
    assert.equal(errors.length, expected.length, `${text}\n${errors.join("\n")}`);
    errors.forEach((error, index) => assert.match(error, expected[index]!));
  }
});
