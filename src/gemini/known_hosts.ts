/**
 * Trust on first use: which certificate a host showed when it was seen first, a line each:
 * `example.com:1965 SHA256:… 2046-11-17T05:03:49Z`. Another certificate is refused for as long as
 * the known one is valid. Pure; who calls keeps the file.
 */
import type { PeerCertificate } from "../runtime/tls.ts";

export type Trust =
  | { readonly kind: "known" }
  /** Seen for the first time, or the known one is over: this line is to be kept. */
  | { readonly kind: "new"; readonly line: string }
  | { readonly kind: "changed"; readonly knownSha256: string };

/** What is to be thought of a certificate; of several lines for a host the last one counts. */
export function judge(
  knownHosts: string,
  host: string,
  certificate: PeerCertificate,
  nowMs: number,
): Trust {
  const line = `${host} SHA256:${certificate.sha256} ${isoTime(certificate.notAfterMs)}\n`;
  const known = knownHosts.split("\n").map((text) => text.trim().split(/\s+/))
    .findLast(([name]) => name === host);
  if (known === undefined) return { kind: "new", line };
  const knownSha256 = known[1]?.replace(/^SHA256:/, "") ?? "";
  if (knownSha256 === certificate.sha256) return { kind: "known" };
  const isOver = Date.parse(known[2] ?? "") < nowMs;
  return isOver ? { kind: "new", line } : { kind: "changed", knownSha256 };
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z");
}
