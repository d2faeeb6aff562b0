/**
 * What is served over Gemini: a listener for each address, with all its sites. A listener is kept by
 * its address when the configuration changes, with its connections.
 */
import {
  fieldsOf,
  GeminiGateway,
  type GeminiGatewayDeps,
  type GeminiHost,
} from "../gemini/gateway.ts";
import type { GeminiSiteOptions } from "../gemini/options.ts";
import { compileGeminiSite } from "../gemini/site.ts";
import type { OpenCount } from "../http/open_count.ts";
import type { Logger } from "../observe/logger.ts";
import type { CertificateSource } from "../certificates/source.ts";
import { formatAddress, type TcpAddress } from "../runtime/address.ts";
import type { TlsVersion } from "../runtime/tls.ts";
import { errorText } from "../upstream/errors.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { AppOptions } from "./options.ts";
import type { ProcessParts } from "./process_parts.ts";
import { serverSoftware } from "./sites.ts";
import type { ClientBounds } from "./client_bounds.ts";
import type { Certificates } from "./certificates.ts";
import type { InheritedSockets } from "./inherited_sockets.ts";

/** A configuration, as far as Gemini is served from it. */
export interface GeminiParts {
  readonly options: Pick<AppOptions, "gemini">;
  readonly accessLog: Logger | undefined;
  readonly upstreams: readonly Upstream[];
  readonly open: OpenCount;
  readonly certificates: Pick<Certificates, "geminiSources">;
}

export interface GeminiAppDeps extends GeminiGatewayDeps {
  readonly upstreams: readonly Upstream[];
  readonly serverSoftware: string;
  /** By host. */
  readonly certificatesOf: (
    site: GeminiSiteOptions,
  ) => Promise<ReadonlyMap<string, CertificateSource>>;
}

/** What it needs of a configuration, where that has any. */
export function geminiDepsOf(
  { options: { gemini }, accessLog, upstreams, open, certificates }: GeminiParts,
  process: ProcessParts,
): GeminiAppDeps | undefined {
  if (gemini === undefined) return undefined;
  // Its metrics are there from now on.
  const { runtime, memory, logger, version, requestIds, geminiMetrics, clients } = process;
  return {
    runtime,
    memory,
    limits: gemini.limits,
    certificatesOf: (site) => certificates.geminiSources(site),
    metrics: geminiMetrics,
    log: logger,
    accessLog,
    nextRequestId: () => requestIds.next(),
    upstreams,
    serverSoftware: serverSoftware(version),
    open,
    connections: clients.connections,
  };
}

/** A certificate or a directory of them that cannot be used. */
export class GeminiStartError extends Error {
  override readonly name = "GeminiStartError";
}

/** All sites at one address. */
interface GeminiPlace {
  readonly listen: TcpAddress;
  readonly versionMin: TlsVersion;
  readonly hosts: readonly GeminiHost[];
}

/** What another configuration makes of the listeners; nothing has changed yet. */
export interface GeminiPlan {
  readonly addresses: readonly TcpAddress[];
  /** Those that are new accept already. Resolves when those that go have ended. */
  commit(): Promise<void>;
  discard(): void;
}

/** Of the process, over all configurations. */
export class GeminiListeners {
  readonly #clients: Pick<ClientBounds, "add" | "remove">;
  readonly #inherited: InheritedSockets;
  /** By the address that was asked for. */
  #gateways: ReadonlyMap<string, GeminiGateway> = new Map();
  /** Those that have stopped accepting, and not ended yet. */
  readonly #leaving = new Set<GeminiGateway>();

  constructor(clients: Pick<ClientBounds, "add" | "remove">, inherited: InheritedSockets) {
    this.#clients = clients;
    this.#inherited = inherited;
  }

  /** Every socket by the key of its place; undefined where one has no descriptor to hand over. */
  descriptors(): ReadonlyMap<string, number> | undefined {
    const found = new Map<string, number>();
    for (const [key, { listener }] of this.#gateways) {
      if (listener?.descriptor === undefined) return undefined;
      found.set(placeKey(key), listener.descriptor);
    }
    return found;
  }

