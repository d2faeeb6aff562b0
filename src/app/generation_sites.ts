/** The sites of a configuration, compiled over its upstreams and certificates. */
import type { Authorities } from "../certificates/authorities.ts";
import { warnForwarded } from "../http/forwarded_warnings.ts";
import type { GatewaySite } from "../http/gateway.ts";
import type { SiteOptions } from "../http/options.ts";
import type { ServeAddress } from "../runtime/address.ts";
import { SiteTable } from "../routing/site_table.ts";
import { rememberSymlinks } from "../static/symlink_memory.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { logScriptError, logStoreError } from "./error_log.ts";
import type { AppOptions } from "./options.ts";
import type { ProcessParts } from "./process_parts.ts";
import { compileGatewaySite, isServedAt, serverSoftware, SITES_AT_ONCE_MAX } from "./sites.ts";

export interface CompileDeps {
  readonly process: ProcessParts;
  readonly upstreams: readonly Upstream[];
  /** Those that clients' certificates are held against. */
  readonly authorities: Authorities;
}

export interface CompiledSite {
  readonly options: SiteOptions;
  readonly site: GatewaySite;
}

/** Those that are served at a listener, by their hosts. */
export function siteTable(
  sites: readonly CompiledSite[],
  address: ServeAddress,
): SiteTable<GatewaySite> {
  const table = new SiteTable<GatewaySite>();
  for (const { options, site } of sites) {
    if (isServedAt(options, address)) table.add(options.hosts, site);
  }
  return table;
}

export function compileSites(
  { limits, sites }: Pick<AppOptions, "limits" | "sites">,
  { process, upstreams, authorities }: CompileDeps,
): readonly CompiledSite[] {
  const { runtime, logger, limited, version, onError, httpMetrics } = process;
  const files = rememberSymlinks(runtime.files, runtime.clock);
  const byName = new Map(upstreams.map((upstream) => [upstream.options.name, upstream]));
  return sites.map((options) => {
    const site = compileGatewaySite(options, {
      runtime: {
        files,
        clock: runtime.clock,
        createCompressor: (coding) => runtime.createCompressor(coding),
        compressQuickly: (bytes, options) => runtime.compressQuickly(bytes, options),
      },
      upstreams: byName,
      limits,
      authorities,
      serverSoftware: serverSoftware(version),
      followSymlinks: (path) => runtime.files.realPath(path),
      onError,
      onForwardedError: (name, context, error) => {
        httpMetrics.onForwardedError(name);
        warnForwarded(limited, name, context, error);
      },
      onStoreError: (error, context) => logStoreError(limited, error, context),
      onScriptError: (params, context) => logScriptError(logger, runtime.files, params, context),
    }, sites.length > SITES_AT_ONCE_MAX);
    return { options, site };
  });
}
