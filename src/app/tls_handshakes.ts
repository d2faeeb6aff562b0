/** What becomes known of TLS handshakes that fail: a count for each reason, and a line a second at most. */
import type { LimitedLog } from "../observe/limited_log.ts";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { OnHandshakeFailed } from "../runtime/callback_socket.ts";

/** Called for each handshake that fails. */
export function watchHandshakes(registry: MetricsRegistry, log: LimitedLog): OnHandshakeFailed {
  const failures = registry.counter(
    "afcgi_tls_handshakes_failed_total",
    "TLS handshakes of HTTP clients that failed, by reason.",
    ["reason"],
  );
  const code = "tls_handshake_failed";
  return ({ host }, message, reason) => {
    failures.add([reason]);
    log.log(code, "info", "TLS handshake failed", { code, reason, detail: message, client: host });
  };
}
