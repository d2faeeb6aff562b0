/** What sites with `tls: auto` and `acme` say about each other: names that can have a certificate. */
import { LETS_ENCRYPT } from "../acme/options.ts";
import type { ConfigNode } from "./config_node.ts";
import type { Tell } from "./located_error.ts";
import { type PathContext, requireFile } from "./path_references.ts";

/** Names that nobody has on the internet (RFC 6761, RFC 6762, RFC 9476, and ICANN's `internal`). */
const PRIVATE = /(?:^|\.)(?:localhost|test|invalid|local|internal|alt|onion|arpa)$|^[^.]+$/;

const ADDRESS = /^\[|^\d+(?:\.\d+){3}$|:/;

export function checkAcme(root: ConfigNode, context: PathContext, tell: Tell): void {
  const acme = root.get("acme");
  requireFile(acme?.get("ca"), "name the CA's PEM file", context, tell);
  const isPublic = (acme?.get("directory")?.text ?? LETS_ENCRYPT).includes(".letsencrypt.org/");
  const onDemand = acme?.get("on_demand");
  const sites = (root.get("sites")?.items ?? []).filter((site) => site.get("tls")?.text === "auto");
  if (onDemand !== undefined && sites.length === 0) {
    tell(onDemand.place, "on_demand serves nobody: no site has tls: auto (add it to one)");
  }
  for (const site of sites) {
    checkNames(site, { isPublic, hasOnDemand: onDemand !== undefined }, tell);
  }
}

function checkNames(
  site: ConfigNode,
  { isPublic, hasOnDemand }: { readonly isPublic: boolean; readonly hasOnDemand: boolean },
  tell: Tell,
): void {
  const hosts = site.get("hosts");
  if (hosts === undefined && !hasOnDemand) {
    const remedy = "add hosts, or acme.on_demand";
    tell(site.get("tls")!.place, `tls: auto wants names for the certificate (${remedy})`);
  }
  for (const { text, place } of hosts?.items ?? []) {
    if (text === undefined) continue;
    const name = text.toLowerCase();
    if (name.includes("*")) {
      if (hasOnDemand) continue;
      const what =
        `A certificate for "${text}" needs the challenge dns-01, which afcgi does not have`;
      tell(place, `${what} (list the names, use acme.on_demand, or name files in tls)`);
    } else if (ADDRESS.test(name)) {
      tell(place, `tls: auto has no certificates for addresses (use tls: internal, or name files)`);
    } else if (isPublic && PRIVATE.test(name)) {
      tell(place, `No public authority certifies "${text}" (use tls: internal)`);
    }
  }
}
