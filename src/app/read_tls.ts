/** The certificate and key of a listener, from their files. */
import type { TlsFiles } from "../runtime/connection.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorText } from "../upstream/errors.ts";
import type { ListenOptions } from "./options.ts";

/** @throws {ListenError} when the two cannot be used together */
export async function readTls(
  { files, tls }: Pick<Runtime, "files" | "tls">,
  paths: NonNullable<ListenOptions["tls"]>,
): Promise<TlsFiles> {
  const read = { cert: await files.readText(paths.cert), key: await files.readText(paths.key) };
  try {
    // Deno takes anything, and fails at the first client.
    tls.checkIdentity(read);
  } catch (cause) {
    throw new ListenError(`Cannot serve TLS with "${paths.cert}": ${errorText(cause)}`, { cause });
  }
  return read;
}
