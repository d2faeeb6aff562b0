/** The bounds of clients' connections at work: counted, logged, and kept by every listener. */
import { IpNetworks } from "../http/ip_networks.ts";
import type { SiteOptions } from "../http/options.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import { ClientConnections, type Pausable, type WhenFull } from "./client_connections.ts";
import { connectionBounds } from "./connection_bounds.ts";
import { DescriptorWatch } from "./descriptor_watch.ts";

export interface ClientOptions {
  /** Left out: as many as descriptors allow. */
  readonly connectionsMax?: number | undefined;
  /** Of one address, of IPv6 of a /64; left out: half of all. */
  readonly connectionsPerAddressMax?: number | undefined;
  readonly whenFull: WhenFull;
  /** Requests of one connection; 0: as many as it makes. */
  readonly requestsPerConnectionMax: number;
}

export const CLIENT_DEFAULTS: ClientOptions = { whenFull: "refuse", requestsPerConnectionMax: 0 };

export interface ClientBoundsDeps {
  readonly runtime: Runtime;
  readonly registry: MetricsRegistry;
  readonly logger: Logger;
  readonly limited: LimitedLog;
}

const MESSAGES = {
  full: "Too many connections: a client was refused",
  address: "Too many connections of one address: one was refused",
} as const;

export class ClientBounds {
  readonly connections: ClientConnections;
  readonly #watch: DescriptorWatch;

  constructor(
    options: ClientOptions,
    { sites, upstreams }: {
      readonly sites: readonly SiteOptions[];
      readonly upstreams: readonly UpstreamOptions[];
    },
    { runtime, registry, logger, limited }: ClientBoundsDeps,
  ) {
    const { process, clock } = runtime;
    const { connectionsMax, connectionsPerAddressMax, whenFull } = options;
    const asked = { max: connectionsMax, perAddressMax: connectionsPerAddressMax };
    const { max, perAddressMax, loweredFrom } = connectionBounds(
      asked,
      process.descriptorLimit,
      upstreams,
    );
    if (loweredFrom !== undefined) {
      const limit = process.descriptorLimit;
      const message = `Only ${max} of ${loweredFrom} connections fit into ${limit} descriptors`;
      logger.warn(message, { code: "connections_lowered" });
    }
    const refused = registry.counter(
      "afcgi_client_connections_refused_total",
      "Connections of clients that were one too many, in all or of an address.",
      ["reason"],
    );
    const waits = registry.counter(
      "afcgi_client_connections_waits_total",
      "Times when all connections were taken and the next client had to wait.",
      [],
    );
    const trusted = new IpNetworks(sites.flatMap(({ proxies }) => proxies?.trusted ?? []));
    this.connections = new ClientConnections({
      max,
      perAddressMax,
      whenFull,
      isExempt: (host) => trusted.has(host),
      onRefused: (reason, client) => {
        refused.add([reason]);
        const code = `connections_${reason}`;
        limited.log(code, "warn", MESSAGES[reason], {
          code,
          client,
          max,
          per_address: perAddressMax,
        });
      },
      onWaiting: (isWaiting) => {
        if (!isWaiting) return;
        waits.add([]);
        const code = "connections_full";
        limited.log(code, "warn", "Too many connections: clients wait", { code, max });
      },
    });
    registry.gauge(
      "afcgi_client_connections",
      "Connections of clients, handshakes among them.",
      [],
      () => [{ labels: [], value: this.connections.open }],
    );
    registry.gauge(
      "afcgi_client_connections_max",
      "Connections that clients may have.",
      [],
      () => [{ labels: [], value: max }],
    );
    this.#watch = new DescriptorWatch({ clock, process, logger });
  }

  add(listener: Pausable): void {
    this.connections.add(listener);
    this.#watch.add(listener);
  }

  start(): void {
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }
}
