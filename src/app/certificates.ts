/**
 * The certificates of a whole configuration: a source for each site that has TLS and for each
 * listener with files of its own, and what a handshake at a listener gets of them.
 */
import { type CertificateFiles, openCertificateFiles, stateOf } from "../certificates/files.ts";
import type { ListenerTlsOptions, PairPaths } from "../certificates/options.ts";
import type {
  AutomaticSource,
  CertificateSite,
  CertificateSource,
} from "../certificates/source.ts";
import { openSelfSigned } from "../certificates/self_signed.ts";
import { LocalAuthority } from "../certificates/local_authority.ts";
import { CertificateStore } from "../certificates/store.ts";
import type { Logger } from "../observe/logger.ts";
import { CertificateTable } from "../certificates/table.ts";
import { Authorities } from "../certificates/authorities.ts";
import { type ClientCheck, compileClientCheck } from "../http/client_certificates.ts";
import type { ServerTls } from "../http1/server.ts";
import { SiteTable } from "../routing/site_table.ts";
import { asksForCertificate } from "./sites.ts";
import type { GeminiSiteOptions } from "../gemini/options.ts";
import type { SiteOptions } from "../http/options.ts";
import type { OnHandshakeFailed } from "../runtime/callback_socket.ts";
import type { PrivateOwner } from "../runtime/private_directory.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ListenError } from "../runtime/network.ts";
import type { SiteCertificate } from "./certificate_metrics.ts";
import { fingerprint } from "./fingerprint.ts";
import type { AppOptions } from "./options.ts";
import type { Parts } from "./parts.ts";
import { errorText } from "../upstream/errors.ts";

export interface CertificateDeps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Where certificates, keys and accounts are kept. */
  readonly store: string;
  /** Whose they are where we are root, and will not stay so. */
  readonly owner: PrivateOwner | undefined;
  /** What sources are shared with the configuration before. */
  readonly parts: Parts;
  /** What `openAutomatic` depends on beside the sites. */
  readonly automaticKey: string;
  /** Starts what serves the sites with `tls: auto`; called once, with at least one. */
  readonly openAutomatic: (sites: readonly CertificateSite[]) => Promise<AutomaticSource>;
  /** One of them is another one from the next handshake on. */
  readonly onChange?: (() => void) | undefined;
  /** Whether another thread holds all certificates; challenges over HTTP are met here, too. */
  readonly areElsewhere?: boolean | undefined;
}

/** The site that metrics name for the root and the authority of `tls: internal`. */
const LOCAL_AUTHORITY = "tls: internal";

export class Certificates {
  readonly #deps: CertificateDeps;
  readonly #table = new CertificateTable();
  /** Those that clients' certificates are held against. */
  readonly authorities = new Authorities();
  readonly #asking = new SiteTable<boolean>();
  #asksSomewhere = false;
  readonly #bySite: [site: string, source: CertificateSource][] = [];
  #automatic: AutomaticSource | undefined;
  #local: LocalAuthority | undefined;
  #isAutomaticNew = false;

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
    if (automatic.length > 0) await this.#openAutomatic(automatic);
    for (const site of sites) {
      const source = await this.#sourceOf(site);
      if (source === undefined) continue;
      const named = certificateSite(site);
      this.#table.add(named, source);
      if (source !== this.#automatic) this.#bySite.push([named.name, source]);
    }
  }

  /** How a listener speaks TLS. @throws {ListenError} when its own files cannot be used */
  async serverTls(
    { pair, versionMin, ciphers, clientAuth }: ListenerTlsOptions,
    onHandshakeFailed: OnHandshakeFailed,
  ): Promise<ServerTls> {
    if (ciphers !== undefined) this.#checkCiphers(ciphers);
    const own = pair && !this.#deps.areElsewhere ? await this.#files([pair]) : undefined;
    if (own !== undefined) this.#bySite.push(["", own]);
    return {
      identify: (serverName, hello, localHost) =>
        this.#table.find(serverName, hello, own, localHost),
      versionMin,
      ciphers,
      asksForCertificate: (serverName) => clientAuth !== undefined || this.#asks(serverName),
      onHandshakeFailed,
    };
  }

