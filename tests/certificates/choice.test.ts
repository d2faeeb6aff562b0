import assert from "node:assert/strict";
import { test } from "node:test";
import { type Candidate, chooseCertificate } from "../../src/certificates/choice.ts";
import type { CertificateSource } from "../../src/certificates/source.ts";
import { CertificateTable } from "../../src/certificates/table.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import type { KeyKind } from "../../src/runtime/tls.ts";

const MODERN: ClientHello = {
  serverName: "",
  protocols: [],
  signatureSchemes: [0x0403, 0x0804],
  cipherSuites: [0x1301],
  speaks13: true,
};

const RSA: Candidate = { names: ["a.test"], keyKind: "rsa" };
const P256: Candidate = { names: ["a.test"], keyKind: "p256" };
const P384: Candidate = { names: ["a.test"], keyKind: "p384" };

test("Of RSA and ECDSA a client gets what it can verify, ECDSA before RSA", () => {
  const hellos: readonly [Partial<ClientHello>, Candidate][] = [
    [{}, P256],
    [{ signatureSchemes: [0x0804, 0x0401] }, RSA],
    [{ signatureSchemes: [0x0403] }, P256],
    [{ speaks13: false, cipherSuites: [0xc02f] }, RSA],
    [{ speaks13: false, cipherSuites: [0xc02f, 0xc02b] }, P256],
    [{ signatureSchemes: [] }, RSA],
  ];
  for (const [hello, expected] of hellos) {
    for (const candidates of [[RSA, P256], [P256, RSA]]) {
      const chosen = chooseCertificate(candidates, "a.test", { ...MODERN, ...hello });
      assert.equal(chosen, expected, JSON.stringify(hello));
    }
  }
});

test("A curve that the client does not name is not for it", () => {
  assert.equal(chooseCertificate([P384, RSA], "a.test", MODERN), RSA);
  const wide = { ...MODERN, signatureSchemes: [0x0503, 0x0804] };
  assert.equal(chooseCertificate([P384, RSA], "a.test", wide), P384);
});

test("An exact name comes before a wildcard, a wildcard before any other, whatever the key", () => {
  const exact: Candidate = { names: ["b.test", "a.test"], keyKind: "rsa" };
  const wildcard: Candidate = { names: ["*.test"], keyKind: "p256" };
  const other: Candidate = { names: ["c.example"], keyKind: "p256" };
  const all = [other, wildcard, exact];
  assert.equal(chooseCertificate(all, "a.test", MODERN), exact);
  assert.equal(chooseCertificate(all, "x.test", MODERN), wildcard);
  assert.equal(chooseCertificate(all, "x.y.test", MODERN), other, "one label");
  assert.equal(chooseCertificate(all, "", MODERN), other, "the first, without a name");
  assert.equal(chooseCertificate([], "a.test", MODERN), undefined);
});

const identity = (name: string): TlsIdentity => ({ cert: name, key: name });

function source(found: TlsIdentity | undefined): CertificateSource {
  return { find: () => found, held: () => [], close: () => {} };
}

test("A listener asks the site with the name, then itself, then the site for every host", () => {
  const [exact, wild, own, every] = ["exact", "wild", "own", "every"].map(identity);
  const table = new CertificateTable();
  table.add({ hosts: ["*.a.test"] }, source(wild));
  table.add({ hosts: ["www.a.test"] }, source(exact));
  table.add({ hosts: ["new.test"] }, source(undefined));
  const find = (name: string, ours?: CertificateSource, localHost = "192.0.2.1") =>
    table.find(name, MODERN, ours, localHost);
  assert.equal(find("www.a.test", source(own)), exact);
  assert.equal(find("x.a.test", source(own)), wild);
  assert.equal(find("b.test", source(own)), own);
  assert.equal(find("", source(own)), own);
  assert.equal(find("b.test"), undefined, "nobody is b.test");
  assert.equal(find("new.test", source(own)), undefined, "it has none yet, and gets no other's");
  assert.equal(find(""), wild, "the first in the file");
  table.add({ hosts: [] }, source(every));
  assert.equal(find("b.test", source(own)), own);
  assert.equal(find("b.test"), every);
  assert.equal(find(""), every);
  assert.equal(find("new.test"), undefined);
  const here = identity("here");
  table.add({ hosts: ["192.0.2.9", "[2001:db8::1]"] }, source(here));
  for (const address of ["192.0.2.9", "2001:db8::1"]) {
    assert.equal(find("", source(own), address), here, "who opens an address asks for no name");
  }
  assert.equal(find("", source(own)), own);
});

test("Each signature scheme is for the key that makes it, and for no other", () => {
  const schemes: Readonly<Record<KeyKind, readonly number[]>> = {
    rsa: [0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806],
    p256: [0x0403],
    p384: [0x0503],
    p521: [0x0603],
    ed25519: [0x0807],
    other: [],
  };
  const kinds = Object.keys(schemes) as KeyKind[];
  const names = ["a.test"];
  // What nobody can verify comes first, so that it is chosen where nothing is better.
  const other: Candidate = { names, keyKind: "other" };
  for (const keyKind of kinds.filter((kind) => kind !== "other")) {
    for (const scheme of new Set(kinds.flatMap((kind) => [...schemes[kind]]))) {
      const hello = { ...MODERN, signatureSchemes: [scheme] };
      const chosen = chooseCertificate([other, { names, keyKind }], "a.test", hello);
      const expected = schemes[keyKind].includes(scheme) ? keyKind : "other";
      assert.equal(chosen?.keyKind, expected, `${keyKind} ${scheme.toString(16)}`);
    }
  }
});

test("Until TLS 1.2 a suite has to name ECDSA for a client that gets such a certificate", () => {
  const suites = [
    ...[0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c, 0xc0ac, 0xc0ad, 0xcca9],
  ];
  const others = [0xc013, 0xc02f, 0xc030, 0xcca8, 0x009c, 0x1301];
  for (const suite of [...suites, ...others]) {
    const hello = { ...MODERN, speaks13: false, cipherSuites: [suite] };
    const expected = suites.includes(suite) ? P256 : RSA;
    assert.equal(chooseCertificate([RSA, P256], "a.test", hello), expected, suite.toString(16));
  }
});

test("A name counts for more than what a client can verify, and that for more than the key", () => {
  const unreadable = { ...MODERN, signatureSchemes: [0x0403] };
  const exact: Candidate = { names: ["a.test"], keyKind: "rsa" };
  const wildcard: Candidate = { names: ["*.test"], keyKind: "p256" };
  const none: Candidate = { names: ["b.example"], keyKind: "p256" };
  const wildRsa: Candidate = { names: ["*.test"], keyKind: "rsa" };
  assert.equal(chooseCertificate([none, wildcard, exact], "a.test", unreadable), exact);
  assert.equal(chooseCertificate([none, wildRsa], "a.test", unreadable), wildRsa);
  assert.equal(chooseCertificate([P384, RSA], "a.test", unreadable), P384, "none can be verified");
  const first = { ...P256 };
  assert.equal(chooseCertificate([first, P256], "a.test", MODERN), first, "the first of two");
  assert.equal(chooseCertificate([none, { names: ["*"], keyKind: "rsa" }], "a", MODERN), none);
  const dotted: Candidate = { names: ["*.test"], keyKind: "rsa" };
  assert.equal(chooseCertificate([none, dotted], ".test", MODERN), none, "a label is not empty");
  assert.equal(chooseCertificate([none, dotted], "a.test", MODERN), dotted, "one letter is one");
});
