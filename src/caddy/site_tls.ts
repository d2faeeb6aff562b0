/** `tls` of a site → its certificates, and those that it asks its clients for. */
import type { Directive } from "../import/directive.ts";
import type { Notes } from "../import/notes.ts";
import type { Globals } from "./globals.ts";
import { isOfThisMachine } from "./addresses.ts";

export interface TlsSaid {
  readonly isSaid: boolean;
  /** The value of the site's `tls`, where it says one. */
  readonly value: unknown;
  readonly clientAuth: Readonly<Record<string, unknown>> | undefined;
  readonly min: string | undefined;
  readonly acme: Readonly<Record<string, unknown>>;
  /** What closes the site: it guards, and cannot be said. */
  readonly closedBy: Directive | undefined;
}

interface TlsParts {
  readonly notes: Notes;
  readonly isFile: (path: string) => boolean;
}

const UNNEEDED = new Set([
  ...["alpn", "curves", "key_type", "resolvers", "propagation_timeout", "propagation_delay"],
  ...["dns_ttl", "dns_challenge_override_domain", "renewal_window_ratio", "get_certificate"],
]);

export function tlsSaid(directives: readonly Directive[], { notes, isFile }: TlsParts): TlsSaid {
  let value: unknown;
  let clientAuth: Record<string, unknown> | undefined;
  let min: string | undefined;
  let closedBy: Directive | undefined;
  const acme: Record<string, unknown> = {};
  for (const directive of directives) {
    const [first, second] = directive.args;
    notes.take(directive);
    if (first === "internal") value = "internal";
    else if (first === "force_automate") value = "auto";
    else if (first !== undefined && second !== undefined) {
      if (isFile(first) && isFile(second)) value = { cert: first, key: second };
      else {
        value = "internal";
        notes.add(
          "lost",
          directive,
          "they are no files here, so a local certificate is in their place",
        );
      }
    } else if (first?.includes("@")) acme["email"] = first;
    for (const line of directive.block ?? []) {
      notes.take(line);
      if (line.name === "issuer") {
        if (line.args[0] === "internal") value = "internal";
        else readAcme(line.block ?? [], acme, notes);
      } else if (line.name === "ca") acme["directory"] = line.args[0];
      else if (line.name === "ca_root") acme["ca"] = line.args[0];
      else if (line.name === "eab") {
        acme["eab"] = { key_id: line.args[0], hmac_key: line.args[1] };
      } else if (line.name === "protocols") min = line.args[0] === "tls1.3" ? "1.3" : undefined;
      else if (line.name === "client_auth") {
        clientAuth = clientAuthOf(line, { notes, isFile });
        if (clientAuth === undefined) {
          closedBy = line;
          notes.add(
            "refused",
            line,
            "its clients' certificates cannot be asked for, so the site is closed",
          );
        }
      } else if (line.name === "on_demand") {
        notes.add("differs", line, "names are asked for as acme.on_demand says");
      } else if (UNNEEDED.has(line.name)) notes.add("unneeded", line, "afcgi has its own way");
      else notes.add("lost", line, "it has no counterpart");
    }
  }
  return { isSaid: directives.length > 0, value, clientAuth, min, acme, closedBy };
}

function readAcme(lines: readonly Directive[], acme: Record<string, unknown>, notes: Notes): void {
  for (const line of lines) {
    const [value, second] = line.args;
    if (line.name === "email") acme["email"] = value;
    else if (line.name === "dir") acme["directory"] = value;
    else if (line.name === "trusted_roots") acme["ca"] = value;
    else if (line.name === "eab") acme["eab"] = { key_id: value, hmac_key: second };
    else {
      notes.add("lost", line, "it has no counterpart");
      continue;
    }
    notes.take(line);
  }
}

const MODES: Readonly<Record<string, "request" | "require" | undefined>> = {
  request: "request",
  verify_if_given: "request",
  require_and_verify: "require",
};

/** Undefined where less would be asked of a client than Caddy asks. */
function clientAuthOf(
  directive: Directive,
  { notes, isFile }: TlsParts,
): Record<string, unknown> | undefined {
  const lines = directive.block ?? [];
  const mode = lines.find(({ name }) => name === "mode")?.args[0] ?? "require_and_verify";
  const pool = lines.filter(({ name }) => ["trusted_ca_cert_file", "trust_pool"].includes(name));
  const file = pool[0]?.args.at(-1) ??
    pool[0]?.block?.find(({ name }) => name === "pem_file")?.args[0];
  const isKnown = lines.every((line) => line.name === "mode" || pool.includes(line));
  const said = MODES[mode];
  if (!isKnown || said === undefined || pool.length > 1) return undefined;
  if (file === undefined) return mode === "request" ? { mode: "request" } : undefined;
  if (!isFile(file)) return undefined;
  notes.take(...lines);
  return { ca: file, mode: said };
}

/** What certificate hosts get that nobody has said one for. */
export function automaticTls(hosts: readonly string[], globals: Globals): "auto" | "internal" {
  const isLocal = globals.isLocal || hosts.every(isOfThisMachine);
  return isLocal || hosts.length === 0 ? "internal" : "auto";
}
