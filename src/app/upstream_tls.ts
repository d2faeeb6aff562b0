/** The authorities by which HTTP servers of upstreams are checked, from their file. */
import type { Files } from "../runtime/files.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

/** A file of authorities cannot be used. */
export class AuthoritiesError extends Error {
  override readonly name = "AuthoritiesError";
}

/**
 * The same options, with what the file says now: another text makes other options.
 *
 * @throws {AuthoritiesError} @throws {FileError}
 */
export async function withAuthorities(
  options: UpstreamOptions,
  files: Files,
): Promise<UpstreamOptions> {
  const { tls } = options;
  if (tls?.caFile === undefined) return options;
  const authorities = await files.readText(tls.caFile);
  if (!authorities.includes("-----BEGIN CERTIFICATE-----")) {
    const what = `Cannot use "${tls.caFile}": there is no certificate in it`;
    throw new AuthoritiesError(`${what} (name the PEM file of the authorities)`);
  }
  return { ...options, tls: { ...tls, authorities } };
}
