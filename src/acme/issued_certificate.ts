/**
 * A certificate that an authority has issued, as it is kept: the key and the chain in one file, so
 * that they are replaced together. It is checked when it comes and whenever it is read.
 */
import type { TlsFiles, TlsIdentity } from "../runtime/connection.ts";
import type { TlsNetwork } from "../runtime/tls.ts";
import { splitPem } from "../certificates/pem.ts";
import { certificateId } from "./certificate_id.ts";
import { AcmeError } from "./problem.ts";
import type { Lifetime } from "./schedule.ts";

export interface IssuedCertificate extends Lifetime {
  readonly identity: TlsIdentity;
  /** As the authority knows it; undefined where that cannot be told. */
  readonly id: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const CHAIN_LENGTH_MAX = 10;

/** @throws {AcmeError} when it is not for these names, or not with this key */
export function readIssued(
  { cert, key }: TlsFiles,
  names: readonly string[],
  tls: Pick<TlsNetwork, "readCertificates">,
): IssuedCertificate {
  const chain = cert.match(CERTIFICATE) ?? [];
  if (chain.length === 0 || chain.length > CHAIN_LENGTH_MAX) {
    throw new AcmeError("Cannot use the certificate: it is no chain in PEM form");
  }
  const text = `${chain.join("\n")}\n`;
  const [own] = read(text, tls);
  if (own === undefined) throw new AcmeError("Cannot use the certificate: it cannot be read");
  const missing = names.find((name) => !own.names.includes(name));
  if (missing !== undefined) {
    throw new AcmeError(`Cannot use the certificate: it is not for "${missing}"`);
  }
  if (!own.hasKey(key)) throw new AcmeError("Cannot use the certificate: its key is another one");
  const { notBeforeMs, notAfterMs } = own;
  return { identity: { cert: text, key }, id: certificateId(chain[0]!), notBeforeMs, notAfterMs };
}

function read(text: string, tls: Pick<TlsNetwork, "readCertificates">) {
  try {
    return tls.readCertificates(text);
  } catch (cause) {
    throw new AcmeError("Cannot use the certificate: it cannot be read", { cause });
  }
}

/** @throws {AcmeError} */
export function parseIssued(
  text: string,
  names: readonly string[],
  tls: Pick<TlsNetwork, "readCertificates">,
): IssuedCertificate {
  const files = splitPem(text);
  if (files === undefined) throw new AcmeError("Cannot use the certificate: its key is missing");
  return readIssued(files, names, tls);
}
