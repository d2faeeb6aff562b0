/** Certificates from files: a pair, or several of which each handshake gets the one that fits it. */
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { chooseCertificate } from "./choice.ts";
import type { PairPaths } from "./options.ts";
import { type CertificatePair, readPair } from "./pair.ts";
import type { CertificateSource, HeldCertificate } from "./source.ts";

type FilesRuntime = Pick<Runtime, "files" | "tls">;

/** @throws {TlsError} with the path, when a pair cannot be used */
export async function openCertificateFiles(
  paths: readonly PairPaths[],
  runtime: FilesRuntime,
): Promise<CertificateFiles> {
  const pairs: CertificatePair[] = [];
  for (const pair of paths) pairs.push(await readPair(pair, runtime));
  return new CertificateFiles(pairs);
}

export class CertificateFiles implements CertificateSource {
  readonly #pairs: readonly CertificatePair[];

  constructor(pairs: readonly CertificatePair[]) {
    this.#pairs = pairs;
  }

  find(serverName: string, hello: ClientHello): TlsIdentity | undefined {
    return chooseCertificate(this.#pairs, serverName, hello)?.identity;
  }

  held(): readonly HeldCertificate[] {
    return this.#pairs.map(({ names, notAfterMs }) => ({ name: names[0] ?? "", notAfterMs }));
  }

  close(): void {}
}
