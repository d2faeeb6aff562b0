/**
 * HTTP/3 by `Bun.serve` (`http3`, in 1.4.5 experimental): a UDP socket alone, for HTTP/1 and HTTP/2
 * are ours. Its `reload` keeps the certificates that it began with (seen in 1.4.5), so whoever has
 * others opens a second listener on the port and stops the first.
 */
import { listenError } from "./failures.ts";
import type { Http3Listener, Http3ListenOptions } from "./http3.ts";
import { peerHost } from "./peer.ts";
import type { TlsDetails } from "./tls_details.ts";

/** The most that Bun takes, in seconds. */
const IDLE_SECONDS_MAX = 255;

/** All that is known of the handshake. */
const TLS: TlsDetails = {
  serverName: undefined,
  // The only version that QUIC has (RFC 9001 section 4.2).
  version: "TLSv1.3",
  cipher: "",
  protocol: "h3",
  certificate: undefined,
  intermediates: [],
};

export function listenBunHttp3(options: Http3ListenOptions): Http3Listener {
  const { address, identities, idleMs, handler } = options;
  try {
    const server = Bun.serve({
      hostname: address.host,
      port: address.port,
      reusePort: true,
      http1: false,
      http3: true,
      idleTimeout: Math.min(IDLE_SECONDS_MAX, Math.ceil(idleMs / 1000)),
      // The gateway has a limit of its own, which says more than a 413 of Bun's.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      tls: identities.map(({ cert, key, serverName }) => ({ cert, key, serverName })),
      fetch(request, served) {
        const from = served.requestIP(request);
        return handler(request, {
          host: peerHost(from?.address ?? ""),
          port: from?.port ?? 0,
          protocol: "HTTP/3.0",
          tls: TLS,
        });
      },
      error: () => new Response(null, { status: 500 }),
    });
    return {
      stop: () => server.stop(),
      destroy: () => void server.stop(true),
    };
  } catch (cause) {
    throw listenError(address, cause);
  }
}
