/** DER as it is written and read, byte by byte, and certificates made of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CertificateText,
  isFor,
  Purpose,
  readCertificateText,
} from "../../src/certificates/certificate_der.ts";
import {
  bitString,
  boolean,
  concat,
  type Der,
  explicit,
  flags,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from "../../src/certificates/der.ts";
import {
  contentOf,
  DerError,
  derValues,
  inside,
  oidOf,
} from "../../src/certificates/der_reader.ts";
import { formatName } from "../../src/certificates/distinguished_name.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Der => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

const OIDS: readonly (readonly [dotted: string, content: string])[] = [
  ["0.0", "00"],
  ["0.9.2342", "09 92 26"],
  ["1.2.840.10045.4.3.2", "2a 86 48 ce 3d 04 03 02"],
  ["1.3.6.1.4.1.311.60", "2b 06 01 04 01 82 37 3c"],
  ["1.39", "4f"],
  ["2.0", "50"],
  ["2.5.29.17", "55 1d 11"],
  ["2.47", "7f"],
  ["2.48", "81 00"],
  ["2.999.127", "88 37 7f"],
  ["2.999.128", "88 37 81 00"],
  ["2.999.16384", "88 37 81 80 00"],
];

test("Each kind of value is written with its tag and its length", () => {
  const cases: [value: Der, written: string][] = [
    [boolean(true), "01 01 ff"],
    [boolean(false), "01 01 00"],
    [integer(Uint8Array.of(0, 0)), "02 01 00"],
    [integer(Uint8Array.of(0, 0x80, 1)), "02 03 00 80 01"],
    [bitString(Uint8Array.of(5)), "03 02 00 05"],
    [flags(6, 1), "03 02 01 06"],
    [octetString(Uint8Array.of(1, 2)), "04 02 01 02"],
    [utf8String("a"), "0c 01 61"],
    [sequence(boolean(true), boolean(false)), "30 06 01 01 ff 01 01 00"],
    [set(boolean(true)), "31 03 01 01 ff"],
    [explicit(0, boolean(true)), "a0 03 01 01 ff"],
    [explicit(3, boolean(true)), "a3 03 01 01 ff"],
    [implicit(7, Uint8Array.of(1)), "87 01 01"],
    [concat([]), ""],
    [concat([Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3)]), "01 02 03"],
    [time(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), `17 0d ${hex(Buffer.from("260102030405Z"))}`],
    [time(Date.UTC(2050, 0, 1)), `18 0f ${hex(Buffer.from("20500101000000Z"))}`],
  ];
  for (const [value, written] of cases) assert.equal(hex(value), hex(bytes(written)));
  const lengths: [length: number, written: string][] = [
    [127, "047f"],
    [128, "048180"],
    [255, "0481ff"],
    [256, "04820100"],
    [0x1234, "04821234"],
    [0x12345, "0483012345"],
  ];
  for (const [length, written] of lengths) {
    const value = octetString(new Uint8Array(length));
    assert.equal(hex(value.subarray(0, value.length - length)), written);
  }
});

test("An object identifier is written and read as X.690 says", () => {
  for (const [dotted, content] of OIDS) {
    const value = objectIdentifier(dotted);
    assert.equal(hex(value.subarray(2)), hex(bytes(content)), dotted);
    assert.equal(oidOf(derValues(value)[0]), dotted);
  }
  const largest = `2.999.${Number.MAX_SAFE_INTEGER}`;
  assert.equal(oidOf(derValues(objectIdentifier(largest))[0]), largest);
  for (const content of ["88 37 90 80 80 80 80 80 80 00", "88 37 ff ff ff ff ff ff ff ff 7f"]) {
    const value = bytes(`06 ${content.split(" ").length.toString(16).padStart(2, "0")} ${content}`);
    assert.throws(() => oidOf(derValues(value)[0]), DerError);
  }
});

test("Values are read one behind the other, with lengths of up to three bytes", () => {
  const values = derValues(bytes("05 00 04 81 02 aa bb 30 03 01 01 ff"));
  assert.deepEqual(
    values.map(({ tag, content, whole }) => [tag, hex(content), hex(whole)]),
    [[5, "", "0500"], [4, "aabb", "048102aabb"], [0x30, "0101ff", "30030101ff"]],
  );
  assert.deepEqual(inside(values[2], 0x30).map(({ tag }) => tag), [1]);
  for (const length of [127, 128, 255, 256, 65_535, 65_536]) {
    const content = new Uint8Array(length).fill(7);
    const [value, ...rest] = derValues(octetString(content));
    assert.deepEqual([value?.content, rest], [content, []]);
  }
  assert.equal(derValues(bytes("1e 00"))[0]?.tag, 0x1e);
});

test("What is cut, has a tag of several bytes or a length that DER forbids, is no value", () => {
  const texts = [
    ...["04", "04 01", "04 02 aa", "04 80 aa 00 00", "04 81", "04 82 01", "04 84 00 00 00 01 aa"],
    ...[`04 80 ${"00".repeat(128)}`, "1f 01 00", "3f 00", "bf 00", "05 00 04 01", "04 83 00 00"],
  ];
  for (const text of texts) assert.throws(() => derValues(bytes(text)), DerError, text);
  const value = derValues(bytes("04 00"))[0];
  assert.throws(() => contentOf(value, 5), /Tag 4 stands where 5 should/);
  assert.throws(() => inside(undefined, 4), DerError);
});

const oid = (dotted: string) => objectIdentifier(dotted);
const CN = "2.5.4.3";

/** One attribute with a value of its own tag. */
function attribute(type: string, value: Der): Der {
  return sequence(oid(type), value);
}

