/**
 * Which site a host belongs to: an exact name first, then the longest wildcard (`*.example.com`
 * matches any name below, not `example.com` itself), then the site for every host.
 */

export class SiteTable<Site> {
  readonly #exact = new Map<string, Site>();
  /** `.example.com` to site, longest first. */
  readonly #wildcards: (readonly [suffix: string, site: Site])[] = [];
  #fallback: Site | undefined;

  /** Of two sites that claim the same host the first one gets it. */
  add(hosts: readonly string[], site: Site): void {
    if (hosts.length === 0) this.#fallback ??= site;
    for (const host of hosts) {
      if (host.startsWith("*.")) this.#wildcards.push([host.slice(1), site]);
      else if (!this.#exact.has(host)) this.#exact.set(host, site);
    }
    this.#wildcards.sort(([a], [b]) => b.length - a.length);
  }

  find(host: string): Site | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const [suffix, site] of this.#wildcards) {
      if (host.endsWith(suffix) && host.length > suffix.length) return site;
    }
    return this.#fallback;
  }
}
