import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../src/gemini/known_hosts.ts";
import type { PeerCertificate } from "../../src/runtime/tls.ts";

const DAY_MS = 86_400_000;

function certificate(sha256: string, notAfterMs = 10 * DAY_MS): PeerCertificate {
  const text = { sha1: sha256, subject: "/CN=a", issuer: "/CN=a", serial: "1" };
  const der = new Uint8Array(0);
  return { sha256, ...text, der, notBeforeMs: 0, notAfterMs, hasIssued: () => false };
}

test("A host is trusted on first use, and then for what it showed", () => {
  const first = judge("", "a:1965", certificate("aa"), 0);
  assert.equal(first.kind, "new");
  const file = first.kind === "new" ? first.line : "";
  assert.equal(file, "a:1965 SHA256:aa 1970-01-11T00:00:00Z\n");
  assert.equal(judge(file, "a:1965", certificate("aa"), 0).kind, "known");
  assert.deepEqual(judge(file, "a:1965", certificate("bb"), 0), {
    kind: "changed",
    knownSha256: "aa",
  });
  assert.equal(judge(file, "a:1966", certificate("bb"), 0).kind, "new");
});

test("A known certificate is good to the last millisecond, and one without an end for ever", () => {
  const ofTime = (text: string, nowMs: number) =>
    judge(`a:1965 SHA256:aa ${text}\n`, "a:1965", certificate("bb"), nowMs).kind;
  const end = "1970-01-11T00:00:00Z";
  assert.deepEqual([ofTime(end, 10 * DAY_MS), ofTime(end, 10 * DAY_MS + 1)], ["changed", "new"]);
  for (const odd of ["", "soon"]) assert.equal(ofTime(odd, 1e15), "changed", odd);
});

test("Another certificate is taken once the known one is over", () => {
  const file = "a:1965 SHA256:aa 1970-01-11T00:00:00Z\n";
  assert.equal(judge(file, "a:1965", certificate("bb"), 9 * DAY_MS).kind, "changed");
  const later = judge(file, "a:1965", certificate("bb", 30 * DAY_MS), 11 * DAY_MS);
  assert.equal(later.kind, "new");
  const both = file + (later.kind === "new" ? later.line : "");
  assert.equal(judge(both, "a:1965", certificate("bb"), 11 * DAY_MS).kind, "known");
  assert.equal(judge(both, "a:1965", certificate("aa"), 11 * DAY_MS).kind, "changed");
});