/** A value of any tag. */
function tagged(tag: number, text: string): Der {
  const content = bytes(text);
  return concat([Uint8Array.of(tag, content.length), content]);
}

const nameOf = (...parts: readonly Der[]) => formatName(derValues(sequence(...parts))[0]);

test("A text of a name is read by its kind; what is none is told by its bytes", () => {
  const cases: [tag: number, content: string, text: string][] = [
    [0x0c, "c3 bc", "\\C3\\BC"],
    [0x12, "31 32", "12"],
    [0x13, "61 62", "ab"],
    [0x14, "fc", "\\C3\\BC"],
    [0x16, "61", "a"],
    [0x1a, "62", "b"],
    [0x1c, "00 00 00 61 00 01 f6 00", "a\\F0\\9F\\98\\80"],
    [0x1c, "00 10 ff ff 00 11 00 00 00", "\\F4\\8F\\BF\\BF\\EF\\BF\\BD"],
    [0x1c, "00 00 61", ""],
    [0x1e, "00 61 00 fc", "a\\C3\\BC"],
    [0x02, "05", "#020105"],
    [0x04, "61", "#040161"],
  ];
  for (const [tag, content, text] of cases) {
    assert.equal(nameOf(set(attribute(CN, tagged(tag, content)))), `CN=${text}`);
  }
  assert.equal(nameOf(set(attribute("2.5.4.99", utf8String("a")))), "2.5.4.99=#0C0161");
  assert.equal(nameOf(set(sequence(oid(CN)))), "CN=");
});

test("What could be mistaken in a name stands behind a backslash, wherever it matters", () => {
  const cases: [text: string, escaped: string][] = [
    ["", ""],
    ["a b", "a b"],
    [" ", "\\ "],
    [" a ", "\\ a\\ "],
    ["  a", "\\  a"],
    ["a  ", "a \\ "],
    ["#a#", "\\#a#"],
    ["a#", "a#"],
    [',+"\\<>;', '\\,\\+\\"\\\\\\<\\>\\;'],
    ["a=b", "a=b"],
    ["\x1f\x20a\x7e\x7f", "\\1F a~\\7F"],
    ["a\nb", "a\\0Ab"],
  ];
  for (const [text, escaped] of cases) {
    assert.equal(nameOf(set(attribute(CN, utf8String(text)))), `CN=${escaped}`);
  }
});

test("The last part of a name stands first, parts of one set stand together", () => {
  const one = (type: string, text: string) => attribute(type, utf8String(text));
  assert.equal(
    nameOf(
      set(one("2.5.4.6", "DE")),
      set(one("2.5.4.10", "O"), one("2.5.4.11", "U")),
      set(one(CN, "c")),
    ),
    "CN=c,OU=U+O=O,C=DE",
  );
  assert.equal(nameOf(), "");
});

const NAME = sequence(set(attribute(CN, utf8String("one"))));
const ISSUER = sequence(set(attribute(CN, utf8String("issuer"))));

interface Parts {
  readonly version?: number;
  readonly serial?: Der;
  readonly extensions?: readonly Der[];
}

