/**
 * Ways from a client's certificate to an authority, as clients may make them up: chains of every
 * length, each certificate with its own times, and crowds that all vouch for each other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientVerification } from "../../src/certificates/client_verification.ts";
import {
  boolean,
  type Der,
  objectIdentifier,
  octetString,
  sequence,
} from "../../src/certificates/der.ts";
import { issueCertificate, type IssueOptions } from "../../src/certificates/issue.ts";
import type { PeerCertificate } from "../../src/runtime/tls_details.ts";

const DAY_MS = 24 * 3_600_000;
const NOW_MS = 1_000_000 * DAY_MS / 50;

const AUTHORITY = bytesOf(
  await issueCertificate({
    commonName: "an authority",
    nowMs: NOW_MS,
    lifetimeMs: DAY_MS,
    pathLength: 9,
  }),
);

function bytesOf({ cert }: { readonly cert: string }): Uint8Array {
  const text = cert.replace(/-----[^-]*-----|\s/g, "");
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

let signatures = 0;
let lastName = 0;

interface Parts {
  /** In the place of the bytes of an authority. */
  readonly der?: Uint8Array;
  /** Whose signature it has; nobody's, left out. */
  readonly by?: PeerCertificate;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Whether it vouches for everybody. */
  readonly vouches?: boolean;
}

const SIGNERS = new WeakMap<PeerCertificate, PeerCertificate>();

/** Its bytes are those of an authority; who has signed whom is the test's to say. */
function certificate({ by, vouches = false, ...times }: Parts = {}): PeerCertificate {
  const one: PeerCertificate = {
    sha256: String(++lastName),
    sha1: "",
    der: AUTHORITY,
    subject: "",
    issuer: "",
    serial: "",
    notBeforeMs: NOW_MS - DAY_MS,
    notAfterMs: NOW_MS + DAY_MS,
    ...times,
    hasIssued(other) {
      signatures++;
      return vouches || SIGNERS.get(other) === one;
    },
  };
  if (by !== undefined) SIGNERS.set(one, by);
  return one;
}

/** A root and so many below it, of which one has other times; the last is the client's. */
function chain(length: number, at = -1, times: Parts = {}): PeerCertificate[] {
  const made: PeerCertificate[] = [];
  for (let index = 0; index < length; index++) {
    const by = made.at(-1);
    made.push(certificate({ ...(by && { by }), ...(index === at && times) }));
  }
  return made;
}

function verdictOf(certificates: readonly PeerCertificate[], nowMs = NOW_MS): string {
  const [root, ...below] = certificates;
  const own = below.pop();
  return new ClientVerification([root!])
    .verify({ certificate: own, intermediates: below }, nowMs);
}

for (let between = 0; between <= 6; between++) {
  test(`${between} authorities between a client and one that is trusted`, () => {
    const isTooFar = between > 4;
    const wanted = isTooFar ? "FAILED:unable to get local issuer certificate" : "SUCCESS";
    assert.equal(verdictOf(chain(between + 2)), wanted);
  });
}

test("Every certificate of the way has its times, and each of them counts", () => {
  const early = { notAfterMs: NOW_MS - 1 };
  const late = { notBeforeMs: NOW_MS + 1 };
  for (let at = 0; at < 4; at++) {
    assert.equal(verdictOf(chain(4, at, early)), "FAILED:certificate has expired", `${at}`);
    assert.equal(verdictOf(chain(4, at, late)), "FAILED:certificate is not yet valid", `${at}`);
    assert.equal(verdictOf(chain(4, at, early), NOW_MS - 1), "SUCCESS", "in its last moment");
    assert.equal(verdictOf(chain(4, at, late), NOW_MS + 1), "SUCCESS", "in its first");
  }
});

test("A crowd that vouches for itself costs a bounded number of signatures, each time anew", () => {
  const [root, middle, own] = chain(3);
  const verification = new ClientVerification([root!]);
  for (let client = 0; client < 5; client++) {
    const crowd = Array.from({ length: 30 }, () => certificate({ vouches: true }));
    signatures = 0;
    const stranger = { certificate: certificate(), intermediates: crowd };
    assert.match(verification.verify(stranger, NOW_MS), /^FAILED:/);
    // One more to see whether it has signed itself.
    assert.equal(signatures, 65);
    const known = { certificate: own, intermediates: [middle!] };
    assert.equal(verification.verify(known, NOW_MS), "SUCCESS", "the next client is looked at");
  }
});

