/**
 * The certificate of a host: from files, or one that signs itself, made on first start and kept in a
 * directory, a file for each host with certificate and key. Kept, because clients that have seen it
 * once take another one for an attack.
 */
import type { TlsFiles } from "../runtime/connection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { addressBytes } from "./host.ts";
import type { GeminiTlsOptions } from "./options.ts";
import { readPair } from "../certificates/pair.ts";
import { makeSelfSigned } from "../certificates/self_signed.ts";

const KEY_BEGIN = "-----BEGIN PRIVATE KEY-----";

/**
 * @throws {TlsError} when certificate and key do not belong together
 * @throws with the operating system's reason when a file cannot be read or made
 */
export async function loadIdentity(
  options: GeminiTlsOptions,
  host: string,
  { files, tls, clock }: Pick<Runtime, "files" | "tls" | "clock">,
): Promise<TlsFiles> {
  let identity: TlsFiles;
  if (options.kind === "files") {
    return (await readPair(options, { files, tls })).identity;
  } else {
    const path = `${options.store}/${fileName(host)}`;
    if (files.stat(path) === undefined) {
      const made = await makeSelfSigned(host, clock.wallMs(), addressBytes(host));
      // Another process may have been faster: then its certificate is the one that is kept.
      await files.createText(path, made.cert + made.key);
    }
    const text = await files.readText(path);
    const keyOffset = text.indexOf(KEY_BEGIN);
    identity = { cert: text.slice(0, keyOffset), key: text.slice(keyOffset) };
  }
  tls.checkIdentity(identity);
  return identity;
}

/** A name that is one on every file system: `*.example.com` is kept as `_.example.com.pem`. */
function fileName(host: string): string {
  return `${host.replace(/[^a-z0-9.-]/g, "_")}.pem`;
}
