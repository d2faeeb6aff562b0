/**
 * A certificate that signs itself, as a capsule has one: Gemini's clients trust the certificate that
 * they saw first. So it is made once and kept, in a directory with a file for each host.
 */
import type { TlsFiles } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { TlsError } from "../runtime/tls.ts";
import type { Der } from "./der.ts";
import { issueCertificate } from "./issue.ts";
import { joinPem, splitPem } from "./pem.ts";
import type { CertificateSource } from "./source.ts";

/** Trust on first use lasts as long as the certificate: twenty years. */
const VALID_MS = 20 * 365 * 24 * 3_600_000;

/** Makes a key and a certificate for a name or an address, with more extensions than it needs. */
export async function makeSelfSigned(
  host: string,
  nowMs: number,
  extensions: readonly Der[] = [],
): Promise<TlsFiles> {
  const lifetimeMs = VALID_MS;
  return await issueCertificate({ commonName: host, nowMs, lifetimeMs, hosts: [host], extensions });
}

/**
 * That of a host, made where the directory has none.
 *
 * @throws {TlsError} when what is kept there is of no use
 * @throws with the operating system's reason when a file cannot be read or made
 */
async function keptSelfSigned(
  directory: string,
  host: string,
  { files, tls, clock }: Pick<Runtime, "files" | "tls" | "clock">,
): Promise<TlsFiles> {
  const path = `${directory}/${fileName(host)}`;
  if (files.stat(path) === undefined) {
    const made = await makeSelfSigned(host, clock.wallMs());
    // Another process may have been faster: then its certificate is the one that is kept.
    await files.createText(path, joinPem(made));
  }
  const identity = splitPem(await files.readText(path));
  if (identity === undefined) throw new TlsError(`There is no private key in "${path}"`);
  tls.checkIdentity(identity);
  return identity;
}

/** The same as a source. @throws as {@link keptSelfSigned} */
export async function openSelfSigned(
  directory: string,
  host: string,
  runtime: Pick<Runtime, "files" | "tls" | "clock">,
): Promise<CertificateSource> {
  const identity = await keptSelfSigned(directory, host, runtime);
  const { notAfterMs = 0 } = runtime.tls.readCertificates(identity.cert)[0] ?? {};
  return { find: () => identity, held: () => [{ name: host, notAfterMs }], close: () => {} };
}

/** A name that is one on every file system: `*.example.com` is kept as `_.example.com.pem`. */
function fileName(host: string): string {
  return `${host.replace(/[^a-z0-9.-]/g, "_")}.pem`;
}