test("However much one client has cost, the next one is looked at in full", () => {
  const [root, middle, own] = chain(3);
  for (let size = 0; size < 70; size++) {
    const verification = new ClientVerification([root!]);
    const crowd = Array.from({ length: size }, () => certificate());
    const stranger = { certificate: certificate(), intermediates: crowd };
    assert.match(verification.verify(stranger, NOW_MS), /^FAILED:/);
    const known = { certificate: own, intermediates: [middle!] };
    assert.equal(verification.verify(known, NOW_MS), "SUCCESS", `behind ${size}`);
  }
});

test("What a connection has shown is looked at once, and its times at each request", () => {
  const [root, own] = chain(2);
  const verification = new ClientVerification([root!]);
  const shown = { certificate: own, intermediates: [] };
  assert.equal(verification.verify(shown, NOW_MS), "SUCCESS");
  signatures = 0;
  assert.equal(verification.verify(shown, NOW_MS + 2 * DAY_MS), "FAILED:certificate has expired");
  assert.equal(signatures, 0);
});

const SITE = { commonName: "a site", nowMs: NOW_MS, lifetimeMs: DAY_MS };

/** An extension as it stands in a certificate. */
function extension(oid: string, value: Der, isCritical: boolean): Der {
  return sequence(objectIdentifier(oid), boolean(isCritical), octetString(value));
}

const UNKNOWN = extension("1.2.3.4", sequence(), true);
const FOR_SERVERS = extension(
  "2.5.29.37",
  sequence(objectIdentifier("1.3.6.1.5.5.7.3.1")),
  false,
);

async function derOf(more: Partial<IssueOptions>): Promise<Uint8Array> {
  return bytesOf(await issueCertificate({ ...SITE, ...more }));
}

test("Who vouches is an authority, for clients, with nothing unknown, and for so many below it", async () => {
  const cases: [der: Uint8Array, succeeds: boolean][] = [
    [await derOf({ pathLength: 2 }), true],
    [await derOf({ hosts: ["a.test"] }), false],
    [await derOf({ extensions: [UNKNOWN], pathLength: 2 }), false],
    [await derOf({ extensions: [FOR_SERVERS], pathLength: 2 }), false],
    [Uint8Array.of(1, 2, 3), false],
    [await derOf({ pathLength: 0 }), false],
    [await derOf({ pathLength: 1 }), true],
  ];
  for (const [der, succeeds] of cases) {
    // One authority stands between this one and the client.
    for (const at of [0, 1]) {
      const made: PeerCertificate[] = [];
      for (let index = 0; index < 4; index++) {
        const by = made.at(-1);
        made.push(certificate({ ...(by && { by }), ...(index === at && { der }) }));
      }
      const isBelowRoot = at === 1;
      const verdict = verdictOf(isBelowRoot ? made : made.slice(0, 3));
      assert.equal(verdict === "SUCCESS", succeeds, `${at} ${verdict}`);
    }
  }
});

test("A client that is known itself needs no authority, and is looked at all the same", async () => {
  const cases: [more: Partial<IssueOptions>, verdict: string][] = [
    [{ pathLength: 0 }, "SUCCESS"],
    [{ extensions: [UNKNOWN] }, "FAILED:unhandled critical extension"],
    [{ hosts: ["a.test"] }, "FAILED:unsuitable certificate purpose"],
  ];
  for (const [more, verdict] of cases) {
    const own = certificate({ der: await derOf(more) });
    assert.equal(
      new ClientVerification([own]).verify({ certificate: own, intermediates: [] }, NOW_MS),
      verdict,
    );
  }
});

test("Why there is no way is told by what the client has shown", () => {
  const [root, middle, own] = chain(3);
  const stranger = certificate();
  const verification = new ClientVerification([root!]);
  const verdict = (certificate: PeerCertificate | undefined, ...intermediates: PeerCertificate[]) =>
    verification.verify({ certificate, intermediates }, NOW_MS);
  assert.equal(verification.verify(undefined, NOW_MS), "NONE");
  assert.equal(verdict(undefined), "NONE");
  assert.equal(verdict(own), "FAILED:unable to verify the first certificate");
  assert.equal(verdict(own, stranger), "FAILED:unable to get local issuer certificate");
  assert.equal(verdict(own, stranger, middle!), "SUCCESS");
  assert.equal(verdict(certificate({ vouches: true })), "FAILED:self-signed certificate");
  const garbage = certificate({ by: root!, der: Uint8Array.of(0x30, 3) });
  assert.equal(verdict(garbage), "FAILED:certificate cannot be read");
  const blind = chain(3);
  const unreadable = certificate({ by: blind[0]!, der: Uint8Array.of(1) });
  SIGNERS.set(blind[2]!, unreadable);
  const shown = { certificate: blind[2], intermediates: [unreadable] };
  assert.match(new ClientVerification([blind[0]!]).verify(shown, NOW_MS), /^FAILED:unable to get/);
});