function certificate({ version = 2, serial, extensions }: Parts = {}): Uint8Array {
  return sequence(
    sequence(
      ...(version === 0 ? [] : [explicit(0, integer(Uint8Array.of(version)))]),
      serial ?? integer(Uint8Array.of(1)),
      sequence(),
      ISSUER,
      sequence(),
      NAME,
      sequence(),
      ...(extensions === undefined ? [] : [explicit(3, sequence(...extensions))]),
    ),
    sequence(),
    bitString(Uint8Array.of()),
  );
}

const extension = (id: string, value: Der, ...critical: readonly Der[]) =>
  sequence(oid(id), ...critical, octetString(value));

const CONSTRAINTS = "2.5.29.19";
const USAGE = "2.5.29.15";
const PURPOSES = "2.5.29.37";
const AUTHORITY = extension(CONSTRAINTS, sequence(boolean(true)));
const number = (...digits: readonly number[]) => integer(Uint8Array.from(digits));

test("A certificate is read with its names and its serial number, of every version", () => {
  const serials: [serial: Der, text: string][] = [
    [number(0), "00"],
    [number(1), "01"],
    [number(0xf1), "F1"],
    [number(0xf1, 0xab), "F1AB"],
    [tagged(2, "00 01 02"), "0102"],
    [number(0x7f, 0), "7F00"],
  ];
  for (const [serial, text] of serials) {
    for (const version of [0, 2]) {
      const read = readCertificateText(certificate({ version, serial }));
      assert.deepEqual(read, {
        subject: "CN=one",
        issuer: "CN=issuer",
        serial: text,
        isAuthority: false,
        pathLengthMax: undefined,
        purposes: undefined,
        hasUnknownCritical: false,
      });
    }
  }
});

test("What an extension says is read, and none is taken for another", () => {
  const signs = extension(USAGE, flags(0x04, 2));
  const cases: [extensions: readonly Der[], said: Partial<CertificateText>][] = [
    [[], {}],
    [[AUTHORITY], { isAuthority: true }],
    [[extension(CONSTRAINTS, sequence())], {}],
    [[extension(CONSTRAINTS, sequence(boolean(false)))], {}],
    [[extension(CONSTRAINTS, sequence(boolean(true), number(0)))], {
      isAuthority: true,
      pathLengthMax: 0,
    }],
    [[extension(CONSTRAINTS, sequence(boolean(true), number(1, 2)))], {
      isAuthority: true,
      pathLengthMax: 258,
    }],
    [[extension(CONSTRAINTS, sequence(number(3)))], { pathLengthMax: 3 }],
    [[AUTHORITY, signs], { isAuthority: true }],
    [[signs], {}],
    [[AUTHORITY, extension(USAGE, flags(0x06, 1))], { isAuthority: true }],
    [[AUTHORITY, extension(USAGE, flags(0xfb, 0))], {}],
    [[AUTHORITY, extension(USAGE, tagged(3, "00"))], {}],
    [[extension(PURPOSES, sequence(oid(Purpose.CLIENT), oid("1.2")))], {
      purposes: [Purpose.CLIENT, "1.2"],
    }],
    [[extension("1.2.3", boolean(true))], {}],
    [[extension("1.2.3", boolean(true), boolean(false))], {}],
    [[extension("1.2.3", boolean(true), boolean(true))], { hasUnknownCritical: true }],
    [[extension("2.5.29.17", sequence(), boolean(true))], {}],
    [[extension("2.5.29.32", sequence(), boolean(true))], {}],
    [[extension(PURPOSES, sequence(), boolean(true))], { purposes: [] }],
    [[extension(USAGE, flags(0x80, 7), boolean(true))], {}],
    [[extension(CONSTRAINTS, sequence(boolean(true)), boolean(true))], { isAuthority: true }],
  ];
  for (const [extensions, said] of cases) {
    const { subject: _subject, issuer: _issuer, serial: _serial, ...read } = readCertificateText(
      certificate({ extensions }),
    );
    assert.deepEqual(read, {
      isAuthority: false,
      pathLengthMax: undefined,
      purposes: undefined,
      hasUnknownCritical: false,
      ...said,
    });
  }
});

test("A certificate may be used for what it names, for anything, or where it names nothing", () => {
  const text = readCertificateText(certificate());
  const cases: [purposes: readonly string[] | undefined, isForClients: boolean][] = [
    [undefined, true],
    [[], false],
    [[Purpose.SERVER], false],
    [[Purpose.SERVER, Purpose.CLIENT], true],
    [["2.5.29.37.0"], true],
  ];
  for (const [purposes, isForClients] of cases) {
    assert.equal(isFor({ ...text, purposes }, Purpose.CLIENT), isForClients);
  }
});
