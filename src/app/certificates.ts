/**
 * The certificates of a whole configuration: a source for each site that has TLS and for each
 * listener with files of its own, and what a handshake at a listener gets of them.
 */
import { type CertificateFiles, openCertificateFiles } from "../certificates/files.ts";
import type { ListenerTlsOptions } from "../certificates/options.ts";
import type {
  AutomaticSource,
  CertificateSite,
  CertificateSource,
} from "../certificates/source.ts";
import { CertificateTable } from "../certificates/table.ts";
import { Authorities } from "../certificates/authorities.ts";
import { type ClientCheck, compileClientCheck } from "../http/client_certificates.ts";
import type { ServerTls } from "../http1/server.ts";
import { SiteTable } from "../routing/site_table.ts";
import { asksForCertificate } from "./sites.ts";
import type { SiteOptions } from "../http/options.ts";
import type { OnHandshakeFailed } from "../runtime/callback_socket.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ListenError } from "../runtime/network.ts";
import type { AppOptions } from "./options.ts";
import { errorText } from "../upstream/errors.ts";

export interface CertificateDeps {
  readonly runtime: Runtime;
  /** Where certificates, keys and accounts are kept. */
  readonly store: string;
  /** Starts what serves the sites with `tls: auto`; called once, with at least one. */
  readonly openAutomatic: (sites: readonly CertificateSite[]) => Promise<AutomaticSource>;
}

export class Certificates {
  readonly #deps: CertificateDeps;
  readonly #table = new CertificateTable();
  readonly #sources = new Set<CertificateSource>();
  /** Those that clients' certificates are held against. */
  readonly authorities = new Authorities();
  /** Whether a site asks for certificates. */
  readonly #asking = new SiteTable<boolean>();
  #asksSomewhere = false;
  #automatic: AutomaticSource | undefined;

  constructor(deps: CertificateDeps) {
    this.#deps = deps;
  }

  /** Undefined where no site has `tls: auto`. */
  get automatic(): AutomaticSource | undefined {
    return this.#automatic;
  }

  /** @throws {ListenError} when files cannot be used */
  async open({ sites, listen }: Pick<AppOptions, "sites" | "listen">): Promise<void> {
    const asked = [
      ...listen.map(({ tls }) => tls?.clientAuth),
      ...sites.flatMap(({ routes }) => routes.map(({ middleware }) => middleware?.clientAuth)),
    ];
    for (const client of asked) {
      if (client?.ca !== undefined) await this.#readAuthorities(client.ca);
    }
    for (const site of sites) this.#asking.add(site.hosts, asksForCertificate(site));
    this.#asksSomewhere = sites.some(asksForCertificate);
    const automatic = sites.filter(({ tls }) => tls?.kind === "auto").map(certificateSite);
    if (automatic.length > 0) {
      this.#automatic = await this.#deps.openAutomatic(automatic);
      this.#sources.add(this.#automatic);
    }
    for (const site of sites) {
      const source = await this.#sourceOf(site);
      if (source === undefined) continue;
      this.#sources.add(source);
      this.#table.add(certificateSite(site), source);
    }
  }

  /**
   * How a listener speaks TLS.
   *
   * @throws {ListenError} when its own files cannot be used
   */
  async serverTls(
    { pair, versionMin, ciphers, clientAuth }: ListenerTlsOptions,
    onHandshakeFailed: OnHandshakeFailed,
  ): Promise<ServerTls> {
    const own = pair && await this.#files([pair]);
    if (own !== undefined) this.#sources.add(own);
    return {
      identify: (serverName, hello) => this.#table.find(serverName, hello, own),
      versionMin,
      ciphers,
      asksForCertificate: (serverName) => clientAuth !== undefined || this.#asks(serverName),
      onHandshakeFailed,
    };
  }

  /** What a listener asks of every client. */
  clientCheck(tls: ListenerTlsOptions | undefined): ClientCheck | undefined {
    const { clock } = this.#deps.runtime;
    const options = tls?.clientAuth;
    return options && compileClientCheck(options, this.authorities, () => clock.wallMs());
  }

  /** Once everything listens, and we are who we are to be. */
  start(): void {
    this.#automatic?.start();
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  /** A handshake without a name may be for any site. */
  #asks(serverName: string): boolean {
    return serverName === "" ? this.#asksSomewhere : this.#asking.find(serverName) === true;
  }

  async #readAuthorities(path: string): Promise<void> {
    try {
      await this.authorities.read(path, this.#deps.runtime);
    } catch (cause) {
      throw new ListenError(errorText(cause), { cause });
    }
  }

  async #sourceOf({ tls }: SiteOptions): Promise<CertificateSource | undefined> {
    if (tls === undefined) return undefined;
    return tls.kind === "auto" ? this.#automatic : await this.#files(tls.pairs);
  }

  async #files(paths: Parameters<typeof openCertificateFiles>[0]): Promise<CertificateFiles> {
    try {
      return await openCertificateFiles(paths, this.#deps.runtime);
    } catch (cause) {
      throw new ListenError(`Cannot serve TLS: ${errorText(cause)}`, { cause });
    }
  }
}

function certificateSite({ hosts }: SiteOptions): CertificateSite {
  return { name: hosts[0] ?? "default", hosts };
}
