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
import type { SiteOptions } from "../http/options.ts";
import type { Identify } from "../runtime/callback_socket.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ListenError } from "../runtime/network.ts";
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
  #automatic: AutomaticSource | undefined;

  constructor(deps: CertificateDeps) {
    this.#deps = deps;
  }

  /** Undefined where no site has `tls: auto`. */
  get automatic(): AutomaticSource | undefined {
    return this.#automatic;
  }

  /** @throws {ListenError} when files cannot be used */
  async open(sites: readonly SiteOptions[]): Promise<void> {
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
   * Who we are at a listener.
   *
   * @throws {ListenError} when its own files cannot be used
   */
  async identify({ pair }: ListenerTlsOptions): Promise<Identify> {
    const own = pair && await this.#files([pair]);
    if (own !== undefined) this.#sources.add(own);
    return (serverName, hello) => this.#table.find(serverName, hello, own);
  }

  close(): void {
    for (const source of this.#sources) source.close();
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