  /**
   * `deps` may be left out where there are no sites.
   *
   * @throws {ListenError}
   * @throws {GeminiStartError}
   */
  async prepare(
    sites: readonly GeminiSiteOptions[],
    deps: GeminiAppDeps | undefined,
  ): Promise<GeminiPlan> {
    const byAddress = new Map<string, GeminiSiteOptions[]>();
    for (const site of sites) {
      const key = formatAddress(site.listen);
      byAddress.set(key, [...byAddress.get(key) ?? [], site]);
    }
    const places = new Map<string, GeminiPlace>();
    for (const [key, together] of byAddress) {
      const hosts: GeminiHost[] = [];
      for (const site of together) hosts.push(...await hostsOf(site, deps!));
      const { listen, versionMin } = together[0]!;
      places.set(key, { listen, versionMin, hosts });
    }
    const fresh = await this.#open(places, deps);
    const gateways = new Map(
      [...places.keys()].map((key) => [key, fresh.get(key) ?? this.#gateways.get(key)!]),
    );
    return {
      addresses: [...gateways.values()].map(({ address }) => address),
      commit: () => this.#commit(gateways, places, deps),
      discard: () => this.#discard([...fresh.values()]),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((gateway) => gateway.stop()));
  }

  destroy(): void {
    for (const gateway of this.#all()) gateway.destroy();
  }

  #all(): GeminiGateway[] {
    return [...this.#gateways.values(), ...this.#leaving];
  }

  /** Those at addresses where nobody listens yet. */
  async #open(
    places: ReadonlyMap<string, GeminiPlace>,
    deps: GeminiAppDeps | undefined,
  ): Promise<ReadonlyMap<string, GeminiGateway>> {
    const fresh = new Map<string, GeminiGateway>();
    try {
      for (const [key, { listen, versionMin, hosts }] of places) {
        if (this.#gateways.has(key)) continue;
        const gateway = new GeminiGateway(hosts, deps!);
        const given = this.#inherited.open({ key: placeKey(key), address: listen });
        const where = given?.address.transport === "tcp" ? given.address : listen;
        await gateway.listen(where, versionMin, given?.descriptor);
        this.#clients.add(gateway.listener!);
        fresh.set(key, gateway);
      }
    } catch (error) {
      this.#discard([...fresh.values()]);
      throw error;
    }
    return fresh;
  }

  async #commit(
    gateways: ReadonlyMap<string, GeminiGateway>,
    places: ReadonlyMap<string, GeminiPlace>,
    deps: GeminiAppDeps | undefined,
  ): Promise<void> {
    const before = this.#gateways;
    this.#gateways = gateways;
    for (const [key, { hosts, versionMin }] of places) {
      before.get(key)?.configure(hosts, deps!, versionMin);
    }
    const gone = [...before].filter(([key]) => !gateways.has(key)).map(([, gateway]) => gateway);
    await Promise.all(gone.map(async (gateway) => {
      this.#clients.remove(gateway.listener!);
      this.#leaving.add(gateway);
      await gateway.stop();
      this.#leaving.delete(gateway);
    }));
  }

  #discard(gateways: readonly GeminiGateway[]): void {
    for (const gateway of gateways) {
      this.#clients.remove(gateway.listener!);
      gateway.destroy();
    }
  }
}

function placeKey(address: string): string {
  return `gemini ${address}`;
}

async function hostsOf(options: GeminiSiteOptions, deps: GeminiAppDeps): Promise<GeminiHost[]> {
  const { runtime, log, serverSoftware } = deps;
  const upstreams = new Map(deps.upstreams.map((one) => [one.options.name, one]));
  try {
    const site = await compileGeminiSite(options, {
      runtime,
      upstreams,
      serverSoftware,
      onError: (error, request) => {
        const level = request.trace.code === "client_gone" ? "debug" : "error";
        log.log(level, errorText(error), fieldsOf(request));
      },
    });
    const sources = await deps.certificatesOf(options);
    return Array.from(sources, ([host, certificates]) => ({ host, site, certificates }));
  } catch (cause) {
    const where = `${formatAddress(options.listen)} (${options.hosts.join(" ")})`;
    throw new GeminiStartError(`Cannot serve Gemini at ${where}: ${errorText(cause)}`, { cause });
  }
}