  /**
   * Those of a site of Gemini, by host.
   *
   * @throws {ListenError} when files cannot be used
   * @throws with the operating system's reason when one cannot be made
   */
  async geminiSources(
    { tls, hosts }: Pick<GeminiSiteOptions, "tls" | "hosts">,
  ): Promise<ReadonlyMap<string, CertificateSource>> {
    const { parts, runtime } = this.#deps;
    const sources = new Map<string, CertificateSource>();
    for (const host of hosts) {
      const source = tls.kind === "files" ? await this.#files([tls]) : await parts.share(
        "certificates",
        `self-signed certificate ${fingerprint([tls.store, host])}`,
        () => openSelfSigned(tls.store, host, runtime),
        closeSource,
      );
      sources.set(host, source);
    }
    for (const source of new Set(sources.values())) this.#bySite.push([hosts[0] ?? "", source]);
    return sources;
  }

  clientCheck(tls: ListenerTlsOptions | undefined): ClientCheck | undefined {
    const { clock } = this.#deps.runtime;
    const options = tls?.clientAuth;
    return options && compileClientCheck(options, this.authorities, () => clock.wallMs());
  }

  /** Once everything listens, and we are who we are to be. */
  start(): void {
    if (this.#isAutomaticNew) this.#automatic?.start();
  }

  held(): readonly SiteCertificate[] {
    const automatic = this.#automatic?.held() ?? [];
    const local = this.#local?.held() ?? [];
    return [
      ...automatic.map((held) => [held.name, held] as const),
      ...local.map((held) => [LOCAL_AUTHORITY, held] as const),
      ...this.#bySite.flatMap(([site, source]) =>
        source.held().map((held) => [site, held] as const)
      ),
    ];
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

  async #openAutomatic(sites: readonly CertificateSite[]): Promise<void> {
    const { parts, automaticKey, openAutomatic } = this.#deps;
    const key = `automatic certificates ${automaticKey} ${fingerprint(sites)}`;
    this.#isAutomaticNew = !parts.isKept(key);
    this.#automatic = await parts.share(
      "certificates",
      key,
      () => openAutomatic(sites),
      closeSource,
    );
  }

  #checkCiphers(ciphers: string): void {
    try {
      this.#deps.runtime.tls.checkCiphers(ciphers);
    } catch (cause) {
      throw new ListenError(`Cannot serve TLS: ${errorText(cause)}`, { cause });
    }
  }

  async #sourceOf(site: SiteOptions): Promise<CertificateSource | undefined> {
    const { tls } = site;
    if (tls === undefined) return undefined;
    if (tls.kind === "auto") return this.#automatic;
    if (this.#deps.areElsewhere) return undefined;
    if (tls.kind === "files") return await this.#files(tls.pairs);
    const authority = this.#local = await this.#localAuthority();
    const key = `local certificate ${this.#deps.store} ${fingerprint(site.hosts)}`;
    return await this.#deps.parts.share(
      "certificates",
      key,
      () => authority.sourceFor(site),
      closeSource,
    );
  }

  /** Made, or read, once for all sites. */
  #localAuthority(): Promise<LocalAuthority> {
    const { runtime, store, owner, parts, logger } = this.#deps;
    return parts.share("certificates", `local authority ${store}`, async () => {
      try {
        const opened = CertificateStore.open(store, runtime, owner);
        return await LocalAuthority.open(opened, runtime, logger);
      } catch (cause) {
        const what = `Cannot keep the local authority in "${store}"`;
        throw new ListenError(`${what}: ${errorText(cause)}`, { cause });
      }
    });
  }

  /** Files that have changed are read again, and must be good; those that have not are kept. */
  #files(paths: readonly PairPaths[]): Promise<CertificateFiles> {
    const { runtime, logger, parts, onChange } = this.#deps;
    const states = paths.map((pair) => stateOf(pair, runtime));
    const key = `certificate files ${fingerprint([paths, states])}`;
    return parts.share("certificates", key, async () => {
      try {
        return await openCertificateFiles(paths, runtime, logger, onChange);
      } catch (cause) {
        throw new ListenError(`Cannot serve TLS: ${errorText(cause)}`, { cause });
      }
    }, closeSource);
  }
}

function closeSource(source: CertificateSource): void {
  source.close();
}

function certificateSite({ hosts }: SiteOptions): CertificateSite {
  return { name: hosts[0] ?? "default", hosts };
}
