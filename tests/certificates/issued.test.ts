/** What stands in a certificate that we make, value by value. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { DerTag, derValues, inside, oidOf } from "../../src/certificates/der_reader.ts";
import { formatName } from "../../src/certificates/distinguished_name.ts";
import { issueCertificate, type IssueOptions } from "../../src/certificates/issue.ts";
import { fromPem, joinPem, pem, splitPem } from "../../src/certificates/pem.ts";

const NOW_MS = Date.UTC(2026, 0, 2);
const DAY_MS = 86_400_000;
const OPTIONS: IssueOptions = { commonName: "one", nowMs: NOW_MS, lifetimeMs: 2 * DAY_MS };

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A certificate taken apart; of its extensions identifier, whether they are critical, and bytes. */
function apart(cert: string) {
  const [body] = inside(derValues(fromPem(cert))[0], DerTag.SEQUENCE);
  const [version, serial, algorithm, issuer, times, subject, publicKey, last] = inside(
    body,
    DerTag.SEQUENCE,
  );
  const extensions = inside(derValues(last!.content)[0], DerTag.SEQUENCE).map((one) => {
    const [id, ...rest] = inside(one, DerTag.SEQUENCE);
    return [oidOf(id), rest.length > 1 ? hex(rest[0]!.content) : "", hex(rest.at(-1)!.content)];
  });
  return {
    version: hex(version!.whole),
    serial: hex(serial!.content),
    algorithm: hex(algorithm!.whole),
    issuer: formatName(issuer),
    times: inside(times, DerTag.SEQUENCE).map(({ content }) => Buffer.from(content).toString()),
    subject: formatName(subject),
    keyId: createHash("sha256").update(publicKey!.whole).digest("hex").slice(0, 40),
    extensions,
  };
}

test("A root, an authority below it and a site have what each of them needs, and nothing else", async () => {
  const root = await issueCertificate({ ...OPTIONS, commonName: "root", pathLength: 1 });
  const below = await issueCertificate({ ...OPTIONS, commonName: "below", issuer: root });
  const hosts = ["a.test", "*.b.test", "127.0.0.1"];
  const site = await issueCertificate({ ...OPTIONS, issuer: below, hosts });
  const [first, second, third] = [root, below, site].map(({ cert }) => apart(cert));
  const common = {
    version: "a003020102",
    algorithm: "300a06082a8648ce3d040302",
    times: ["260101000000Z", "260104000000Z"],
  };
  const keys = (own: string, authority: string) => [
    ["2.5.29.14", "", `0414${own}`],
    ["2.5.29.35", "", `30168014${authority}`],
  ];
  const isAuthority = (pathLength: string) => [
    ["2.5.29.19", "ff", `30060101ff0201${pathLength}`],
    ["2.5.29.15", "ff", "03020106"],
  ];
  assert.deepEqual({ ...first, serial: "" }, {
    ...common,
    serial: "",
    issuer: "CN=root",
    subject: "CN=root",
    keyId: first!.keyId,
    extensions: [...isAuthority("01"), ...keys(first!.keyId, first!.keyId)],
  });
  assert.deepEqual({ ...second, serial: "" }, {
    ...common,
    serial: "",
    issuer: "CN=root",
    subject: "CN=below",
    keyId: second!.keyId,
    extensions: [...isAuthority("00"), ...keys(second!.keyId, first!.keyId)],
  });
  const names = `82${"06"}${hex(Buffer.from("a.test"))}8208${
    hex(Buffer.from("*.b.test"))
  }87047f000001`;
  assert.deepEqual({ ...third, serial: "" }, {
    ...common,
    serial: "",
    issuer: "CN=below",
    subject: "CN=one",
    keyId: third!.keyId,
    extensions: [
      ["2.5.29.19", "ff", "3000"],
      ["2.5.29.15", "ff", "03020780"],
      ...keys(third!.keyId, second!.keyId),
      ["2.5.29.37", "", "300a06082b06010505070301"],
      ["2.5.29.17", "", `30${(names.length / 2).toString(16)}${names}`],
    ],
  });
});

test("Serial numbers are positive, of sixteen bytes and no two alike", async () => {
  const serials = new Set<string>();
  for (let count = 0; count < 40; count++) {
    const { serial } = apart((await issueCertificate(OPTIONS)).cert);
    assert.match(serial, /^[4-7][0-9a-f]{31}$/);
    serials.add(serial);
  }
  assert.equal(serials.size, 40);
  assert.ok(new Set([...serials].map((serial) => serial.slice(0, 2))).size > 5);
});

test("A common name is cut behind 64 characters", async () => {
  for (const length of [64, 65]) {
    const { cert } = await issueCertificate({
      ...OPTIONS,
      commonName: `a${"x".repeat(length - 1)}`,
    });
    assert.equal(apart(cert).subject, `CN=a${"x".repeat(63)}`);
  }
});

test("PEM has lines of 64 characters and is read as it was written, alone or with its key", () => {
  for (const length of [0, 1, 47, 48, 49, 96, 97, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index % 256);
    const text = pem("CERTIFICATE", bytes);
    const [begin, ...lines] = text.trimEnd().split("\n");
    assert.equal(begin, "-----BEGIN CERTIFICATE-----");
    assert.equal(lines.pop(), "-----END CERTIFICATE-----");
    const base64 = Buffer.from(bytes).toString("base64");
    assert.equal(lines.join(""), base64);
    for (const line of lines.slice(0, -1)) assert.equal(line.length, 64);
    if (length > 0) assert.deepEqual(fromPem(text), bytes);
  }
  const cert = pem("CERTIFICATE", Uint8Array.of(1));
  const key = pem("PRIVATE KEY", Uint8Array.of(2));
  assert.deepEqual(splitPem(joinPem({ cert, key })), { cert, key });
  assert.deepEqual(splitPem(cert + key), { cert, key });
  assert.equal(splitPem(cert), undefined);
  assert.equal(fromPem("nothing").length, 0);
});
