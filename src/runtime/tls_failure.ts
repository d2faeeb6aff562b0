/**
 * What an error of a handshake means. Bun has OpenSSL's codes (of BoringSSL), Deno the sentences of
 * rustls under codes that say little; both say nothing more of a client that left than that the
 * socket ended.
 */
import type { HandshakeFailure } from "./tls_details.ts";

/** In this order; what none of them is, was malformed. */
const KINDS: readonly (readonly [RegExp, HandshakeFailure])[] = [
  [/NO_APPLICATION_PROTOCOL|no application protocol/i, "no_common_protocol"],
  [
    /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_VERSION|NO_SUPPORTED_VERSIONS|peer is incompatible/i,
    "no_common_version",
  ],
  [/NO_SHARED_CIPHER|NO_CIPHER|no cipher/i, "no_common_version"],
  [/received fatal alert|ALERT_(?!HANDSHAKE_FAILURE)[A-Z_]+/i, "refused_by_client"],
  [/ECONNRESET|EPIPE|hang up|ended|UnexpectedEof|unexpected eof/i, "client_left"],
];

export function handshakeFailure(error: Error): HandshakeFailure {
  const { code = "" } = error as { code?: string };
  const text = `${code} ${error.message}`;
  return KINDS.find(([pattern]) => pattern.test(text))?.[1] ?? "malformed";
}
