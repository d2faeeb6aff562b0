/** The global options of a Caddyfile → what holds for the whole file, and how sites listen. */
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import { caddyTime } from "./units.ts";
import { timeText } from "../import/units.ts";
import { DIRECTIVE_ORDER, reordered } from "./order.ts";

export interface Globals {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** What becomes of HTTPS by itself: all of it, no redirects, or nothing. */
  readonly autoHttps: "on" | "disable_redirects" | "off";
  readonly isLocal: boolean;
  readonly isOnDemand: boolean;
  readonly bind: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly order: readonly string[];
  /** Keys of the file. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly acme: Readonly<Record<string, unknown>>;
}

/** What afcgi has in a way of its own, or has no need of. */
const UNNEEDED = new Set([
  ...["admin", "persist_config", "skip_install_trust", "storage", "storage_clean_interval"],
  ...["ocsp_stapling", "ocsp_interval", "renew_interval", "renewal_window_ratio", "default_sni"],
  ...["fallback_sni", "key_type", "cert_lifetime", "preferred_chains", "metrics", "pki", "log"],
]);

export function globalsOf(blocks: readonly Directive[], notes: Notes): Globals {
  let globals: Globals = {
    httpPort: 80,
    httpsPort: 443,
    autoHttps: "on",
    isLocal: false,
    isOnDemand: false,
    bind: [],
    trustedProxies: [],
    order: DIRECTIVE_ORDER,
    settings: {},
    acme: {},
  };
  for (const option of blocks.flatMap(({ block }) => block ?? [])) {
    globals = withOption(globals, option, notes);
  }
  return globals;
}

function withOption(globals: Globals, option: Directive, notes: Notes): Globals {
  const [value = ""] = option.args;
  const withAcme = (acme: Record<string, unknown>) => ({
    ...globals,
    acme: { ...globals.acme, ...acme },
  });
  notes.take(option);
  switch (option.name) {
    case "email":
      return withAcme({ email: value });
    case "acme_ca":
      return withAcme({ directory: value });
    case "acme_ca_root":
      return withAcme({ ca: value });
    case "acme_eab": {
      const said = (name: string) => option.block?.find((it) => it.name === name)?.args[0] ?? "";
      return withAcme({ eab: { key_id: said("key_id"), hmac_key: said("mac_key") } });
    }
    case "on_demand_tls": {
      const ask = option.block?.find((it) => it.name === "ask")?.args[0];
      return { ...(ask ? withAcme({ on_demand: { ask } }) : globals), isOnDemand: true };
    }
    case "http_port":
      return { ...globals, httpPort: Number(value) || 80 };
    case "https_port":
      return { ...globals, httpsPort: Number(value) || 443 };
    case "auto_https":
      if (value !== "off" && value !== "disable_redirects") {
        notes.add("unneeded", option, "certificates are made for names without one alone");
        return globals;
      }
      return { ...globals, autoHttps: value };
    case "local_certs":
      return { ...globals, isLocal: true };
    case "default_bind":
      return { ...globals, bind: option.args };
    case "debug":
      return withSetting(globals, {
        log: { ...globals.settings["log"] as object, level: "debug" },
      });
    case "grace_period": {
      const timeMs = caddyTime(value);
      return timeMs ? withSetting(globals, { shutdown: { grace: timeText(timeMs) } }) : globals;
    }
    case "order":
      return { ...globals, order: reordered(globals.order, option.args) };
    case "servers":
      return withServers(globals, option, notes);
  }
  if (UNNEEDED.has(option.name)) notes.add("unneeded", option, "afcgi has its own way");
  else notes.add("lost", option, "it has no counterpart");
  return globals;
}

function withSetting(globals: Globals, settings: Record<string, unknown>): Globals {
  return { ...globals, settings: { ...globals.settings, ...settings } };
}

/** Networks that Caddy calls `private_ranges`. */
export const PRIVATE_RANGES = [
  ...["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "::1/128"],
];

function withServers(globals: Globals, servers: Directive, notes: Notes): Globals {
  let changed = globals;
  for (const option of servers.block ?? []) {
    const [kind, ...networks] = option.args;
    if (option.name === "trusted_proxies" && kind === "static") {
      notes.take(option);
      changed = {
        ...changed,
        trustedProxies: networks.flatMap((it) => it === "private_ranges" ? PRIVATE_RANGES : [it]),
      };
    } else if (
      ["protocols", "protocol", "metrics", "timeouts", "log_credentials"].includes(option.name)
    ) {
      notes.add("unneeded", option, "afcgi has its own way");
    } else notes.add("lost", option, "it has no counterpart");
  }
  return changed;
}
