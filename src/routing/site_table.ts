/**
 * Which site a host belongs to: an exact name first, then the longest wildcard (`*.example.com`
 * matches any name below, not `example.com` itself), then the site for every host. Each look is by
 * name, so that a thousand sites are found as fast as one.
 */

export class SiteTable<Site> {
  readonly #exact = new Map<string, Site>();
  /** By what stands behind the star: `.example.com`. */
  readonly #wildcards = new Map<string, Site>();
  /** Of these the length of the longest: no more of a host is looked at. */
  #wildcardLengthMax = 0;
  #fallback: Site | undefined;

  /** Of two sites that claim the same host the first one gets it. */
  add(hosts: readonly string[], site: Site): void {
    if (hosts.length === 0) this.#fallback ??= site;
    for (const host of hosts) {
      if (host.startsWith("*.")) this.#addWildcard(host.slice(1), site);
      else if (!this.#exact.has(host)) this.#exact.set(host, site);
    }
  }

  find(host: string): Site | undefined {
    return this.#exact.get(host) ?? this.#findWildcard(host) ?? this.#fallback;
  }

  #addWildcard(suffix: string, site: Site): void {
    if (this.#wildcards.has(suffix)) return;
    this.#wildcards.set(suffix, site);
    this.#wildcardLengthMax = Math.max(this.#wildcardLengthMax, suffix.length);
  }

  /** From the longest on: at each dot with a name before it. */
  #findWildcard(host: string): Site | undefined {
    if (this.#wildcards.size === 0) return undefined;
    const first = Math.max(1, host.length - this.#wildcardLengthMax);
    for (let dot = host.indexOf(".", first); dot > 0; dot = host.indexOf(".", dot + 1)) {
      const site = this.#wildcards.get(host.slice(dot));
      if (site !== undefined) return site;
    }
    return undefined;
  }
}
