/** What `http3` of a listener cannot stand beside is told where it stands, and all else is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { memoryFiles } from "./memory_files.ts";

function read(listener: string, more = "") {
  const text = `listen: [${listener}]\n${more}` +
    'sites: [{ hosts: [a.test], tls: internal, https: allow, routes: [{ respond: { body: "x" } }] }]\n';
  return readConfig(text, {
    source: "afcgi.yaml",
    directory: "/srv",
    files: memoryFiles({ "/srv/ca.crt": "" }),
    readVariable: () => undefined,
    rootGiven: false,
  });
}

const REFUSED: Readonly<Record<string, readonly [listener: string, why: RegExp, more?: string]>> = {
  "no TLS": ['{ address: ":443", http3: true }', /there is no TLS \(add tls: \{\}/],
  "a unix socket": ['{ address: "unix:/run/a.sock", tls: {}, http3: true }', /no UDP port/],
  "PROXY headers": [
    '{ address: ":443", tls: {}, http3: true, proxy_protocol: [10.0.0.0/8] }',
    /PROXY header over UDP/,
  ],
  "certificates of clients": [
    '{ address: ":443", tls: { client_auth: { ca: ca.crt, mode: request } }, http3: true }',
    /asked for certificates/,
  ],
  "certificates of all clients": [
    '{ address: ":443", tls: {}, http3: true }',
    /asked for certificates/,
    "tls: { client_auth: { ca: ca.crt, mode: request } }\n",
  ],
};

for (const [what, [listener, why, more]] of Object.entries(REFUSED)) {
  test(`HTTP/3 with ${what} is an error`, () => {
    const texts = read(listener, more).errors.map(formatError);
    const found = texts.filter((text) => text.includes("Cannot serve HTTP/3 here"));
    assert.equal(found.length, 1, texts.join("\n"));
    assert.match(found[0]!, why);
    assert.match(found[0]!, /^afcgi\.yaml:1:\d+: /);
  });
}

test("HTTP/3 is what a listener with TLS asks for, and nothing by default", () => {
  for (const [said, http3] of [[", http3: true", true], [", http3: false"], [""]] as const) {
    const { options, errors } = read(`{ address: ":443", tls: {}${said} }`);
    assert.deepEqual(errors.map(formatError), []);
    assert.equal(options!.listen[0]!.http3, http3);
  }
});
