/** The bounds of clients' connections at work: counted, logged, and kept by every listener. */
import { IpNetworks } from "../http/ip_networks.ts";
import { CLIENT_PHASES, type ClientPhase } from "../http1/client_phase.ts";
import type { HttpListener } from "../http1/server.ts";
import type { SiteOptions } from "../http/options.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import type { MetricsRegistry, Sample } from "../observe/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import {
  ClientConnections,
  type ClientShare,
  type Pausable,
  type WhenFull,
} from "./client_connections.ts";
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
  /** Left out: there are no other threads. */
  readonly share?: ClientShare | undefined;
  /** Whether this thread looks after descriptors, which are the process's. */
  readonly isMain: boolean;
}

const MESSAGES = {
  full: "Too many connections: a client was refused",
  address: "Too many connections of one address: one was refused",
} as const;

/** What the bounds of a configuration depend on. */
export interface BoundedOptions {
  readonly sites: readonly SiteOptions[];
  readonly upstreams: readonly UpstreamOptions[];
}

/** A listener whose connections count here; one of HTTP can say what they are at. */
export type ClientListener = Pausable & Partial<Pick<HttpListener, "countPhases">>;

/** Beside the phases of HTTP: handshakes, and clients of Gemini. */
const OTHER_PHASE = "opening";

export class ClientBounds {
  readonly connections: ClientConnections;
  readonly #deps: ClientBoundsDeps;
  readonly #watch: DescriptorWatch;
  /** Also those that accept nobody any more, and have clients left. */
  readonly #listeners = new Set<ClientListener>();
  /** The last number of which it was told that it does not fit. */
  #toldLoweredFrom: number | undefined;

  constructor(options: ClientOptions, bounded: BoundedOptions, deps: ClientBoundsDeps) {
    this.#deps = deps;
    const { runtime: { clock, process }, registry, logger, limited } = deps;
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
    this.connections = new ClientConnections({
      ...this.#boundsOf(options, bounded),
      share: deps.share,
      onRefused: (reason, client) => {
        refused.add([reason]);
        const code = `connections_${reason}`;
        const { max, perAddressMax } = this.connections;
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
        const { max } = this.connections;
        limited.log(code, "warn", "Too many connections: clients wait", { code, max });
      },
    });
    registry.number(
      "afcgi_client_connections",
      "Connections of clients, handshakes among them.",
      () => this.connections.open,
    );
    registry.gauge(
      "afcgi_client_connections_by_state",
      "The same by what they are at; opening: handshakes, and clients of Gemini.",
      ["state"],
      () => this.#phases(),
    );
    registry.number(
      "afcgi_client_connections_max",
      "Connections that clients may have.",
      () => this.connections.max,
    );
    this.#watch = new DescriptorWatch({ clock, process, logger });
  }

  /** The bounds of another configuration, from now on. */
  configure(options: ClientOptions, bounded: BoundedOptions): void {
    this.connections.configure(this.#boundsOf(options, bounded));
  }

  add(listener: ClientListener): void {
    if (listener.countPhases !== undefined) this.#listeners.add(listener);
    this.connections.add(listener);
    this.#watch.add(listener);
  }

  /** It accepts nobody any more. */
  remove(listener: ClientListener): void {
    this.connections.remove(listener);
    this.#watch.remove(listener);
  }

  /** It has no clients any more. */
  forget(listener: ClientListener): void {
    this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#deps.isMain) this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }

  #phases(): readonly Sample[] {
    const counts: Record<ClientPhase, number> = {
      idle: 0,
      reading: 0,
      responding: 0,
      sending: 0,
      closing: 0,
    };
    for (const listener of this.#listeners) listener.countPhases?.(counts);
    const known = CLIENT_PHASES.reduce((sum, phase) => sum + counts[phase], 0);
    const others = Math.max(0, this.connections.open - known);
    return [
      { labels: [OTHER_PHASE], value: others },
      ...CLIENT_PHASES.map((phase) => ({ labels: [phase], value: counts[phase] })),
    ];
  }

  #boundsOf(
    { connectionsMax, connectionsPerAddressMax, whenFull }: ClientOptions,
    { sites, upstreams }: BoundedOptions,
  ) {
    const { runtime: { process }, logger, share, isMain } = this.#deps;
    const asked = { max: connectionsMax, perAddressMax: connectionsPerAddressMax };
    const limit = process.descriptorLimit;
    const threads = share?.threads;
    const { max, perAddressMax, loweredFrom } = connectionBounds(asked, limit, upstreams, threads);
    if (isMain && loweredFrom !== undefined && loweredFrom !== this.#toldLoweredFrom) {
      const message = `Only ${max} of ${loweredFrom} connections fit into ${limit} descriptors`;
      logger.warn(message, { code: "connections_lowered" });
    }
    this.#toldLoweredFrom = loweredFrom;
    const trusted = new IpNetworks(sites.flatMap(({ proxies }) => proxies?.trusted ?? []));
    return { max, perAddressMax, whenFull, isExempt: (host: string) => trusted.has(host) };
  }
}
