/**
 * Which certificate a handshake gets: that of the site with the name, exact before wildcard; then
 * the listener's own; then that of the site for every host. A client that asks for no name gets that
 * of the site with the address that it has connected to, else the default: the listener's own, or
 * that of the site for every host, or of the first site.
 *
 * A site that has none yet has none: a name of its own is never answered with another's.
 */
import { SiteTable } from "../routing/site_table.ts";
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { CertificateSite, CertificateSource } from "./source.ts";

type Found = TlsIdentity | undefined | Promise<TlsIdentity | undefined>;

export class CertificateTable {
  readonly #named = new SiteTable<CertificateSource>();
  /** In the order of the file. */
  readonly #all: CertificateSource[] = [];
  #everyHost: CertificateSource | undefined;

  /** Of two sites that claim the same host the first one gets it. */
  add({ hosts }: Pick<CertificateSite, "hosts">, source: CertificateSource): void {
    this.#all.push(source);
    if (hosts.length === 0) this.#everyHost ??= source;
    else this.#named.add(hosts, source);
  }

  /** `own` is the listener's, `localHost` the address that the client has connected to. */
  find(
    serverName: string,
    hello: ClientHello,
    own: CertificateSource | undefined,
    localHost: string,
  ): Found {
    if (serverName === "") {
      const here = this.#named.find(localHost.includes(":") ? `[${localHost}]` : localHost);
      return here?.find(localHost, hello) ?? this.#default(hello, own);
    }
    const source = this.#named.find(serverName) ?? own ?? this.#everyHost;
    return source?.find(serverName, hello);
  }

  #default(hello: ClientHello, own: CertificateSource | undefined): Found {
    if (own !== undefined) return own.find("", hello);
    const sources = this.#everyHost === undefined ? this.#all : [this.#everyHost, ...this.#all];
    for (const source of sources) {
      const found = source.find("", hello);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
