/** Who may say whose connection it is (PROXY protocol), and what becomes known of others. */
import { IpNetworks } from "../http/ip_networks.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { ProxyProtocol } from "../runtime/callback_socket.ts";

/** Makes what a listener asks, from the networks that it names. */
export function watchProxies(
  registry: MetricsRegistry,
  log: LimitedLog,
): (networks: readonly string[]) => ProxyProtocol {
  const refused = registry.counter(
    "afcgi_proxy_protocol_refused_total",
    "Connections that were cut for want of a PROXY header by a proxy that is named.",
    [],
  );
  const code = "proxy_protocol_refused";
  return (networks) => {
    const trusted = new IpNetworks(networks);
    return {
      isTrusted: (host) => trusted.has(host),
      onRefused: (client, detail) => {
        refused.add([]);
        log.log(code, "info", "Connection without a PROXY header of a proxy", {
          code,
          client,
          detail,
        });
      },
    };
  };
}
