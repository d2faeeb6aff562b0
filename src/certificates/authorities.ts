/** Files of authorities that clients' certificates are held against, by their paths. */
import type { Runtime } from "../runtime/runtime.ts";
import { TlsError } from "../runtime/tls.ts";
import { ClientVerification } from "./client_verification.ts";
import type { ClientAuthOptions } from "./options.ts";

/** Nobody is verified by it. */
const NOBODY = new ClientVerification([]);

export class Authorities {
  readonly #byPath = new Map<string, ClientVerification>();

  /** Reads a file, once. @throws {TlsError} */
  async read(path: string, { files, tls }: Pick<Runtime, "files" | "tls">): Promise<void> {
    if (this.#byPath.has(path)) return;
    try {
      const trusted = tls.readCertificates(await files.readText(path));
      if (trusted.length === 0) throw new TlsError("there is no certificate in PEM form in it");
      this.#byPath.set(path, new ClientVerification(trusted));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TlsError(`Cannot use the authorities in "${path}": ${reason}`, { cause });
    }
  }

  /** What was not read verifies nobody. */
  of({ ca }: Pick<ClientAuthOptions, "ca">): ClientVerification {
    return ca === undefined ? NOBODY : this.#byPath.get(ca) ?? NOBODY;
  }
}
