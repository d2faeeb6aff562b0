/**
 * Ways from a client's certificate to an authority, as clients may make them up: chains of every
 * length, each certificate with its own times, and crowds that all vouch for each other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientVerification } from "../../src/certificates/client_verification.ts";
import { issueCertificate } from "../../src/certificates/issue.ts";
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
    assert.ok(signatures <= 65, `${signatures}`);
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
