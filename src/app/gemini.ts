/** Starts and stops what is served over Gemini: a listener for each address, with all its sites. */
import {
  fieldsOf,
  GeminiGateway,
  type GeminiGatewayDeps,
  type GeminiHost,
} from "../gemini/gateway.ts";
import { loadIdentity } from "../gemini/identity_store.ts";
import type { GeminiSiteOptions } from "../gemini/options.ts";
import { compileGeminiSite } from "../gemini/site.ts";
import { formatAddress, type TcpAddress } from "../runtime/address.ts";
import type { TlsListener } from "../runtime/tls.ts";
import { errorText } from "../upstream/errors.ts";
import type { Upstream } from "../upstream/upstream.ts";

export interface GeminiAppDeps extends GeminiGatewayDeps {
  readonly upstreams: readonly Upstream[];
  readonly serverSoftware: string;
}

/** A certificate or a directory of them that cannot be used. */
export class GeminiStartError extends Error {
  override readonly name = "GeminiStartError";
}

export class GeminiListeners {
  readonly #deps: GeminiAppDeps;
  readonly #gateways: GeminiGateway[] = [];

  constructor(deps: GeminiAppDeps) {
    this.#deps = deps;
  }

  get addresses(): readonly TcpAddress[] {
    return this.#gateways.map(({ address }) => address);
  }

  /** What accepts, once it has started. */
  get listeners(): readonly TlsListener[] {
    return this.#gateways.flatMap(({ listener }) => listener ?? []);
  }

  /**
   * @throws {ListenError}
   * @throws {GeminiStartError}
   */
  async start(sites: readonly GeminiSiteOptions[]): Promise<void> {
    const byAddress = new Map<string, GeminiSiteOptions[]>();
    for (const site of sites) {
      const key = formatAddress(site.listen);
      byAddress.set(key, [...byAddress.get(key) ?? [], site]);
    }
    for (const together of byAddress.values()) {
      const hosts: GeminiHost[] = [];
      for (const site of together) hosts.push(...await this.#hostsOf(site));
      const gateway = new GeminiGateway(hosts, this.#deps);
      const { listen, versionMin } = together[0]!;
      await gateway.listen(listen, versionMin);
      this.#gateways.push(gateway);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
  }

  destroy(): void {
    for (const gateway of this.#gateways) gateway.destroy();
  }

  async #hostsOf(options: GeminiSiteOptions): Promise<GeminiHost[]> {
    const { runtime, log, serverSoftware } = this.#deps;
    const upstreams = new Map(this.#deps.upstreams.map((one) => [one.options.name, one]));
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
      const hosts: GeminiHost[] = [];
      for (const host of options.hosts) {
        hosts.push({ host, site, identity: await loadIdentity(options.tls, host, runtime) });
      }
      return hosts;
    } catch (cause) {
      const where = `${formatAddress(options.listen)} (${options.hosts.join(" ")})`;
      throw new GeminiStartError(`Cannot serve Gemini at ${where}: ${errorText(cause)}`, { cause });
    }
  }
}
